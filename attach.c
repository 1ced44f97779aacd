// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands where kvm_s390_handle_diag() stood: an ftrace direct call on it leads
 * every DIAGNOSE intercept of every VM to diag_intercept().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <asm/ptrace.h>

#include "compat.h"
#include "diag.h"
#include "trace.h"

#define DIAG_CODES	0x10000

/* Which function codes are claimed. Written while the parameters are parsed. */
static bool claim_all __ro_after_init = true;
static DECLARE_BITMAP(claim_codes, DIAG_CODES) __ro_after_init;

/* KVM's own handler, behind the slot that ftrace has patched. */
static int (*kvm_handler)(struct kvm_vcpu *vcpu) __ro_after_init;
static unsigned long handler_ip __ro_after_init;

/*
 * What has to be 0 for the plain way of an intercept to be the right one: whether
 * KVM's tracepoint is enabled, and in its place 1 where 0x500 is not claimed.
 */
static const atomic_t *detour __ro_after_init;

/* By the parameter; except for 0x500 it takes vms_seen() too. */
static __always_inline bool may_claim(unsigned int code)
{
	return claim_all || test_bit(code, claim_codes);
}

/*
 * KVM's handler must be reached by jumps, from diag_intercept() on: see Kbuild,
 * which checks it. What is rare has a function of its own, which is jumped to as
 * well: the plain way needs no stack frame then.
 */
static noinline int leave_slowly(struct kvm_vcpu *vcpu, unsigned int code,
				 enum diag_outcome outcome)
{
	diag_count(vcpu->kvm, outcome);
	trace_kvm_s390_diag(vcpu, code, 0, 0, 0, 0, 0, outcome);
	return kvm_handler(vcpu);
}

static __always_inline int leave_to_kvm(struct kvm_vcpu *vcpu, unsigned int code,
					enum diag_outcome outcome)
{
	if (trace_kvm_s390_diag_enabled() || unlikely(!diag_count_known(vcpu->kvm, outcome)))
		return leave_slowly(vcpu, code, outcome);
	return kvm_handler(vcpu);
}

/*
 * A guest that was there before may rely on KVM's own codes already: Linux probes
 * 0x9c once, at boot, and issues it without an exception table later. So of a VM
 * that was not seen being created none but 0x500 is taken.
 */
static noinline int dispatch_slowly(struct kvm_vcpu *vcpu, unsigned int code)
{
	if (code != DIAG_KVM_VIRTIO && !vms_seen(vcpu->kvm))
		return leave_slowly(vcpu, code, DIAG_LEFT_TO_KVM);
	trace_kvm(vcpu, code);
	return diag_handle(vcpu, code);
}

int diag_intercept(struct kvm_vcpu *vcpu)
{
	const struct kvm_s390_sie_block *sie = vcpu->arch.sie_block;
	unsigned int code;

	if (unlikely(sie->gpsw.mask & PSW_MASK_PSTATE))
		return leave_to_kvm(vcpu, diag_function_code(vcpu), DIAG_PRIVILEGED);

	/* Nearly always there is no base, so that B2 and D2 are the code. */
	if (likely(sie->ipb >> 16 == DIAG_KVM_VIRTIO && !atomic_read(detour)))
		return diag_handle(vcpu, DIAG_KVM_VIRTIO);

	code = diag_function_code(vcpu);
	if (!may_claim(code))
		return leave_to_kvm(vcpu, code, DIAG_LEFT_TO_KVM);
	if (unlikely(atomic_read(detour) || !vms_known_seen(vcpu->kvm)))
		return dispatch_slowly(vcpu, code);
	return diag_handle(vcpu, code);
}

static void choose_way(void)
{
	static const atomic_t always = ATOMIC_INIT(1);
	const atomic_t *kvm_traced = trace_kvm_find();

	detour = may_claim(DIAG_KVM_VIRTIO) ? kvm_traced : &always;
}

static int claim_parse(const char *list, unsigned long *codes, bool *all)
{
	char *copy, *rest, *token;
	int rc = 0;
	u16 code;

	*all = !strcmp(list, "all");
	if (*all)
		return 0;

	copy = kstrdup(list, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (!rc && (token = strsep(&rest, ","))) {
		/* Hexadecimal with its prefix only: 500 and 0500 are traps. */
		rc = strncmp(token, "0x", 2) ? -EINVAL : kstrtou16(token, 16, &code);
		if (rc == -ERANGE)
			pr_err("claim: '%s' is out of range, function codes are 0x0 to 0xffff; nothing attached\n",
			       token);
		else if (rc)
			pr_err("claim: '%s' is not a function code; use all, or a list as 0x500,0x501; nothing attached\n",
			       token);
		else
			__set_bit(code, codes);
	}
	kfree(copy);
	return rc;
}

static int claim_set(const char *val, const struct kernel_param *kp)
{
	unsigned long *codes = bitmap_zalloc(DIAG_CODES, GFP_KERNEL);
	bool all;
	int rc;

	if (!codes)
		return -ENOMEM;
	rc = claim_parse(val, codes, &all);
	if (!rc) {
		claim_all = all;
		bitmap_copy(claim_codes, codes, DIAG_CODES);
	}
	bitmap_free(codes);
	return rc;
}

static int claim_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int code;
	int len = 0;

	if (claim_all)
		return sysfs_emit(buffer, "all\n");
	for_each_set_bit(code, claim_codes, DIAG_CODES)
		len += sysfs_emit_at(buffer, len, "%s0x%x", len ? "," : "", code);
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops claim_ops = {
	.set = claim_set,
	.get = claim_get,
};

module_param_cb(claim, &claim_ops, NULL, 0444);
MODULE_PARM_DESC(claim, "function codes to answer: all, or a list as 0x500,0x501 that leaves the others to KVM (all; use 0x500 where guests arrive by migration)");

/* A kprobe that is never armed finds a function of KVM that is not exported. */
static unsigned long __init resolve(const char *name)
{
	char symbol[KSYM_NAME_LEN];
	struct kprobe kp = {
		.symbol_name = symbol,
		.flags = KPROBE_FLAG_DISABLED,
	};

	scnprintf(symbol, sizeof(symbol), "%s%s", IS_MODULE(CONFIG_KVM) ? "kvm:" : "", name);
	if (register_kprobe(&kp))
		return 0;
	unregister_kprobe(&kp);
	return (unsigned long)kp.addr;
}

static struct ftrace_ops direct_ops;

/* An attempt to attach could not be undone. */
static bool still_attached;

/* Of "brcl 0" (call switched off) ftrace makes "brcl 15" or "brasl %r0". */
static bool is_patched(unsigned long ip)
{
	u16 insn = READ_ONCE(*(u16 *)ip);

	return insn == 0xc0f4 || insn == 0xc005;
}

/*
 * No return address into this module is on the stack of a vCPU that sleeps, so
 * once every task has been seen outside of text that can be traced, none is left
 * in this one.
 */
static int detach_handler(void)
{
	int rc = compat_direct_detach(&direct_ops, handler_ip, (unsigned long)diag_intercept);

	if (!rc)
		synchronize_rcu_tasks();
	return rc;
}

static int __init attach_handler(void)
{
	int rc = compat_direct_attach(&direct_ops, handler_ip, (unsigned long)diag_intercept);

	if (rc == -EBUSY) {
		pr_err("kvm_s390_handle_diag() is taken by another direct call (a BPF fentry program), a livepatch or a kprobe with a post handler, or kernel.ftrace_enabled is 0; remove that and load again\n");
		return rc;
	}
	if (rc) {
		pr_err("ftrace does not let kvm_s390_handle_diag() be replaced (error %d); nothing attached\n",
		       rc);
		return rc;
	}
	if (is_patched(handler_ip))
		return 0;

	pr_err("ftrace is switched off; set kernel.ftrace_enabled=1 and load again\n");
	still_attached = detach_handler();
	return -EBUSY;
}

static int __init diag_init(void)
{
	struct vms_hooks hooks;
	int rc;

	handler_ip = resolve("kvm_s390_handle_diag");
	hooks.init_vm = resolve("kvm_arch_init_vm");
	hooks.destroy_vm = resolve("kvm_arch_destroy_vm");
	hooks.create_vm_debugfs = resolve("kvm_arch_create_vm_debugfs");
	if (!handler_ip || !hooks.init_vm || !hooks.destroy_vm) {
		pr_err("this KVM has no %s() that can be traced; nothing attached\n",
		       !handler_ip ? "kvm_s390_handle_diag" :
		       !hooks.init_vm ? "kvm_arch_init_vm" : "kvm_arch_destroy_vm");
		return -ENOENT;
	}
	kvm_handler = (void *)(handler_ip + MCOUNT_INSN_SIZE);
	choose_way();

	rc = counters_start();
	if (rc)
		return rc;

	/* Before the handler, for its -EBUSY can only mean one thing. */
	rc = vms_start(&hooks);
	if (rc == -ENOMEM)
		goto free_counters;
	if (rc) {
		pr_err("ftrace cannot be used (error %d), most likely because kernel.ftrace_enabled is 0; set it to 1 and load again\n",
		       rc);
		goto free_counters;
	}
	rc = attach_handler();
	if (rc)
		goto stop_vms;
	vms_record();
	counters_show();
	pr_info("attached to KVM's DIAGNOSE handler\n");
	return 0;

stop_vms:
	if (still_attached || vms_stop()) {
		/* ftrace has died meanwhile, and holds on to the text. */
		pr_emerg("ftrace does not let go; the module stays in memory until the next boot\n");
		__module_get(THIS_MODULE);
		return 0;
	}
free_counters:
	counters_stop();
	return rc;
}
module_init(diag_init);

static void __exit diag_exit(void)
{
	if (detach_handler() || vms_stop()) {
		pr_emerg("ftrace does not let go; rmmod waits for the next boot, so that the text stays\n");
		/* Returning would free text that vCPUs go on to run. */
		for (;;) {
			set_current_state(TASK_IDLE);
			schedule();
		}
	}
	counters_stop();
	pr_info("detached; KVM's own handler answers DIAGNOSE\n");
}
module_exit(diag_exit);

MODULE_DESCRIPTION("DIAGNOSE intercept handler for KVM on s390");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
