// SPDX-License-Identifier: GPL-2.0-only
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/srcu.h>
#include <linux/vmalloc.h>
#include <kvm/iodev.h>

#include "vm.h"

static int (*ioeventfd)(struct kvm *kvm, struct kvm_ioeventfd *args);

unsigned long test_symbol(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (register_kprobe(&kp))
		return 0;
	unregister_kprobe(&kp);
	return (unsigned long)kp.addr;
}

/* No exported function creates an eventfd, so this calls the system call. */
int test_eventfd(struct kunit *test)
{
	static long (*eventfd2)(struct pt_regs *regs);
	struct pt_regs regs = {};
	int fd;

	if (!eventfd2)
		eventfd2 = (void *)test_symbol("__s390x_sys_eventfd2");
	KUNIT_ASSERT_NOT_NULL(test, eventfd2);
	regs.gprs[3] = EFD_NONBLOCK;
	fd = eventfd2(&regs);
	KUNIT_ASSERT_GE(test, fd, 0);
	return fd;
}

u64 test_eventfd_take(int fd)
{
	struct file *file = fget(fd);
	u64 count = 0;

	if (kernel_read(file, &count, sizeof(count), NULL) != sizeof(count))
		count = 0;
	fput(file);
	return count;
}

static int test_vm_init(struct kunit_resource *res, void *context)
{
	struct test_vm *vm = context;

	res->data = vm;
	return 0;
}

static void test_vm_free(struct kunit_resource *res)
{
	struct test_vm *vm = res->data;
	struct kvm_io_bus *bus = test_bus(vm);
	int i;

	for (i = 0; bus && i < bus->dev_count; i++)
		bus->range[i].dev->ops->destructor(bus->range[i].dev);
	kfree(bus);
	/* Newer kernels free the replaced buses in callbacks of SRCU. */
	srcu_barrier(&vm->kvm->srcu);
	cleanup_srcu_struct(&vm->kvm->srcu);
	free_page((unsigned long)vm->vcpu->arch.sie_block);
	free_page((unsigned long)vm->vcpu->run);
	vfree(vm->vcpu);
	vfree(vm->kvm);
	close_fd(vm->fd);
	kfree(vm);
}

struct test_vm *test_vm_create(struct kunit *test)
{
	struct test_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	struct kvm_io_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);

	if (!ioeventfd)
		ioeventfd = (void *)test_symbol("kvm_ioeventfd");
	KUNIT_ASSERT_NOT_NULL(test, ioeventfd);
	KUNIT_ASSERT_NOT_NULL(test, vm);
	KUNIT_ASSERT_NOT_NULL(test, bus);

	vm->kvm = vzalloc(sizeof(*vm->kvm));
	vm->vcpu = vzalloc(sizeof(*vm->vcpu));
	KUNIT_ASSERT_NOT_NULL(test, vm->kvm);
	KUNIT_ASSERT_NOT_NULL(test, vm->vcpu);
	vm->vcpu->run = (void *)get_zeroed_page(GFP_KERNEL);
	vm->vcpu->arch.sie_block = (void *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vm->vcpu->run);
	KUNIT_ASSERT_NOT_NULL(test, vm->vcpu->arch.sie_block);

	vm->vcpu->kvm = vm->kvm;
	spin_lock_init(&vm->vcpu->arch.local_int.lock);
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&vm->kvm->srcu), 0);
	mutex_init(&vm->kvm->slots_lock);
	mutex_init(&vm->kvm->lock);
	INIT_LIST_HEAD(&vm->kvm->ioeventfds);
	rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], bus);
	vm->kvm->arch.css_support = 1;
	vm->fd = test_eventfd(test);
	test_set_insn(vm, 0, DIAG_KVM_VIRTIO);

	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, test_vm_init, test_vm_free,
							 GFP_KERNEL, vm));
	return vm;
}

static int change(struct test_vm *vm, u32 schid, int len, u64 queue, int fd, u32 flags)
{
	struct kvm_ioeventfd args = {
		.datamatch = queue,
		.addr = schid,
		.len = len,
		.fd = fd < 0 ? vm->fd : fd,
		.flags = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY | flags,
	};

	return ioeventfd(vm->kvm, &args);
}

int test_assign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd)
{
	return change(vm, schid, len, queue, fd, KVM_IOEVENTFD_FLAG_DATAMATCH);
}

int test_assign_wildcard(struct test_vm *vm, u32 schid, int len)
{
	return change(vm, schid, len, 0, -1, 0);
}

int test_deassign(struct test_vm *vm, u32 schid, int len, u64 queue, int fd)
{
	return change(vm, schid, len, queue, fd,
		      KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

void test_register(struct kunit *test, struct test_vm *vm, u32 schid, int len,
		   struct kvm_io_device *dev)
{
	static int (*register_dev)(struct kvm *kvm, enum kvm_bus bus, gpa_t addr, int len,
				   struct kvm_io_device *dev);

	if (!register_dev)
		register_dev = (void *)test_symbol("kvm_io_bus_register_dev");
	KUNIT_ASSERT_NOT_NULL(test, register_dev);
	mutex_lock(&vm->kvm->slots_lock);
	KUNIT_EXPECT_EQ(test, register_dev(vm->kvm, KVM_VIRTIO_CCW_NOTIFY_BUS, schid, len, dev),
			0);
	mutex_unlock(&vm->kvm->slots_lock);
}

void test_set_gprs(struct test_vm *vm, u64 r1, u64 r2, u64 r3, u64 r4)
{
	__u64 *gprs = vm->vcpu->run->s.regs.gprs;
	int i;

	for (i = 0; i < 16; i++)
		gprs[i] = 0x0101010101010101ULL * (0x80 + i);
	gprs[1] = r1;
	gprs[2] = r2;
	gprs[3] = r3;
	gprs[4] = r4;
}

void test_set_insn(struct test_vm *vm, u8 b2, u16 d2)
{
	vm->vcpu->arch.sie_block->ipa = DIAG_IPA;
	vm->vcpu->arch.sie_block->ipb = (u32)b2 << 28 | (u32)(d2 & 0xfff) << 16;
}

int test_call(struct test_vm *vm, int (*handler)(struct kvm_vcpu *vcpu))
{
	int idx = srcu_read_lock(&vm->kvm->srcu);
	int rc = handler(vm->vcpu);

	srcu_read_unlock(&vm->kvm->srcu, idx);
	return rc;
}
