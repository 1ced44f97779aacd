// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs this handler and KVM's own on the same random vCPU states. The results must be
 * the same, except for the differences that README.md lists.
 */
#include <linux/ftrace.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "vm.h"

struct result {
	int rc;
	u64 gprs[16];
	struct kvm_vcpu_stat stat;
	u64 events;
	unsigned long irqs;
};

static int (*handle_diag)(struct kvm_vcpu *vcpu);
static struct rnd_state rnd;

/* Function codes for which KVM has a handler. */
static const u16 kvms_own[] = { 0x10, 0x44, 0x9c, 0x258, 0x308 };

static bool is_kvms_own(u16 code)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvms_own); i++)
		if (code == kvms_own[i])
			return true;
	return false;
}

static u32 below(u32 n)
{
	return prandom_u32_state(&rnd) % n;
}

static u64 random_u64(void)
{
	return (u64)prandom_u32_state(&rnd) << 32 | prandom_u32_state(&rnd);
}

/* Returns one of the subchannels 1 to 12 of two sets, so that many are neighbours. */
static u32 random_schid(void)
{
	return 0x00010001 + below(12) + (below(2) << 17);
}

/*
 * Creates a VM with a random bus like those that VMMs build. KVM refuses devices that collide
 * with others, so the bus has none. A subchannel has either queues of 8 bytes (in order,
 * shuffled or with gaps) or one wildcard of 8 bytes. With @mixed, the bus also has devices of
 * other lengths between them.
 */
static struct test_vm *random_vm(struct kunit *test, bool mixed)
{
	static const int lengths[] = { 0, 1, 2, 4 };
	struct test_vm *vm = test_vm_create(test);
	int i, n = below(6) ? 1 + below(60) : 0;

	for (i = 0; i < n; i++) {
		u32 schid = random_schid();

		switch (below(mixed ? 5 : 4)) {
		case 0:
			test_assign_wildcard(vm, schid, 8);
			break;
		case 4:
			test_assign_wildcard(vm, schid, lengths[below(ARRAY_SIZE(lengths))]);
			break;
		default:
			/* KVM may refuse it because it collides with another device. */
			test_assign(vm, schid, 8, below(8), -1);
		}
	}
	/* One subchannel with many queues, in order. */
	if (below(2)) {
		u32 schid = random_schid();

		for (i = 0; i < 20; i++)
			test_assign(vm, schid, 8, i, -1);
	}
	return vm;
}

static void random_state(struct test_vm *vm, u64 *gprs)
{
	struct kvm_s390_sie_block *sie = vm->vcpu->arch.sie_block;
	int count = test_bus(vm) ? test_bus(vm)->dev_count : 0;
	u16 code = below(10) ? 0x500 : below(2) ? kvms_own[below(ARRAY_SIZE(kvms_own))] :
		   prandom_u32_state(&rnd);
	u8 b2 = below(16);
	int i;

	/* The values of most registers do not matter, but must be kept. */
	for (i = 0; i < 16; i++)
		gprs[i] = prandom_u32_state(&rnd) * 0x100000001ULL;
	gprs[1] = below(8) ? 3 : below(2) ? below(6) : random_u64();
	/* Mostly the address of a registered device, and one of its queues. */
	if (count && below(4))
		gprs[2] = test_bus(vm)->range[below(count)].addr;
	else
		gprs[2] = below(16) ? random_schid() : random_u64();
	if (below(2))
		gprs[2] |= random_u64() << 32;
	gprs[3] = below(16) ? below(below(4) ? 8 : 24) : random_u64();
	gprs[4] = below(3) ? below(count + 4) : below(2) ? -(u64)below(4) : random_u64();
	/* The base register must not be a parameter of the notification. */
	if (b2 && b2 < 5)
		b2 = 0;
	test_set_insn(vm, b2, prandom_u32_state(&rnd));
	if (b2)
		gprs[b2] += code - (u16)(gprs[b2] + (sie->ipb >> 16 & 0xfff));
	else
		test_set_insn(vm, 0, code & 0xfff);
	sie->ipa = DIAG_IPA | below(256);
	sie->gpsw.mask = below(64) ? 0 : PSW_MASK_PSTATE;
	vm->kvm->arch.css_support = !!below(16);
}

static void run(struct test_vm *vm, const u64 *gprs, int (*handler)(struct kvm_vcpu *vcpu),
		struct result *result)
{
	struct kvm_vcpu *vcpu = vm->vcpu;

	memcpy(vcpu->run->s.regs.gprs, gprs, sizeof(result->gprs));
	memset(&vcpu->stat, 0, sizeof(vcpu->stat));
	vcpu->arch.local_int.pending_irqs = 0;
	result->rc = test_call(vm, handler);
	memcpy(result->gprs, vcpu->run->s.regs.gprs, sizeof(result->gprs));
	result->stat = vcpu->stat;
	result->irqs = vcpu->arch.local_int.pending_irqs;
	/* Only a DIAGNOSE that completes can have signalled the eventfd. */
	result->events = result->rc ? 0 : test_eventfd_take(vm->fd);
}

struct tally {
	u64 served, forwarded, kvms_own, bus_gone, refused, more_found;
};

/* Runs both handlers. Returns false if they differ in a way that is not allowed. */
static bool compare(struct kunit *test, struct test_vm *vm, const u64 *gprs, bool mixed,
		    struct tally *tally)
{
	u16 code;
	bool problem_state = vm->vcpu->arch.sie_block->gpsw.mask;
	/* These are too large for the stack. */
	static struct result kvms, ours;

	memcpy(vm->vcpu->run->s.regs.gprs, gprs, 16 * sizeof(*gprs));
	code = diag_function_code(vm->vcpu);
	run(vm, gprs, handle_diag, &ours);

	if (is_kvms_own(code) && !problem_state) {
		/* The code is claimed, so userspace gets it with all registers unchanged. */
		tally->kvms_own++;
		return ours.rc == -EOPNOTSUPP && !memcmp(ours.gprs, gprs, sizeof(ours.gprs)) &&
		       !ours.irqs;
	}

	run(vm, gprs, (void *)((unsigned long)handle_diag + MCOUNT_INSN_SIZE), &kvms);
	if (memcmp(&ours.stat, &kvms.stat, sizeof(ours.stat)) || ours.irqs != kvms.irqs)
		return false;

	if (kvms.rc == -ENOMEM) {
		/* With KVM's handler, KVM_RUN fails. Here the guest gets the error in r2. */
		tally->bus_gone++;
		return ours.rc == 0 && !ours.events &&
		       !memcmp(ours.gprs, kvms.gprs, sizeof(ours.gprs)) &&
		       (s64)ours.gprs[2] == -ENOMEM;
	}
	if (mixed && ours.rc != kvms.rc) {
		struct kvm_io_range *slot;

		/* The module may forward here. If it does not, it must signal the right device. */
		tally->more_found++;
		if (ours.rc == -EOPNOTSUPP)
			return !memcmp(ours.gprs, gprs, sizeof(ours.gprs));
		slot = &test_bus(vm)->range[ours.gprs[2]];
		return ours.rc == 0 && ours.events == 1 &&
		       ours.gprs[2] < test_bus(vm)->dev_count && slot->addr == (u32)gprs[2] &&
		       (slot->len == 8 || !slot->len);
	}
	if (problem_state)
		tally->refused++;
	else if (ours.rc)
		tally->forwarded++;
	else
		tally->served++;
	return ours.rc == kvms.rc && ours.events == kvms.events &&
	       !memcmp(ours.gprs, kvms.gprs, sizeof(ours.gprs));
}

static void differ(struct kunit *test, unsigned int n, bool mixed)
{
	u64 this_seed = TEST_SEED ?: ktime_get_real_ns();
	struct tally tally = {};
	struct test_vm *vm = NULL;
	unsigned int i;
	u64 gprs[16];

	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	KUNIT_ASSERT_NOT_NULL(test, handle_diag);
	kunit_info(test, "seed=%llu", this_seed);
	prandom_seed_state(&rnd, this_seed);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	for (i = 0; i < n; i++) {
		struct kvm_io_bus *bus = NULL;
		bool same;

		if (i % (n / TEST_BUSES + 1) == 0) {
			vm = random_vm(test, mixed);
			test_see(vm);
		}
		random_state(vm, gprs);
		/* Some states of each run have no bus, also of a short run. */
		if (!below(min(1000u, n / 50))) {
			bus = test_bus(vm);
			rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], NULL);
		}
		same = compare(test, vm, gprs, mixed, &tally);
		if (bus)
			rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], bus);
		if (!same) {
			KUNIT_FAIL(test, "state %u: code %x r1 %llx r2 %llx r3 %llx r4 %llx",
				   i, diag_function_code(vm->vcpu), gprs[1], gprs[2], gprs[3],
				   gprs[4]);
			break;
		}
	}
	test_detach();
	kunit_info(test, "%u states: %llu served, %llu forwarded, %llu refused", i, tally.served,
		   tally.forwarded, tally.refused);
	kunit_info(test, "differences: %llu KVM's own codes, %llu bus gone, %llu found by one only",
		   tally.kvms_own, tally.bus_gone, tally.more_found);
	/* A run in which one of these results never occurs has not tested it. */
	KUNIT_EXPECT_GT(test, tally.served, n / 20);
	KUNIT_EXPECT_GT(test, tally.forwarded, n / 20);
	KUNIT_EXPECT_GT(test, tally.refused, 0);
	KUNIT_EXPECT_GT(test, tally.kvms_own, 0);
	KUNIT_EXPECT_GT(test, tally.bus_gone, 0);
}

static void same_as_kvm(struct kunit *test)
{
	differ(test, TEST_STATES, false);
}

static void mixed_lengths_never_reach_a_wrong_device(struct kunit *test)
{
	differ(test, TEST_STATES / 4, true);
}

static struct kunit_case differential_cases[] = {
	KUNIT_CASE(same_as_kvm),
	KUNIT_CASE(mixed_lengths_never_reach_a_wrong_device),
	{}
};

static struct kunit_suite differential_suite = {
	.name = "diag-differential",
	.test_cases = differential_cases,
};

kunit_test_suite(differential_suite);
MODULE_LICENSE("GPL");
