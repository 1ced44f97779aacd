// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the instructions of a call of kvm_s390_handle_diag(): of KVM's own handler, or
 * of kvm-s390-diag if it is attached while this module is loaded.
 *
 * With "-icount shift=0", QEMU advances the TOD clock by 1 ns per instruction. The
 * difference of two readings is the exact number of instructions between them.
 */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/trace_events.h>
#include <kvm/iodev.h>

#include "vm.h"

static int (*handle_diag)(struct kvm_vcpu *vcpu);

/* A VM that has an intercept before each one that is measured, or NULL. */
static struct test_vm *other;

/* The simplest device: it compares the queue and signals no eventfd. */
struct queue_device {
	struct kvm_io_device dev;
	u64 queue;
};

static int device_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr,
			int len, const void *val)
{
	struct queue_device *device = container_of(this, struct queue_device, dev);

	return *(const u64 *)val == device->queue ? 0 : -EOPNOTSUPP;
}

static void device_destructor(struct kvm_io_device *this)
{
	kfree(container_of(this, struct queue_device, dev));
}

static const struct kvm_io_device_ops device_ops = {
	.write = device_write,
	.destructor = device_destructor,
};

static void add(struct kunit *test, struct test_vm *vm, u32 schid, u64 queue)
{
	struct queue_device *device = kzalloc(sizeof(*device), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, device);
	device->queue = queue;
	kvm_iodevice_init(&device->dev, &device_ops);
	test_register(test, vm, schid, 8, &device->dev);
}

/*
 * Returns the instructions of one call: the difference of the clock over the call, minus
 * the difference over two readings without a call between them. The call is in assembly,
 * because compilers differ in what they put between two readings.
 */
static noinline u64 measure(struct test_vm *vm, int *rc)
{
	register struct kvm_vcpu *vcpu asm("2");
	u64 before, between, after;
	unsigned long flags;
	int idx;

	idx = srcu_read_lock(&vm->kvm->srcu);
	local_irq_save(flags);
	asm volatile("	stckf	%[before]\n"
		     "	stckf	%[between]\n"
		     "	lgr	%[vcpu],%[arg]\n"
		     "	lgr	%%r1,%[fn]\n"
		     "	basr	%%r14,%%r1\n"
		     "	stckf	%[after]\n"
		     : [before] "=Q" (before), [between] "=Q" (between), [after] "=Q" (after),
		       [vcpu] "=&d" (vcpu)
		     : [arg] "d" (vm->vcpu), [fn] "d" (handle_diag)
		     : "0", "1", "3", "4", "5", "14", "cc", "memory");
	*rc = (long)vcpu;
	local_irq_restore(flags);
	srcu_read_unlock(&vm->kvm->srcu, idx);
	/* 4096 units of the TOD clock are 1000 ns. Round to whole nanoseconds. */
	return (((after - between) - (between - before)) * 125 + 256) / 512;
}

static void report(struct kunit *test, struct test_vm *vm, const char *what, u64 r1, u64 schid,
		   u64 queue, s64 cookie, int expected)
{
	u64 insns = 0;
	int i, rc = 0;

	/* Only the last run is reported: the kernel's own caches are warm then. */
	for (i = 0; i < 8; i++) {
		struct test_vm *now = other && i % 2 == 0 ? other : vm;

		test_set_gprs(now, r1, schid, queue, cookie);
		insns = measure(now, &rc);
	}
	KUNIT_EXPECT_EQ(test, rc, expected);
	pr_info("insn: %s: %llu\n", what, insns);
}

/* 956 devices: the 256 queues of one subchannel, and one queue each of 700 subchannels. */
#define BIG		0x00010400U
#define SMALL		0x00010001U
#define NOBODY		0x000103ffU

static struct test_vm *usual_vm(struct kunit *test)
{
	int (*vcpu_precreate)(struct kvm *kvm, unsigned int id);
	struct test_vm *vm = test_vm_create(test);
	int i;

	vcpu_precreate = (void *)test_symbol("kvm_arch_vcpu_precreate");
	KUNIT_ASSERT_NOT_NULL(test, vcpu_precreate);
	vcpu_precreate(vm->kvm, 0);
	for (i = 0; i < 350; i++)
		add(test, vm, SMALL + i, 0);
	for (i = 0; i < 256; i++)
		add(test, vm, BIG, i);
	for (i = 0; i < 350; i++)
		add(test, vm, BIG + 1 + i, 0);
	return vm;
}

static void usual_bus(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	report(test, vm, "valid cookie", 3, BIG, 255, 350 + 255, 0);
	report(test, vm, "stale cookie", 3, BIG, 255, 0, 0);
	report(test, vm, "no cookie, 1 queue", 3, SMALL + 100, 0, -1, 0);
	report(test, vm, "no cookie, 256 queues, first", 3, BIG, 0, -1, 0);
	report(test, vm, "no cookie, 256 queues, middle", 3, BIG, 128, -1, 0);
	report(test, vm, "no cookie, 256 queues, last", 3, BIG, 255, -1, 0);
	report(test, vm, "no device for the subchannel", 3, NOBODY, 0, -1, -EOPNOTSUPP);
	report(test, vm, "no device for the queue", 3, BIG, 256, -1, -EOPNOTSUPP);
	report(test, vm, "0x500/0, forwarded", 0, BIG, 0, 0, -EOPNOTSUPP);
	test_set_insn(vm, 0, 0x501);
	report(test, vm, "0x501, forwarded", 0, 0, 0, 0, -EOPNOTSUPP);
}

/* Two VMs take turns on this CPU, so that the module never has the VM in its cache. */
static void in_turns(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	other = usual_vm(test);
	report(test, vm, "valid cookie, 2 VMs in turns", 3, BIG, 255, 350 + 255, 0);
	other = NULL;
}

/* KVM's own event, with both handlers. Then the module's event, which only the module has. */
static void traced(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);
	int rc;

	KUNIT_ASSERT_EQ(test, trace_set_clr_event("kvm", "kvm_s390_handle_diag", 1), 0);
	report(test, vm, "valid cookie, KVM's event on", 3, BIG, 255, 350 + 255, 0);
	rc = trace_set_clr_event("kvm_s390_diag", "kvm_s390_diag", 1);
	if (!rc)
		trace_set_clr_event("kvm", "kvm_s390_handle_diag", 0);
	report(test, vm, "valid cookie, the handler's event on", 3, BIG, 255, 350 + 255, 0);
	trace_set_clr_event(rc ? "kvm" : "kvm_s390_diag", NULL, 0);
}

static void by_queues(struct kunit *test)
{
	static const int counts[] = { 1, 16, 64, 1000 };
	char what[64];
	int i, q;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct test_vm *vm = test_vm_create(test);

		for (q = 0; q < counts[i]; q++)
			add(test, vm, BIG, q);
		if (counts[i] == 1) {
			report(test, vm, "bus of 1 queue", 3, BIG, 0, -1, 0);
			continue;
		}
		snprintf(what, sizeof(what), "bus of %d queues, first", counts[i]);
		report(test, vm, what, 3, BIG, 0, -1, 0);
		snprintf(what, sizeof(what), "bus of %d queues, middle", counts[i]);
		report(test, vm, what, 3, BIG, counts[i] / 2, -1, 0);
		snprintf(what, sizeof(what), "bus of %d queues, last", counts[i]);
		report(test, vm, what, 3, BIG, counts[i] - 1, -1, 0);
	}
}

static void by_subchannels(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int i;

	for (i = 0; i < 1000; i++)
		add(test, vm, SMALL + i, 0);
	report(test, vm, "1000 subchannels, first", 3, SMALL, 0, -1, 0);
	report(test, vm, "1000 subchannels, middle", 3, SMALL + 500, 0, -1, 0);
	report(test, vm, "1000 subchannels, last", 3, SMALL + 999, 0, -1, 0);
}

/* Queues that are registered out of order; 167 and 256 have no common factor. */
static void out_of_order(struct kunit *test)
{
	struct test_vm *reverse = test_vm_create(test), *shuffled = test_vm_create(test);
	int i;

	for (i = 0; i < 256; i++) {
		add(test, reverse, BIG, 255 - i);
		add(test, shuffled, BIG, i * 167 % 256);
	}
	report(test, reverse, "256 queues in reverse, first", 3, BIG, 0, -1, 0);
	report(test, reverse, "256 queues in reverse, middle", 3, BIG, 128, -1, 0);
	report(test, reverse, "256 queues in reverse, last", 3, BIG, 255, -1, 0);
	report(test, shuffled, "256 queues shuffled, slot 64", 3, BIG, 64 * 167 % 256, -1, 0);
	report(test, shuffled, "256 queues shuffled, slot 128", 3, BIG, 128 * 167 % 256, -1, 0);
	report(test, shuffled, "256 queues shuffled, slot 255", 3, BIG, 255 * 167 % 256, -1, 0);
}

/* A yield to the same vCPU, which KVM only counts. The VM is older than the module. */
static void not_claimed(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	test_set_insn(vm, 0, 0x9c);
	vm->vcpu->vcpu_id = 0x80808080;
	report(test, vm, "0x9c, left to KVM", 3, 0, 0, 0, 0);
}

/* Checks the method: a call executes 1000 branches and a few more instructions. */
static int thousand(struct kvm_vcpu *vcpu)
{
	unsigned long n = 1000;

	asm volatile("0:	brctg	%0,0b" : "+d" (n));
	return 0;
}

static void calibrate(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int (*saved)(struct kvm_vcpu *vcpu) = handle_diag;

	handle_diag = thousand;
	report(test, vm, "calibration, 1000 branches", 0, 0, 0, 0, 0);
	handle_diag = saved;
}

static int bench_init(struct kunit *test)
{
	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	KUNIT_ASSERT_NOT_NULL(test, handle_diag);
	return 0;
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE(calibrate),
	KUNIT_CASE(usual_bus),
	KUNIT_CASE(in_turns),
	KUNIT_CASE(traced),
	KUNIT_CASE(by_queues),
	KUNIT_CASE(by_subchannels),
	KUNIT_CASE(out_of_order),
	KUNIT_CASE(not_claimed),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "diag-insn",
	.init = bench_init,
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);

MODULE_DESCRIPTION("instruction counts of KVM's DIAGNOSE handler");
MODULE_LICENSE("GPL");
