// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and unloads the module: finds KVM's functions, and sets and removes two ftrace
 * direct calls. The one on kvm_s390_handle_diag() leads every DIAGNOSE intercept of
 * every VM to diag_intercept(). The one on kvm_arch_vcpu_precreate() leads every creation
 * of a vCPU to vms_vcpu_precreate(), which records the VM before its guest runs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "compat.h"
#include "counters.h"
#include "device.h"
#include "diag.h"
#include "vms.h"

/**
 * struct direct_call - a function of KVM, and the function that is called in its place
 * @name: KVM's function
 * @ip: its address, where ftrace patches the first instruction
 * @target: the function of this module
 * @ops: for ftrace
 */
struct direct_call {
	const char *name;
	unsigned long ip;
	unsigned long target;
	struct ftrace_ops ops;
};

enum { HANDLE_DIAG, VCPU_PRECREATE };

/*
 * In the order in which they are attached. The DIAGNOSE handler is attached first: a VM may
 * count as seen (vms_seen()) only if the module handles all of its intercepts.
 */
static struct direct_call calls[] = {
	[HANDLE_DIAG] = {
		.name = "kvm_s390_handle_diag",
		.target = (unsigned long)diag_intercept,
	},
	[VCPU_PRECREATE] = {
		.name = "kvm_arch_vcpu_precreate",
		.target = (unsigned long)vms_vcpu_precreate,
	},
};

/* Registers a disabled kprobe to learn the address of a function that KVM does not export. */
static unsigned long __init find_symbol(const char *name)
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

static int __init resolve(const char *name, unsigned long *addr)
{
	*addr = find_symbol(name);
	if (*addr)
		return 0;
	pr_err("this KVM has no %s() that can be traced; nothing attached\n", name);
	return -ENOENT;
}

static int __init attach(struct direct_call *call)
{
	int rc = compat_direct_attach(&call->ops, call->ip, call->target);

	if (rc == -EBUSY)
		pr_err("%s() is taken by another direct call (a BPF fentry program), a livepatch or a kprobe with a post handler; remove that and load again\n",
		       call->name);
	else if (rc)
		pr_err("ftrace does not let %s() be replaced (error %d); nothing attached\n",
		       call->name, rc);
	return rc;
}

/*
 * Removes the first @n direct calls, and waits until no task is in the module.
 *
 * A grace period of RCU-tasks ends when every task has slept, or has been in userspace or
 * idle. The module's code never sleeps while it handles an intercept, so no task is in that
 * code after the first grace period. A task that sleeps in KVM's handler has no return
 * address into the module on its stack. A thread that creates a vCPU can sleep in the
 * module. vms_wait() waits until that thread has woken up. The second grace period waits
 * until it has left the module.
 */
static int detach_first(unsigned int n)
{
	int rc = 0;

	if (!n)
		return 0;
	while (n-- && !rc)
		rc = compat_direct_detach(&calls[n].ops, calls[n].ip, calls[n].target);
	if (rc)
		return rc;
	synchronize_rcu_tasks();
	vms_wait();
	synchronize_rcu_tasks();
	return 0;
}

static int __init diag_init(void)
{
	unsigned long vm_release;
	struct vms_hooks hooks;
	unsigned int n;
	int rc;

	for (n = 0; n < ARRAY_SIZE(calls); n++) {
		rc = resolve(calls[n].name, &calls[n].ip);
		if (rc)
			return rc;
	}
	rc = resolve("kvm_arch_destroy_vm", &hooks.destroy_vm);
	if (!rc)
		rc = resolve("kvm_vm_release", &vm_release);
	if (rc)
		return rc;
	/* The instruction that follows the one that ftrace patches. */
	diag_prepare((void *)(calls[HANDLE_DIAG].ip + MCOUNT_INSN_SIZE));
	hooks.vcpu_precreate = (void *)(calls[VCPU_PRECREATE].ip + MCOUNT_INSN_SIZE);

	rc = counters_start();
	if (rc)
		return rc;

	/*
	 * Must precede attach(). While the hook of vms.c is registered,
	 * kernel.ftrace_enabled cannot become 0. An -EBUSY of attach() therefore means that
	 * KVM's function has another user.
	 */
	rc = vms_start(&hooks);
	if (rc) {
		if (rc == -EBUSY)
			pr_err("ftrace cannot be used (error %d), most likely because kernel.ftrace_enabled is 0; set it to 1 and load again\n",
			       rc);
		else if (rc != -ENOMEM)
			pr_err("ftrace cannot be used (error %d); nothing attached\n", rc);
		goto stop_counters;
	}
	for (n = 0; n < ARRAY_SIZE(calls); n++) {
		rc = attach(&calls[n]);
		if (rc)
			goto detach;
	}
	rc = device_start(vm_release);
	if (rc) {
		pr_err("/dev/kvm-s390-diag cannot be created (error %d); nothing attached\n", rc);
		goto detach;
	}
	counters_show();
	pr_info("attached to KVM's DIAGNOSE handler\n");
	return 0;

detach:
	if (detach_first(n) || vms_stop()) {
		/* ftrace has shut itself off since vms_start(), and may still call the module. */
		pr_emerg("ftrace does not let go; the module stays in memory until the next boot\n");
		__module_get(THIS_MODULE);
		counters_show();
		return 0;
	}
stop_counters:
	counters_stop();
	return rc;
}
module_init(diag_init);

static void __exit diag_exit(void)
{
	device_stop();
	if (detach_first(ARRAY_SIZE(calls)) || vms_stop()) {
		pr_emerg("ftrace does not let go; rmmod waits for the next boot, so that the text stays\n");
		/* Returning would free text that vCPUs still run. */
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
