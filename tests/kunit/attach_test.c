// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attach, detach, and what is claimed. attach.c is part of this file, so that
 * its own functions can be reached; its text must not be freed after init, for
 * the tests call it again and again.
 */
#include <linux/init.h>
#include <linux/module.h>

#undef pr_fmt
#undef module_init
#undef module_exit
#undef __init
#undef __exit
#undef __ro_after_init
#define module_init(fn)
#define module_exit(fn)
#define __init
#define __exit
#define __ro_after_init

#include "attach.c"

#include "vm.h"

/* What stands for KVM's handler where nothing is attached. */
static unsigned int left_to_kvm;

static int stub_handler(struct kvm_vcpu *vcpu)
{
	left_to_kvm++;
	return -EREMOTE;
}

/* kvm_arch_destroy_vm() would find nothing here to destroy; this is traced instead. */
static noinline void vm_dies(struct kvm *kvm)
{
	barrier_data(kvm);
}

void test_vm_dies(struct test_vm *vm)
{
	vm_dies(vm->kvm);
}

u64 test_counted(enum diag_outcome outcome)
{
	struct diag_counters sum;

	counters_sum(&sum);
	return sum.of[outcome];
}

u64 test_counted_all(void)
{
	struct diag_counters sum;
	unsigned int outcome;
	u64 all = 0;

	counters_sum(&sum);
	for (outcome = 0; outcome < DIAG_OUTCOMES; outcome++)
		all += sum.of[outcome];
	return all;
}

static int start_vms(void)
{
	const struct vms_hooks hooks = {
		.init_vm = test_symbol("kvm_arch_init_vm"),
		.destroy_vm = (unsigned long)vm_dies,
		.create_vm_debugfs = test_symbol("kvm_arch_create_vm_debugfs"),
	};

	return vms_start(&hooks);
}

int test_start(void)
{
	int rc = counters_start();

	if (!rc) {
		rc = start_vms();
		if (rc)
			counters_stop();
		else
			counters_show();
	}
	return rc;
}

void test_stop(void)
{
	WARN_ON(vms_stop());
	counters_stop();
}

/* Parsing of claim */

struct claim_case {
	const char *list;
	int rc;
	const char *reads;
};

static const struct claim_case claim_cases[] = {
	{ "all", 0, "all\n" },
	{ "0x500", 0, "0x500\n" },
	{ "0x501,0x500", 0, "0x500,0x501\n" },
	{ "0x500,0x500", 0, "0x500\n" },
	{ "0x0,0xffff", 0, "0x0,0xffff\n" },
	{ "0x0500", 0, "0x500\n" },
	{ "0xABC", 0, "0xabc\n" },
	{ "", -EINVAL },
	{ ",", -EINVAL },
	{ "0x500,", -EINVAL },
	{ ",0x500", -EINVAL },
	{ "0x500,,0x501", -EINVAL },
	{ "500", -EINVAL },
	{ "0500", -EINVAL },
	{ "x500", -EINVAL },
	{ "0x", -EINVAL },
	{ "0x5g", -EINVAL },
	{ "0x500 ", -EINVAL },
	{ "0x500, 0x501", -EINVAL },
	{ "-0x500", -EINVAL },
	{ "0x-500", -EINVAL },
	{ "ALL", -EINVAL },
	{ "all,0x500", -EINVAL },
	{ "0x500,all", -EINVAL },
	{ "0x10000", -ERANGE },
	{ "0x500,0x123456789abcdef0123", -ERANGE },
};

static void claim_desc(const struct claim_case *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "'%s'", c->list);
}

KUNIT_ARRAY_PARAM(claim, claim_cases, claim_desc);

static void claim_is_parsed(struct kunit *test)
{
	const struct claim_case *c = test->param_value;
	char *page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	/* A refused list changes nothing. */
	KUNIT_ASSERT_EQ(test, claim_set("0x123", NULL), 0);
	KUNIT_EXPECT_EQ(test, claim_set(c->list, NULL), c->rc);
	KUNIT_EXPECT_EQ(test, claim_get(page, NULL), (int)strlen(page));
	KUNIT_EXPECT_STREQ(test, page, c->rc ? "0x123\n" : c->reads);
}

static void long_list_fits_the_page(struct kunit *test)
{
	char *page = (char *)get_zeroed_page(GFP_KERNEL);
	int len;

	KUNIT_ASSERT_NOT_NULL(test, page);
	bitmap_fill(claim_codes, DIAG_CODES);
	claim_all = false;
	len = claim_get(page, NULL);
	KUNIT_EXPECT_LT(test, len, (int)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, len, (int)strlen(page));
	free_page((unsigned long)page);
}

static void claim_exit(struct kunit *test)
{
	claim_set("all", NULL);
}

static struct kunit_case claim_test_cases[] = {
	KUNIT_CASE_PARAM(claim_is_parsed, claim_gen_params),
	KUNIT_CASE(long_list_fits_the_page),
	{}
};

static struct kunit_suite claim_suite = {
	.name = "diag-claim",
	.exit = claim_exit,
	.test_cases = claim_test_cases,
};

/* Dispatch: what is served, what is forwarded, what is left to KVM. */

static int dispatch_init(struct kunit *test)
{
	int rc = test_start();

	vms_record();
	choose_way();
	kvm_handler = stub_handler;
	left_to_kvm = 0;
	return rc;
}

static void dispatch_exit(struct kunit *test)
{
	claim_set("all", NULL);
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

	KUNIT_ASSERT_EQ(test, claim_set(c->claim, NULL), 0);
	choose_way();
	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	if (c->seen)
		test_see(vm);
	test_set_insn(vm, 0, c->code);
	test_set_gprs(vm, 3, SCHID_A, 0, 0);

	KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), rcs[c->to]);
	KUNIT_EXPECT_EQ(test, left_to_kvm, c->to == LEFT);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), c->to == SERVED);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 1);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_LEFT_TO_KVM), c->to == LEFT);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), c->to == SERVED);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), c->to == FORWARDED);
}

static void problem_state_is_left_to_kvm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	vm->vcpu->arch.sie_block->gpsw.mask = PSW_MASK_PSTATE;
	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EREMOTE);
	KUNIT_EXPECT_EQ(test, left_to_kvm, 1);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_PRIVILEGED), 1);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 1);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 0);
}

static void kvm_statistics_are_kept(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
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
	struct kvm_vcpu_stat expected;
	int i;

	test_see(vm);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		memset(stat, 0, sizeof(*stat));
		*fields[i].field = 1;
		expected = *stat;
		*fields[i].field = 0;
		test_set_insn(vm, 0, fields[i].code);
		test_set_gprs(vm, 0, 0, 0, 0);
		KUNIT_EXPECT_EQ(test, test_call(vm, diag_intercept), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, memcmp(stat, &expected, sizeof(expected)), 0);
	}
}

static void destroyed_vm_is_forgotten(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *other = test_vm_create(test);

	test_see(vm);
	test_see(other);
	/* Again, as when an initialisation had failed before. */
	test_see(vm);
	KUNIT_EXPECT_TRUE(test, vms_seen(vm->kvm));
	vm_dies(vm->kvm);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, vms_seen(other->kvm));
}

static void vm_created_before_attach_is_older(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test), *newer = test_vm_create(test);

	test_see(vm);
	/* Unloaded, and loaded again up to where DIAGNOSE gets attached. */
	KUNIT_ASSERT_EQ(test, vms_stop(), 0);
	KUNIT_ASSERT_EQ(test, start_vms(), 0);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	test_see(vm);
	vms_record();
	test_see(newer);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, vms_seen(newer->kvm));
}

static struct kunit_case dispatch_cases[] = {
	KUNIT_CASE_PARAM(goes_to, dispatch_gen_params),
	KUNIT_CASE(problem_state_is_left_to_kvm),
	KUNIT_CASE(kvm_statistics_are_kept),
	KUNIT_CASE(destroyed_vm_is_forgotten),
	KUNIT_CASE(vm_created_before_attach_is_older),
	{}
};

static struct kunit_suite dispatch_suite = {
	.name = "diag-dispatch",
	.init = dispatch_init,
	.exit = dispatch_exit,
	.test_cases = dispatch_cases,
};

/* Attach to the real kvm_s390_handle_diag() of this kernel. */

void test_claim(const char *list)
{
	WARN_ON(claim_set(list, NULL));
}

int test_attach(void)
{
	return diag_init();
}

void test_detach(void)
{
	diag_exit();
}

/*
 * QEMU drops what it has translated before it does the store that changes it, so that
 * another CPU can translate the old instruction once more meanwhile, and both go on with
 * that. To store the same again, now that it is there, helps. A CPU alone cannot meet this.
 */
static void settle(void)
{
	void *(*kernel_write)(void *dst, const void *src, size_t size);
	u8 insn[MCOUNT_INSN_SIZE];

	if (num_online_cpus() == 1)
		return;
	kernel_write = (void *)test_symbol("s390_kernel_write");
	if (WARN_ON(!kernel_write))
		return;
	memcpy(insn, (void *)handler_ip, sizeof(insn));
	kernel_write((void *)handler_ip, insn, sizeof(insn));
	synchronize_rcu_tasks();
}

/* As diag_exit(). */
u64 test_detach_counted(void)
{
	u64 counted;

	WARN_ON(detach_handler());
	settle();
	counted = test_counted_all();
	test_stop();
	return counted;
}

/* The real handler, entered as KVM enters it: through ftrace's slot. */
static int (*handle_diag)(struct kvm_vcpu *vcpu);

static int attach_init(struct kunit *test)
{
	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	KUNIT_ASSERT_NOT_NULL(test, handle_diag);
	return 0;
}

static struct test_vm *notifying_vm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	return vm;
}

/* A notification is served; by whom, the counters tell. */
static void expect_notified(struct kunit *test, struct test_vm *vm, bool attached)
{
	u64 before = attached ? test_counted(DIAG_SERVED_COOKIE) : 0;

	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	KUNIT_EXPECT_EQ(test, test_call(vm, handle_diag), 0);
	KUNIT_EXPECT_EQ(test, vm->vcpu->run->s.regs.gprs[2], 0);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), 1);
	if (attached)
		KUNIT_EXPECT_EQ(test, test_counted(DIAG_SERVED_COOKIE), before + 1);
}

static void attached_reached_detached(struct kunit *test)
{
	struct test_vm *vm = notifying_vm(test);

	expect_notified(test, vm, false);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	KUNIT_EXPECT_TRUE(test, is_patched((unsigned long)handle_diag));
	expect_notified(test, vm, true);
	test_detach();
	KUNIT_EXPECT_FALSE(test, is_patched((unsigned long)handle_diag));
	expect_notified(test, vm, false);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_500, 3);
}

static void unclaimed_code_reaches_kvm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_set_insn(vm, 0, 0x9c);
	vm->vcpu->run->s.regs.gprs[0] = vm->vcpu->vcpu_id;
	/* Not seen being created: KVM's own code counts a yield to self. */
	KUNIT_EXPECT_EQ(test, test_call(vm, handle_diag), 0);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_9c, 1);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.diag_9c_ignored, 1);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_LEFT_TO_KVM), 1);
	/* Seen: forwarded. */
	test_see(vm);
	KUNIT_EXPECT_EQ(test, test_call(vm, handle_diag), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_9c, 2);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.diag_9c_ignored, 1);
	KUNIT_EXPECT_EQ(test, test_counted(DIAG_OTHER_CODE), 1);
	test_detach();
}

static unsigned int kprobe_hits;

static int occupy_pre(struct kprobe *kp, struct pt_regs *regs)
{
	kprobe_hits++;
	return 0;
}

static void occupy_post(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static void taken_by_kprobe_is_refused(struct kunit *test)
{
	struct kprobe kp = {
		.symbol_name = "kvm_s390_handle_diag",
		.pre_handler = occupy_pre,
		.post_handler = occupy_post,
	};
	struct test_vm *vm = notifying_vm(test);

	KUNIT_ASSERT_EQ(test, register_kprobe(&kp), 0);
	KUNIT_EXPECT_EQ(test, test_attach(), -EBUSY);
	KUNIT_EXPECT_NULL(test, diag_unattributed);
	expect_notified(test, vm, false);
	unregister_kprobe(&kp);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_detach();
}

static void taken_by_direct_call_is_refused(struct kunit *test)
{
	static struct ftrace_ops ops;
	unsigned long ip = (unsigned long)handle_diag;
	struct test_vm *vm = notifying_vm(test);

	kvm_handler = (void *)(ip + MCOUNT_INSN_SIZE);
	choose_way();
	KUNIT_ASSERT_EQ(test, test_start(), 0);
	KUNIT_ASSERT_EQ(test, compat_direct_attach(&ops, ip, (unsigned long)diag_intercept), 0);
	/* The counters are those of the one that has it. */
	handler_ip = ip;
	KUNIT_EXPECT_EQ(test, attach_handler(), -EBUSY);
	expect_notified(test, vm, true);
	KUNIT_EXPECT_EQ(test, compat_direct_detach(&ops, ip, (unsigned long)diag_intercept), 0);
	synchronize_rcu_tasks();
	test_stop();
}

static int write_ftrace_enabled(struct kunit *test, char value)
{
	struct file *file = filp_open("/proc/sys/kernel/ftrace_enabled", O_WRONLY, 0);
	int rc;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	rc = kernel_write(file, &value, 1, NULL);
	filp_close(file, NULL);
	return rc;
}

static void function_without_slot_is_refused(struct kunit *test)
{
	handler_ip = (unsigned long)handle_diag + MCOUNT_INSN_SIZE + 2;
	KUNIT_EXPECT_LT(test, attach_handler(), 0);
	KUNIT_EXPECT_FALSE(test, is_patched((unsigned long)handle_diag));
}

static void ftrace_disabled_is_refused(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, write_ftrace_enabled(test, '0'), 1);
	KUNIT_EXPECT_EQ(test, test_attach(), -EBUSY);
	KUNIT_EXPECT_NULL(test, diag_unattributed);
	KUNIT_ASSERT_EQ(test, write_ftrace_enabled(test, '1'), 1);
}

static void ftrace_stays_enabled_while_attached(struct kunit *test)
{
	struct test_vm *vm = notifying_vm(test);

	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	KUNIT_EXPECT_EQ(test, write_ftrace_enabled(test, '0'), -EBUSY);
	expect_notified(test, vm, true);
	test_detach();
}

static void works_beside_another_tracer(struct kunit *test)
{
	struct kprobe kp = {
		.symbol_name = "kvm_s390_handle_diag",
		.pre_handler = occupy_pre,
	};
	struct test_vm *vm = notifying_vm(test);

	/* Without a post handler a kprobe and a direct call can share it. */
	KUNIT_ASSERT_EQ(test, register_kprobe(&kp), 0);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	kprobe_hits = 0;
	expect_notified(test, vm, true);
	KUNIT_EXPECT_EQ(test, kprobe_hits, 1);
	unregister_kprobe(&kp);
	expect_notified(test, vm, true);
	test_detach();
	expect_notified(test, vm, false);
}

static void attach_detach_cycles(struct kunit *test)
{
	struct test_vm *vm = notifying_vm(test);
	unsigned int i;

	for (i = 0; i < TEST_CYCLES; i++) {
		KUNIT_ASSERT_EQ(test, test_attach(), 0);
		expect_notified(test, vm, true);
		test_detach();
		expect_notified(test, vm, false);
	}
	kunit_info(test, "%u cycles", i);
}

static struct kunit_case attach_cases[] = {
	KUNIT_CASE(attached_reached_detached),
	KUNIT_CASE(unclaimed_code_reaches_kvm),
	KUNIT_CASE(taken_by_kprobe_is_refused),
	KUNIT_CASE(taken_by_direct_call_is_refused),
	KUNIT_CASE(function_without_slot_is_refused),
	KUNIT_CASE(ftrace_disabled_is_refused),
	KUNIT_CASE(ftrace_stays_enabled_while_attached),
	KUNIT_CASE(works_beside_another_tracer),
	KUNIT_CASE(attach_detach_cycles),
	{}
};

static struct kunit_suite attach_suite = {
	.name = "diag-attach",
	.init = attach_init,
	.test_cases = attach_cases,
};

kunit_test_suites(&claim_suite, &dispatch_suite, &attach_suite);
