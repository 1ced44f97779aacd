// SPDX-License-Identifier: GPL-2.0-only
/* Tests function code 0x500 on KVM's real bus, with KVM's real ioeventfd devices. */
#include <linux/debugfs.h>
#include <linux/fdtable.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <kvm/iodev.h>

#include "ioeventfd_bus.h"
#include "vm.h"

/* Returns the outcome counted since the last call, or DIAG_OUTCOMES if it was not exactly one. */
static enum diag_outcome outcome(void)
{
	static struct diag_counters before;
	enum diag_outcome i, found = DIAG_OUTCOMES;
	struct diag_counters now;

	counters_sum(&now);
	for (i = 0; i < DIAG_COUNTERS; i++) {
		u64 more = now.of[i] - before.of[i];

		if (more)
			found = found == DIAG_OUTCOMES && more == 1 ? i : DIAG_OUTCOMES;
	}
	before = now;
	return found;
}

/*
 * Handles 0x500 on the fast path. The first call for a VM also counts an intercept on the slow
 * path, so that the VM is cached. outcome() then discards that count.
 */
static int handle(struct kvm_vcpu *vcpu)
{
	const struct vms_cache *cache;

	do {
		cache = get_cpu_ptr(vms_cache);
		if (cache->kvm == vcpu->kvm)
			return virtio_ccw_notify(vcpu, cache->counters);
		put_cpu_ptr(vms_cache);
		vms_count_slowpath(vcpu->kvm, DIAG_PRIVILEGED);
		outcome();
	} while (true);
}

/*
 * Returns the outcome of one notification. Returns DIAG_OUTCOMES if the return code of the
 * handler does not fit the outcome that was counted.
 */
static enum diag_outcome notify(struct test_vm *vm, u64 schid, u64 queue, s64 cookie)
{
	enum diag_outcome counted;
	int rc;

	test_set_gprs(vm, 3, schid, queue, cookie);
	rc = test_call(vm, handle);
	counted = outcome();
	if (rc != (counted <= DIAG_BUS_GONE ? 0 : -EOPNOTSUPP))
		return DIAG_OUTCOMES;
	return counted;
}

static s64 r2(struct test_vm *vm)
{
	return vm->vcpu->run->s.regs.gprs[2];
}

static void expect_other_gprs_kept(struct kunit *test, struct test_vm *vm, u64 queue, s64 cookie)
{
	__u64 *gprs = vm->vcpu->run->s.regs.gprs;
	int i;

	KUNIT_EXPECT_EQ(test, gprs[0], 0x8080808080808080ULL);
	KUNIT_EXPECT_EQ(test, gprs[1], 3);
	KUNIT_EXPECT_EQ(test, gprs[3], queue);
	KUNIT_EXPECT_EQ(test, (s64)gprs[4], cookie);
	for (i = 5; i < 16; i++)
		KUNIT_EXPECT_EQ(test, gprs[i], 0x0101010101010101ULL * (0x80 + i));
}

static void expect_served(struct kunit *test, struct test_vm *vm, u64 schid, u64 queue,
			  s64 cookie, s64 slot)
{
	KUNIT_EXPECT_EQ(test, notify(vm, schid, queue, cookie),
			slot == cookie ? DIAG_SERVED_COOKIE : DIAG_SERVED_SEARCH);
	KUNIT_EXPECT_EQ(test, r2(vm), slot);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 1);
	expect_other_gprs_kept(test, vm, queue, cookie);
}

static void expect_forwarded(struct kunit *test, struct test_vm *vm, u64 schid, u64 queue,
			     s64 cookie)
{
	KUNIT_EXPECT_EQ(test, notify(vm, schid, queue, cookie), DIAG_NO_DEVICE);
	KUNIT_EXPECT_EQ(test, r2(vm), (s64)schid);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
	expect_other_gprs_kept(test, vm, queue, cookie);
}

/* Slots 0 to 3 are A/0 to A/3, 4 and 5 are B/0 and B/1, 6 is A/0 of subchannel set 1. */
static struct test_vm *usual_vm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int queue;

	for (queue = 0; queue < 4; queue++)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, queue, -1), 0);
	for (queue = 0; queue < 2; queue++)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_B, 8, queue, -1), 0);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A_SET1, 8, 0, -1), 0);
	return vm;
}

static void valid_cookie(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	expect_served(test, vm, SCHID_A, 0, 0, 0);
	expect_served(test, vm, SCHID_A, 3, 3, 3);
	expect_served(test, vm, SCHID_B, 1, 5, 5);
	expect_served(test, vm, SCHID_A_SET1, 0, 6, 6);
}

struct bad_cookie {
	const char *what;
	s64 cookie;
};

static const struct bad_cookie bad_cookies[] = {
	{ "none", -1 },
	{ "most negative", S64_MIN },
	{ "greatest", S64_MAX },
	{ "one past the last slot", 7 },
	{ "only the upper half set", 1LL << 32 },
	{ "right in the lower half", (1LL << 32) + 5 },
	{ "another queue of the subchannel", 4 },
	{ "another subchannel", 0 },
	{ "the error of no device", -EOPNOTSUPP },
};

static void bad_cookie_desc(const struct bad_cookie *c, char *desc)
{
	strscpy(desc, c->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_cookie, bad_cookies, bad_cookie_desc);

static void bad_cookie_is_ignored(struct kunit *test)
{
	const struct bad_cookie *c = test->param_value;
	struct test_vm *vm = usual_vm(test);

	expect_served(test, vm, SCHID_B, 1, c->cookie, 5);
	expect_served(test, vm, SCHID_A, 0, c->cookie, 0);
	expect_forwarded(test, vm, SCHID_B, 2, c->cookie);
}

static void cookie_is_relearned(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	KUNIT_ASSERT_EQ(test, test_deassign(vm, SCHID_A, 8, 1, -1), 0);
	/* All higher slots have moved down. Slot 5 belongs to another subchannel now. */
	expect_served(test, vm, SCHID_B, 1, 5, 4);
	expect_served(test, vm, SCHID_B, 1, 4, 4);
	expect_served(test, vm, SCHID_A, 2, 2, 1);
	expect_served(test, vm, SCHID_A_SET1, 0, 6, 5);
	expect_forwarded(test, vm, SCHID_A, 1, 1);
}

static void schid_upper_bits_are_ignored(struct kunit *test)
{
	expect_served(test, usual_vm(test), 0xffffffff00000000ULL | SCHID_A, 1, -1, 1);
}

static void queue_has_64_bits(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	expect_forwarded(test, vm, SCHID_A, 1ULL << 32, 0);
	expect_forwarded(test, vm, SCHID_A, U64_MAX, -1);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, U64_MAX, -1), 0);
	expect_served(test, vm, SCHID_A, U64_MAX, -1, 4);
}

static void nobody_registered(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	expect_forwarded(test, vm, SCHID_A, 4, -1);
	expect_forwarded(test, vm, SCHID_A - 1, 0, 0);
	expect_forwarded(test, vm, SCHID_B + 1, 0, 0);
	expect_forwarded(test, vm, 0, 0, 0);
	expect_forwarded(test, vm, U32_MAX, 0, 0);
}

static void each_queue_its_eventfd(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int fds[3], queue, i;

	for (queue = 0; queue < 3; queue++) {
		fds[queue] = test_eventfd(test);
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, queue, fds[queue]), 0);
	}
	for (queue = 0; queue < 3; queue++) {
		notify(vm, SCHID_A, queue, queue % 2 ? queue : -1);
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ(test, test_eventfd_take(fds[i]), i == queue);
	}
	for (queue = 0; queue < 3; queue++) {
		KUNIT_EXPECT_EQ(test, test_deassign(vm, SCHID_A, 8, queue, fds[queue]), 0);
		close_fd(fds[queue]);
	}
}

static void wildcard_takes_every_queue(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign_wildcard(vm, SCHID_A, 8), 0);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_B, 8, 0, -1), 0);
	expect_served(test, vm, SCHID_A, 0, -1, 0);
	expect_served(test, vm, SCHID_A, 1, -1, 0);
	expect_served(test, vm, SCHID_A, U64_MAX, 0, 0);
	expect_forwarded(test, vm, SCHID_B, 1, 0);
}

static void length_0_matches_the_address(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign_wildcard(vm, SCHID_A, 0), 0);
	expect_served(test, vm, SCHID_A, 5, -1, 0);
	expect_served(test, vm, SCHID_A, 5, 0, 0);
	expect_forwarded(test, vm, SCHID_B, 5, 0);
}

/* A device of 1, 2 or 4 bytes does not accept a write of 8 bytes. */
static void other_lengths_are_passed_over(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 4, 0, -1), 0);
	expect_forwarded(test, vm, SCHID_A, 0, 0);
	expect_forwarded(test, vm, SCHID_A, 0, -1);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, test_bus(vm)->range[0].len, 4);
	expect_served(test, vm, SCHID_A, 0, 0, 1);
	expect_served(test, vm, SCHID_A, 0, -1, 1);
}

/* A device that accepts every write, and counts them. */
struct greedy {
	struct kvm_io_device dev;
	unsigned int *calls;
};

static int greedy_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr,
			int len, const void *val)
{
	(*container_of(this, struct greedy, dev)->calls)++;
	return 0;
}

static void greedy_destructor(struct kvm_io_device *this)
{
	kfree(container_of(this, struct greedy, dev));
}

static const struct kvm_io_device_ops greedy_ops = {
	.write = greedy_write,
	.destructor = greedy_destructor,
};

static void add_greedy(struct kunit *test, struct test_vm *vm, u32 schid, int len,
		       unsigned int *calls)
{
	struct greedy *greedy = kzalloc(sizeof(*greedy), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, greedy);
	greedy->calls = calls;
	kvm_iodevice_init(&greedy->dev, &greedy_ops);
	test_register(test, vm, schid, len, &greedy->dev);
}

/* An ioeventfd checks the address too. The handler must not rely on that check. */
static void only_slots_of_the_subchannel_are_called(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	unsigned int right = 0, wrong = 0;

	add_greedy(test, vm, SCHID_A, 8, &right);
	add_greedy(test, vm, SCHID_B, 8, &wrong);
	/* The cookie and the queue number lead to slot 1, which has another subchannel. */
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 1, 1), DIAG_SERVED_SEARCH);
	KUNIT_EXPECT_EQ(test, r2(vm), 0);
	KUNIT_EXPECT_EQ(test, right, 1);
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A - 1, 0, 0), DIAG_NO_DEVICE);
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_B + 1, 0, 1), DIAG_NO_DEVICE);
	KUNIT_EXPECT_EQ(test, right, 1);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void search_ends_with_the_subchannel(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	unsigned int wrong = 0;

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	add_greedy(test, vm, SCHID_B, 8, &wrong);
	expect_forwarded(test, vm, SCHID_A, 1, -1);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void only_lengths_8_and_0_are_called(struct kunit *test)
{
	static const int lengths[] = { 1, 2, 4 };
	unsigned int wrong = 0, i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct test_vm *vm = test_vm_create(test);

		add_greedy(test, vm, SCHID_A, lengths[i], &wrong);
		KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 0, 0), DIAG_NO_DEVICE);
		KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 0, -1), DIAG_NO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void queues_out_of_order(struct kunit *test)
{
	static const u64 order[] = { 7, 2, 5, 0, 6, 1, 4, 3 };
	struct test_vm *vm = test_vm_create(test);
	int slot;

	for (slot = 0; slot < ARRAY_SIZE(order); slot++)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, order[slot], -1), 0);
	for (slot = 0; slot < ARRAY_SIZE(order); slot++) {
		expect_served(test, vm, SCHID_A, order[slot], -1, slot);
		expect_served(test, vm, SCHID_A, order[slot], slot, slot);
	}
}

static void queues_with_gaps(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int slot;

	for (slot = 0; slot < 8; slot++)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, slot * 3, -1), 0);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_B, 8, 1, -1), 0);
	for (slot = 0; slot < 8; slot++)
		expect_served(test, vm, SCHID_A, slot * 3, -1, slot);
	expect_forwarded(test, vm, SCHID_A, 1, -1);
	/* The subchannel's first slot plus 8 is the slot of B/1. */
	expect_forwarded(test, vm, SCHID_A, 8, -1);
}

static void queue_registered_again(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	KUNIT_ASSERT_EQ(test, test_deassign(vm, SCHID_A, 8, 0, -1), 0);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	expect_served(test, vm, SCHID_A, 0, 0, 3);
	expect_served(test, vm, SCHID_A, 1, 1, 0);
}

static void empty_bus(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	expect_forwarded(test, vm, SCHID_A, 0, -1);
	expect_forwarded(test, vm, SCHID_A, 0, 0);
}

static void missing_bus(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	/* KVM drops the bus if it has no memory for a smaller one when a queue is unregistered. */
	current->fail_nth = 1;
	test_deassign(vm, SCHID_A, 8, 0, -1);
	current->fail_nth = 0;
	KUNIT_ASSERT_NULL(test, test_bus(vm));

	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_B, 0, 4), DIAG_BUS_GONE);
	KUNIT_EXPECT_EQ(test, r2(vm), -ENOMEM);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
	expect_other_gprs_kept(test, vm, 0, 4);
	/* A cookie of the same value does not mean that a device was found. */
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_B, 0, -ENOMEM), DIAG_BUS_GONE);
}

static void no_css_support(struct kunit *test)
{
	struct test_vm *vm = usual_vm(test);

	vm->kvm->arch.css_support = 0;
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 0, 0), DIAG_NO_CSS);
	KUNIT_EXPECT_EQ(test, r2(vm), SCHID_A);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
}

static void subcode_has_64_bits(struct kunit *test)
{
	static const u64 subcodes[] = { 0, 1, 2, 4, 0x103, (1ULL << 32) + 3, U64_MAX };
	struct test_vm *vm = usual_vm(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(subcodes); i++) {
		test_set_gprs(vm, subcodes[i], SCHID_A, 0, 0);
		KUNIT_EXPECT_EQ(test, test_call(vm, handle), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, outcome(), DIAG_OTHER_SUBCODE);
		KUNIT_EXPECT_EQ(test, r2(vm), SCHID_A);
		KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
	}
}

static void thousand_queues(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	u64 queue;

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A - 1, 8, 0, -1), 0);
	for (queue = 0; queue < 1000; queue++)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, queue, -1), 0);
	for (queue = 0; queue < 1000; queue += 37)
		expect_served(test, vm, SCHID_A, queue, -1, queue + 1);
	expect_forwarded(test, vm, SCHID_A, 1000, -1);
}

/* One of many devices of a subchannel. It accepts every write if it is the chosen one. */
struct one_of_many {
	struct kvm_io_device dev;
	const struct one_of_many **chosen;
	bool offered, preemptible;
};

static int one_of_many_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr,
			     int len, const void *val)
{
	struct one_of_many *one = container_of(this, struct one_of_many, dev);

	one->offered = true;
	one->preemptible = preemptible();
	return one == *one->chosen ? 0 : -EOPNOTSUPP;
}

static void keep(struct kvm_io_device *this)
{
}

static const struct kvm_io_device_ops one_of_many_ops = {
	.write = one_of_many_write,
	.destructor = keep,
};

/*
 * KVM does not limit the number of slots of a subchannel. With preemption disabled, only some of
 * them are tried.
 */
static void long_search_can_be_preempted(struct kunit *test)
{
	const unsigned int count = NOTIFY_SCAN_MAX + 2;
	const unsigned int chosen[] = { 1, NOTIFY_SCAN_MAX - 1, NOTIFY_SCAN_MAX, count - 1 };
	struct test_vm *vm = test_vm_create(test);
	const struct one_of_many *chosen_one = NULL;
	struct one_of_many *many = kunit_kcalloc(test, count, sizeof(*many), GFP_KERNEL);
	struct kvm_io_bus *bus = kzalloc(struct_size(bus, range, count), GFP_KERNEL);
	unsigned int i, j;

	KUNIT_ASSERT_NOT_NULL(test, many);
	KUNIT_ASSERT_NOT_NULL(test, bus);
	bus->dev_count = count;
	for (i = 0; i < count; i++) {
		many[i].chosen = &chosen_one;
		kvm_iodevice_init(&many[i].dev, &one_of_many_ops);
		bus->range[i] = (struct kvm_io_range){ .addr = SCHID_A, .dev = &many[i].dev };
	}
	kfree(test_bus(vm));
	rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], bus);

	for (i = 0; i < ARRAY_SIZE(chosen); i++) {
		chosen_one = &many[chosen[i]];
		KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 0, -1), DIAG_SERVED_SEARCH);
		KUNIT_EXPECT_EQ(test, r2(vm), chosen[i]);
	}
	chosen_one = NULL;
	for (j = 0; j < count; j++)
		many[j].offered = false;
	KUNIT_EXPECT_EQ(test, notify(vm, SCHID_A, 0, -1), DIAG_NO_DEVICE);
	for (j = 0; j < count; j++) {
		KUNIT_EXPECT_TRUE(test, many[j].offered);
		KUNIT_EXPECT_EQ(test, many[j].preemptible, IS_ENABLED(CONFIG_PREEMPT_COUNT));
	}
	rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], NULL);
	kfree(bus);
}

static struct kunit_case notify_cases[] = {
	KUNIT_CASE(valid_cookie),
	KUNIT_CASE_PARAM(bad_cookie_is_ignored, bad_cookie_gen_params),
	KUNIT_CASE(cookie_is_relearned),
	KUNIT_CASE(schid_upper_bits_are_ignored),
	KUNIT_CASE(queue_has_64_bits),
	KUNIT_CASE(nobody_registered),
	KUNIT_CASE(each_queue_its_eventfd),
	KUNIT_CASE(wildcard_takes_every_queue),
	KUNIT_CASE(length_0_matches_the_address),
	KUNIT_CASE(other_lengths_are_passed_over),
	KUNIT_CASE(only_slots_of_the_subchannel_are_called),
	KUNIT_CASE(search_ends_with_the_subchannel),
	KUNIT_CASE(only_lengths_8_and_0_are_called),
	KUNIT_CASE(queues_out_of_order),
	KUNIT_CASE(queues_with_gaps),
	KUNIT_CASE(queue_registered_again),
	KUNIT_CASE(empty_bus),
	KUNIT_CASE(missing_bus),
	KUNIT_CASE(no_css_support),
	KUNIT_CASE(subcode_has_64_bits),
	KUNIT_CASE(thousand_queues),
	KUNIT_CASE(long_search_can_be_preempted),
	{}
};

static int notify_init(struct kunit *test)
{
	int rc = test_start();

	/* Makes outcome() ignore all earlier counts. */
	if (!rc)
		outcome();
	return rc;
}

static void notify_exit(struct kunit *test)
{
	test_stop();
}

static struct kunit_suite notify_suite = {
	.name = "diag-notify",
	.init = notify_init,
	.exit = notify_exit,
	.test_cases = notify_cases,
};

kunit_test_suite(notify_suite);
