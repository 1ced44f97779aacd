// SPDX-License-Identifier: GPL-2.0-only
/* Attaching to KVM's own handler, and detaching. */
#include "include_source.h"

#include "attach.c"

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>

#include "vm.h"

/* Hooked in place of kvm_arch_destroy_vm(), which needs a complete VM. */
static noinline void vm_dies(struct kvm *kvm)
{
	barrier_data(kvm);
}

void test_vm_dies(struct test_vm *vm)
{
	vm_dies(vm->kvm);
}

/* The made-up VM passes what KVM's own function checks. */
void test_see(struct test_vm *vm)
{
	WARN_ON(vms_vcpu_precreate(vm->kvm, 0));
}

/* Keeps a function from running. Hooks on its entry run nevertheless. */
static int return_at_once(struct kprobe *kp, struct pt_regs *regs)
{
	instruction_pointer_set(regs, regs->gprs[14]);
	return 1;
}

static struct kprobe empty_destroy_vm = {
	.symbol_name = "kvm_arch_destroy_vm",
	.pre_handler = return_at_once,
};

static void (*destroy_vm)(struct kvm *kvm);

int test_destroy_start(void)
{
	destroy_vm = (void *)test_symbol("kvm_arch_destroy_vm");
	empty_destroy_vm.addr = NULL;
	empty_destroy_vm.flags = 0;
	return register_kprobe(&empty_destroy_vm);
}

void test_destroy_stop(void)
{
	unregister_kprobe(&empty_destroy_vm);
}

void test_vm_destroy(struct test_vm *vm)
{
	destroy_vm(vm->kvm);
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
	for (outcome = 0; outcome < DIAG_COUNTERS; outcome++)
		all += sum.of[outcome];
	return all;
}

int test_start_vms(void)
{
	const struct vms_hooks hooks = {
		.destroy_vm = (unsigned long)vm_dies,
		.vcpu_precreate = (void *)test_symbol("kvm_arch_vcpu_precreate"),
	};

	return vms_start(&hooks);
}

int test_start(void)
{
	int rc = counters_start();

	vms_prepare(DIAG_KVM_VIRTIO, true);
	if (!rc) {
		rc = test_start_vms();
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

int test_attach(void)
{
	return diag_init();
}

void test_detach(void)
{
	diag_exit();
}

/*
 * When a store changes an instruction, QEMU drops its translation of the instruction
 * before it stores. In between, another CPU can translate the old instruction again, and
 * then both CPUs use that translation. A second store of the same bytes drops it. With one
 * CPU this cannot happen.
 */
static void settle(void)
{
	void *(*kernel_write)(void *dst, const void *src, size_t size);
	u8 insn[MCOUNT_INSN_SIZE];
	int i;

	if (num_online_cpus() == 1)
		return;
	kernel_write = (void *)test_symbol("s390_kernel_write");
	if (WARN_ON(!kernel_write))
		return;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		memcpy(insn, (void *)calls[i].ip, sizeof(insn));
		kernel_write((void *)calls[i].ip, insn, sizeof(insn));
	}
	synchronize_rcu_tasks();
}

/* Does what diag_exit() does. */
u64 test_detach_counted(void)
{
	u64 counted;

	device_stop();
	WARN_ON(detach_first(ARRAY_SIZE(calls)));
	settle();
	counted = test_counted_all();
	test_stop();
	return counted;
}

/* KVM's own functions, entered as KVM enters them: through ftrace's call site. */
static int (*handle_diag)(struct kvm_vcpu *vcpu);
static int (*vcpu_precreate)(struct kvm *kvm, unsigned int id);

static int attach_init(struct kunit *test)
{
	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	KUNIT_ASSERT_NOT_NULL(test, handle_diag);
	vcpu_precreate = (void *)test_symbol("kvm_arch_vcpu_precreate");
	KUNIT_ASSERT_NOT_NULL(test, vcpu_precreate);
	return 0;
}

static struct test_vm *notifying_vm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, 0, -1), 0);
	test_set_gprs(vm, 3, SCHID_A, 0, 0);
	return vm;
}

/* ftrace changes "brcl 0" (no call) to "brcl 15" or "brasl %r0". */
static bool is_patched(void *fn)
{
	u16 insn = READ_ONCE(*(u16 *)fn);

	return insn == 0xc0f4 || insn == 0xc005;
}

/* Expects that a notification is served. The counters tell whether the module served it. */
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
	KUNIT_EXPECT_TRUE(test, is_patched(handle_diag));
	KUNIT_EXPECT_TRUE(test, is_patched(vcpu_precreate));
	expect_notified(test, vm, true);
	test_detach();
	KUNIT_EXPECT_FALSE(test, is_patched(handle_diag));
	KUNIT_EXPECT_FALSE(test, is_patched(vcpu_precreate));
	expect_notified(test, vm, false);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_500, 3);
}

static void unclaimed_code_reaches_kvm(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_set_insn(vm, 0, 0x9c);
	vm->vcpu->run->s.regs.gprs[0] = vm->vcpu->vcpu_id;
	/* An older VM: KVM's own handler answers, and counts a yield to self. */
	KUNIT_EXPECT_EQ(test, test_call(vm, handle_diag), 0);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_9c, 1);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.diag_9c_ignored, 1);
	KUNIT_EXPECT_EQ(test, test_counted_all(), 0);
	/* A VM that gets its first vCPU while the module is attached: the module forwards. */
	vm = test_vm_create(test);
	test_set_insn(vm, 0, 0x9c);
	vm->vcpu->run->s.regs.gprs[0] = vm->vcpu->vcpu_id;
	KUNIT_EXPECT_EQ(test, vcpu_precreate(vm->kvm, 0), 0);
	KUNIT_EXPECT_EQ(test, test_call(vm, handle_diag), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.instruction_diagnose_9c, 1);
	KUNIT_EXPECT_EQ(test, vm->vcpu->stat.diag_9c_ignored, 0);
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

/* Whichever of the two functions is taken, nothing stays attached. */
static void taken_by_kprobe_is_refused(struct kunit *test)
{
	struct test_vm *vm = notifying_vm(test);
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(calls); n++) {
		struct kprobe kp = {
			.symbol_name = calls[n].name,
			.pre_handler = occupy_pre,
			.post_handler = occupy_post,
		};

		KUNIT_ASSERT_EQ(test, register_kprobe(&kp), 0);
		KUNIT_EXPECT_EQ(test, test_attach(), -EBUSY);
		KUNIT_EXPECT_NULL(test, diag_unattributed);
		expect_notified(test, vm, false);
		unregister_kprobe(&kp);
		KUNIT_EXPECT_FALSE(test, is_patched(handle_diag));
	}
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_detach();
}

static void taken_by_direct_call_is_refused(struct kunit *test)
{
	static struct ftrace_ops ops;
	unsigned long ip = (unsigned long)handle_diag;
	struct test_vm *vm = notifying_vm(test);

	diag_prepare((void *)(ip + MCOUNT_INSN_SIZE));
	KUNIT_ASSERT_EQ(test, test_start(), 0);
	KUNIT_ASSERT_EQ(test, compat_direct_attach(&ops, ip, (unsigned long)diag_intercept), 0);
	/* The other direct call leads to the module too, so its intercepts are counted. */
	calls[HANDLE_DIAG].ip = ip;
	KUNIT_EXPECT_EQ(test, attach(&calls[HANDLE_DIAG]), -EBUSY);
	expect_notified(test, vm, true);
	KUNIT_EXPECT_EQ(test, compat_direct_detach(&ops, ip, (unsigned long)diag_intercept), 0);
	synchronize_rcu_tasks();
	test_stop();
}

static void missing_function_is_refused(struct kunit *test)
{
	unsigned long addr;

	KUNIT_EXPECT_EQ(test, resolve("kvm_s390_no_such_function", &addr), -ENOENT);
}

static bool exists(struct dentry *parent, const char *name)
{
	struct dentry *entry = debugfs_lookup(name, parent);

	dput(entry);
	return entry;
}

/*
 * Waits until the file exists in the module's folder, or is gone. Work items create and remove
 * files.
 */
static bool file_becomes(struct dentry *kvm_dir, const char *name, bool there)
{
	struct dentry *folder = debugfs_lookup("kvm-s390-diag", kvm_dir);
	unsigned long limit = jiffies + 30 * HZ;

	while (folder && exists(folder, name) != there && time_before(jiffies, limit))
		msleep(20);
	there = folder && exists(folder, name) == there;
	dput(folder);
	return there;
}

/* The functions that KVM enters for each VM, and that the module finds by name. */
static void vm_has_its_file_while_it_lives(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	struct dentry *kvm_dir = debugfs_create_dir("kvm", NULL);

	vm->kvm->debugfs_dentry = debugfs_create_dir("100-7", kvm_dir);
	KUNIT_ASSERT_EQ(test, test_destroy_start(), 0);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	KUNIT_EXPECT_TRUE(test, file_becomes(kvm_dir, "total", true));

	KUNIT_EXPECT_EQ(test, vcpu_precreate(vm->kvm, 0), 0);
	KUNIT_EXPECT_TRUE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, file_becomes(kvm_dir, "100-7", true));
	test_vm_destroy(vm);
	KUNIT_EXPECT_FALSE(test, vms_seen(vm->kvm));
	KUNIT_EXPECT_TRUE(test, file_becomes(kvm_dir, "100-7", false));

	test_detach();
	KUNIT_EXPECT_FALSE(test, exists(kvm_dir, "kvm-s390-diag"));
	test_destroy_stop();
	debugfs_remove(kvm_dir);
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
	calls[HANDLE_DIAG].ip = (unsigned long)handle_diag + MCOUNT_INSN_SIZE + 2;
	KUNIT_EXPECT_LT(test, attach(&calls[HANDLE_DIAG]), 0);
	KUNIT_EXPECT_FALSE(test, is_patched(handle_diag));
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

/* The handler is attached after the hooks, and must find ftrace enabled. */
static void ftrace_stays_enabled_while_vms_are_hooked(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, test_start(), 0);
	KUNIT_EXPECT_EQ(test, write_ftrace_enabled(test, '0'), -EBUSY);
	write_ftrace_enabled(test, '1');
	test_stop();
}

static void works_beside_another_tracer(struct kunit *test)
{
	struct kprobe kp = {
		.symbol_name = "kvm_s390_handle_diag",
		.pre_handler = occupy_pre,
	};
	struct test_vm *vm = notifying_vm(test);

	/* A kprobe without a post handler can share the call site with a direct call. */
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
	KUNIT_CASE(missing_function_is_refused),
	KUNIT_CASE(vm_has_its_file_while_it_lives),
	KUNIT_CASE(function_without_slot_is_refused),
	KUNIT_CASE(ftrace_disabled_is_refused),
	KUNIT_CASE(ftrace_stays_enabled_while_attached),
	KUNIT_CASE(ftrace_stays_enabled_while_vms_are_hooked),
	KUNIT_CASE(works_beside_another_tracer),
	KUNIT_CASE(attach_detach_cycles),
	{}
};

static struct kunit_suite attach_suite = {
	.name = "diag-attach",
	.init = attach_init,
	.test_cases = attach_cases,
};

kunit_test_suite(attach_suite);
