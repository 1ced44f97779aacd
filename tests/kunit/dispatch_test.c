// SPDX-License-Identifier: GPL-2.0-only
/* Tests which component answers a DIAGNOSE: the module, userspace or KVM. */
#include "include_source.h"

#include "diag.c"

#include "vm.h"

/* Stands in for KVM's handler while the module is not attached. */
static unsigned int left_to_kvm;

static int stub_handler(struct kvm_vcpu *vcpu)
{
	left_to_kvm++;
	return -EREMOTE;
}

static int dispatch_init(struct kunit *test)
{
	int rc = test_start();

	diag_prepare(stub_handler);
	left_to_kvm = 0;
	return rc;
}

static void dispatch_exit(struct kunit *test)
{
	test_claim("all");
	test_stop();
}

enum to { SERVED, FORWARDED, LEFT };

struct dispatch_case {
	const char *claim;
	u16 code;
	bool seen;
	enum to to;
};

static const struct dispatch_case dispatch_table[] = {
	{ "all", 0x500, true, SERVED },
	{ "all", 0x501, true, FORWARDED },
	{ "all", 0x44, true, FORWARDED },
	{ "all", 0x288, true, FORWARDED },
	{ "all", 0x500, false, SERVED },
	{ "all", 0x501, false, LEFT },
	{ "all", 0x9c, false, LEFT },
	{ "0x500", 0x500, true, SERVED },
	{ "0x500", 0x501, true, LEFT },
	{ "0x500", 0x9c, true, LEFT },
	{ "0x500,0x501", 0x501, true, FORWARDED },
	{ "0x500,0x501", 0x501, false, LEFT },
	{ "0x500,0x501", 0x500, false, SERVED },
	{ "0x500,0x501", 0x502, true, LEFT },
	{ "0x501", 0x500, true, LEFT },
	{ "0x501", 0x500, false, LEFT },
	{ "0x501", 0x501, true, FORWARDED },
};

static void dispatch_desc(const struct dispatch_case *c, char *desc)
{
	static const char *const to[] = { "served", "forwarded", "left to KVM" };

	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "claim=%s, 0x%x, VM %s: %s", c->claim, c->code,
		 c->seen ? "seen" : "older", to[c->to]);
}

KUNIT_ARRAY_PARAM(dispatch, dispatch_table, dispatch_desc);

static void goes_to(struct kunit *test)
{
	static const int rcs[] = { 0, -EOPNOTSUPP, -EREMOTE };
	const struct dispatch_case *c = test->param_value;
	struct test_vm *vm = test_vm_create(test);
	int i;

	test_claim(c->claim);
	diag_prepare(stub_handler);
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	if (c->seen)
		test_see(vm);
	test_set_insn(vm, 0, c->code);

	/* The first intercept takes the slow path. The second one finds the VM cached. */
	for (i = 1; i <= 2; i++) {
		test_set_gprs(vm, 3, SCHID_A, 0, 0);
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), rcs[c->to]);
		KUNIT_EXPECT_EQ(test, left_to_kvm, c->to == LEFT ? i : 0);
		KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), c->to == SERVED);
		KUNIT_EXPECT_EQ(test, test_counted_all(), c->to == LEFT ? 0 : i);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), c->to == SERVED ? i : 0);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), c->to == FORWARDED ? i : 0);
	}
}

static void problem_state_is_left_to_kvm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	int i;

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	vm->vcpu->arch.sie_block->gpsw.mask = PSW_MASK_PSTATE;
	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	/* The first intercept takes the slow path. The second one finds the VM cached. */
	for (i = 1; i <= 2; i++) {
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EREMOTE);
		KUNIT_EXPECT_EQ(test, left_to_kvm, i);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_PRIVILEGED), i);
		KUNIT_EXPECT_EQ(test, test_counted_all(), i);
	}
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
}

/* The function code is the sum of the displacement and the base register. */
static void base_register_counts(struct kunit *test)
{
	struct test_vm *seen = test_vm_create(test), *older = test_vm_create(test);
	int i;

	test_see(seen);
	test_set_insn(seen, 5, 0x500);
	test_set_gprs(seen, 3, SCHID_A, 0, 0);
	seen->vcpu->run->s.regs.gprs[5] = 1;
	for (i = 1; i <= 2; i++) {
		KUNIT_EXPECT_EQ(test, test_call(seen, diag_intercept), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), i);
	}

	/* 0x500 is claimed for an older VM as well. */
	KUNIT_ASSERT_EQ(test, test_assign(older, SCHID_A, 8, 0, -1), 0);
	test_set_insn(older, 5, 0x4ff);
	test_set_gprs(older, 3, SCHID_A, 0, 0);
	older->vcpu->run->s.regs.gprs[5] = 1;
	KUNIT_EXPECT_EQ(test, test_call(older, diag_intercept), 0);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), 1);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 3);

	/* The shortcut is for codes without a base register only. */
	test_claim("0x500");
	diag_prepare(stub_handler);
	test_set_gprs(older, 3, SCHID_A, 0, 0);
	older->vcpu->run->s.regs.gprs[5] = 1;
	KUNIT_EXPECT_EQ(test, test_call(older, diag_intercept), 0);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), 2);
	KUNIT_EXPECT_EQ(test, left_to_kvm, 0);
}

/* The shortcut is open while there is no reason to block it. */
static void shortcut_is_blocked(struct kunit *test)
{
	static const struct {
		const char *claim;
		bool open;
	} claims[] = {
		{ "all", false },
		{ "0x500", true },
		{ "0x500,0x501", false },
		{ "0x501", false },
		{ "0x501,0x9c", false },
		{ "0x500", true },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(claims); i++) {
		test_claim(claims[i].claim);
		diag_prepare(stub_handler);
		diag_prepare(stub_handler);
		KUNIT_EXPECT_EQ_MSG(test, shortcut_is_open(), claims[i].open, "%s",
				    claims[i].claim);
	}
	shortcut_block();
	shortcut_block();
	shortcut_unblock();
	KUNIT_EXPECT_FALSE(test, shortcut_is_open());
	shortcut_unblock();
	KUNIT_EXPECT_TRUE(test, shortcut_is_open());
}

static void kvm_statistics_are_kept(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);
	struct kvm_vcpu_stat *stat = &vm->vcpu->stat;
	struct {
		u16 code;
		u64 *field;
	} fields[] = {
		{ 0x10, &stat->instruction_diagnose_10 },
		{ 0x44, &stat->instruction_diagnose_44 },
		{ 0x9c, &stat->instruction_diagnose_9c },
		{ 0x258, &stat->instruction_diagnose_258 },
		{ 0x308, &stat->instruction_diagnose_308 },
		{ 0x500, &stat->instruction_diagnose_500 },
		{ 0x501, &stat->instruction_diagnose_other },
		{ 0xfff, &stat->instruction_diagnose_other },
	};
	static struct kvm_vcpu_stat expected;	/* too large for the stack */
	int i;

	test_see(vm);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		memset(stat, 0, sizeof(*stat));
		*fields[i].field = 2;
		expected = *stat;
		*fields[i].field = 0;
		test_set_insn(vm, 0, fields[i].code);
		test_set_gprs(vm, 0, 0, 0, 0);
		/* The CPU has cached another VM, and then this one. */
		test_call(other, diag_intercept);
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, memcmp(stat, &expected, sizeof(expected)), 0);
	}
}

/* A notification makes the CPU cache the VM. */
static void cached_vm_follows_claim(struct kunit *test)
{
	static const int rcs[][2] = { { -EREMOTE, -EREMOTE }, { -EOPNOTSUPP, -EREMOTE } };
	int seen, code;

	test_claim("0x500,0x501");
	diag_prepare(stub_handler);
	for (seen = 0; seen <= 1; seen++) {
		struct test_vm *vm = test_vm_create(test);

		if (seen)
			test_see(vm);
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
		test_set_gprs(vm, 3, SCHID_A, 0, 0);
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), 0);
		for (code = 0; code <= 1; code++) {
			test_set_insn(vm, 0, 0x501 + code);
			KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), rcs[seen][code]);
		}
	}
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), 1);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 3);
}

/* The CPU has cached the other VM each time. */
static void vms_take_turns(struct kunit *test)
{
	struct test_vm *seen = test_vm_create(test), *older = test_vm_create(test);
	int i;

	test_see(seen);
	test_set_insn(seen, 0, 0x501);
	test_set_insn(older, 0, 0x501);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, test_call(seen, diag_intercept), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, test_call(older, diag_intercept), -EREMOTE);
	}
	KUNIT_EXPECT_EQ(test, left_to_kvm, 3);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), 3);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 3);
}

static void destroyed_vm_is_forgotten(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);

	test_see(vm);
	test_see(other);
	/* Its first vCPU is created again, as if the first attempt had failed. */
	test_see(vm);
	KUNIT_EXPECT_TRUE(test, vms_seen(vm->kvm));
	test_vm_dies(vm);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, vms_seen(other->kvm));
}

static void vm_with_a_vcpu_is_older(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *newer = test_vm_create(test);

	test_see(vm);
	vm->kvm->created_vcpus = 1;
	/* Unload, and load again. */
	KUNIT_ASSERT_EQ(test, vms_stop(), 0);
	KUNIT_ASSERT_EQ(test, test_start_vms(), 0);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	/* The older VM gets another vCPU, and a VM without a vCPU its first one. */
	test_see(vm);
	test_see(newer);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, vms_seen(newer->kvm));
}

static struct kunit_case dispatch_cases[] = {
	KUNIT_CASE_PARAM(goes_to, dispatch_gen_params),
	KUNIT_CASE(problem_state_is_left_to_kvm),
	KUNIT_CASE(base_register_counts),
	KUNIT_CASE(shortcut_is_blocked),
	KUNIT_CASE(kvm_statistics_are_kept),
	KUNIT_CASE(cached_vm_follows_claim),
	KUNIT_CASE(vms_take_turns),
	KUNIT_CASE(destroyed_vm_is_forgotten),
	KUNIT_CASE(vm_with_a_vcpu_is_older),
	{}
};

static struct kunit_suite dispatch_suite = {
	.name = "diag-dispatch",
	.init = dispatch_init,
	.exit = dispatch_exit,
	.test_cases = dispatch_cases,
};

kunit_test_suite(dispatch_suite);
