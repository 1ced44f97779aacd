// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define MODULE_FILE	"kvm-s390-diag.ko"
#define COUNTERS	"/sys/kernel/debug/kvm/kvm-s390-diag/total"

#define ICPT_INST	0x04
#define ICPT_WAIT	0x1c

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "vmm: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(2);
}

static int xioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s: %s", what, strerror(errno));
	return ret;
}

/* The module */

static int module_load(const char *param)
{
	int fd = open(MODULE_FILE, O_RDONLY);
	int ret;

	if (fd < 0)
		die("%s: %s", MODULE_FILE, strerror(errno));
	ret = syscall(SYS_finit_module, fd, param, 0);
	close(fd);
	return ret;
}

void attach(const char *param)
{
	if (module_load(param))
		die("loading the module with '%s': %s", param, strerror(errno));
}

void detach(void)
{
	if (syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK))
		die("unloading the module: %s", strerror(errno));
}

/* Sum of the counters whose name starts with prefix; 0 when not attached. */
uint64_t counted(const char *prefix)
{
	FILE *f = fopen(COUNTERS, "r");
	uint64_t value, sum = 0;
	char name[64];

	if (!f)
		return 0;
	while (fscanf(f, "%63s %" SCNu64, name, &value) == 2)
		if (!strncmp(name, prefix, strlen(prefix)))
			sum += value;
	fclose(f);
	return sum;
}

/* The VM */

static int queue_change(struct vm *vm, uint32_t schid, uint64_t queue, int fd, uint32_t flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = queue,
		.addr = schid,
		.len = 8,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY |
			 flags,
	};

	xioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd, "KVM_IOEVENTFD");
	return fd;
}

int queue_add(struct vm *vm, uint32_t schid, uint64_t queue, int fd)
{
	if (fd < 0)
		fd = eventfd(0, EFD_NONBLOCK);
	return queue_change(vm, schid, queue, fd, 0);
}

void queue_remove(struct vm *vm, uint32_t schid, uint64_t queue, int fd)
{
	queue_change(vm, schid, queue, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void vcpu_open(struct vm *vm, unsigned long id)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int size = xioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");

	close(kvm);
	vm->vcpu = xioctl(vm->fd, KVM_CREATE_VCPU, (void *)id, "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("kvm_run: %s", strerror(errno));
}

void vcpu_create(struct vm *vcpu, const struct vm *vm, unsigned long id)
{
	*vcpu = *vm;
	vcpu_open(vcpu, id);
}

void vcpu_destroy(struct vm *vcpu)
{
	munmap(vcpu->run, sysconf(_SC_PAGESIZE));
	close(vcpu->vcpu);
}

void vm_create(struct vm *vm, bool css)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_S390_CSS_SUPPORT };
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };
	const struct psw done = { PSW_WAIT, AT_DONE }, pgm = { PSW_WAIT, AT_PGM };
	int kvm = open("/dev/kvm", O_RDWR);

	if (kvm < 0)
		die("/dev/kvm: %s; is kvm.ko loaded?", strerror(errno));
	vm->fd = xioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	close(kvm);

	/* Guest memory begins at a segment boundary of the address space. */
	vm->mem = mmap(NULL, 2 * GUEST_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->mem == MAP_FAILED)
		die("guest memory: %s", strerror(errno));
	vm->mem += -(uintptr_t)vm->mem & (GUEST_SIZE - 1);
	region.userspace_addr = (uintptr_t)vm->mem;
	xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	memcpy(vm->mem + LC_PGM_NEW_PSW, &pgm, sizeof(pgm));
	memcpy(vm->mem + DONE_PSW, &done, sizeof(done));

	vcpu_open(vm, 0);
	if (css)
		xioctl(vm->vcpu, KVM_ENABLE_CAP, &cap, "KVM_CAP_S390_CSS_SUPPORT");
}

void vm_destroy(struct vm *vm)
{
	vcpu_destroy(vm);
	close(vm->fd);
	munmap(vm->mem, GUEST_SIZE);
}

uint64_t eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

void vm_start(struct vm *vm, unsigned long offset, const void *code, size_t size,
	      uint64_t psw_mask)
{
	memcpy(vm->mem + GUEST_CODE + offset, code, size);
	vm->run->psw_mask = psw_mask;
	vm->run->psw_addr = GUEST_CODE + offset;
	vm->run->kvm_dirty_regs = KVM_SYNC_GPRS;
}

void vcpu_run(struct vm *vm)
{
	int ret;

	do {
		ret = ioctl(vm->vcpu, KVM_RUN, 0);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		die("KVM_RUN: %s", strerror(errno));
}

bool at_wait(const struct vm *vm, uint64_t addr)
{
	return vm->run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       vm->run->s390_sieic.icptcode == ICPT_WAIT && vm->run->psw_addr == addr;
}

bool at_diagnose(const struct vm *vm)
{
	return vm->run->exit_reason == KVM_EXIT_S390_SIEIC &&
	       vm->run->s390_sieic.icptcode == ICPT_INST &&
	       vm->run->s390_sieic.ipa >> 8 == 0x83;
}

void start_loop(struct vm *vm, unsigned long offset, const struct loop *loop)
{
	const uint32_t code[] = {
		0xb9040028,				/* lgr r2,r8 */
		0xb9820039,				/* xgr r3,r9 */
		0x83000000 | (loop->code ?: 0x500),	/* diag 0,0,code */
		loop->forget_cookie ? 0xb904004a :	/* lgr r4,r10 */
				      0xb9040042,	/* lgr r4,r2 */
		0xa77b0001,				/* aghi r7,1 */
		0xa767fff6,				/* brctg r6,back to the first */
		0xb2b20000 | DONE_PSW,
	};
	__u64 *gprs = vm->run->s.regs.gprs;

	vm_start(vm, offset, code, sizeof(code), PSW_SUPERVISOR);
	/* R1 of the instruction is 0: the target of a directed yield, vCPU 0. */
	gprs[0] = 0;
	gprs[1] = 3;
	gprs[3] = loop->queue ^ loop->queue_change;
	gprs[4] = -1;
	gprs[6] = loop->count;
	gprs[7] = 0;
	gprs[8] = loop->schid;
	gprs[9] = loop->queue_change;
	gprs[10] = -1;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}
