// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and unloads the module: finds KVM's functions, and sets and removes the
 * ftrace direct call on kvm_s390_handle_diag() that leads every DIAGNOSE intercept
 * of every VM to diag_intercept().
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
#include "diag.h"
#include "vms.h"

/* Address of kvm_s390_handle_diag(), whose first instruction ftrace patches. */
static unsigned long handler_ip __ro_after_init;

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

static int __init resolve_all(struct vms_hooks *hooks)
{
	int rc;

	rc = resolve("kvm_s390_handle_diag", &handler_ip);
	if (!rc)
		rc = resolve("kvm_arch_init_vm", &hooks->init_vm);
	if (!rc)
		rc = resolve("kvm_arch_destroy_vm", &hooks->destroy_vm);
	/* Not every KVM has this one. */
	hooks->create_vm_debugfs = find_symbol("kvm_arch_create_vm_debugfs");
	return rc;
}

static struct ftrace_ops direct_ops;

static int __init attach_handler(void)
{
	int rc = compat_direct_attach(&direct_ops, handler_ip, (unsigned long)diag_intercept);

	if (rc == -EBUSY)
		pr_err("kvm_s390_handle_diag() is taken by another direct call (a BPF fentry program), a livepatch or a kprobe with a post handler; remove that and load again\n");
	else if (rc)
		pr_err("ftrace does not let kvm_s390_handle_diag() be replaced (error %d); nothing attached\n",
		       rc);
	return rc;
}

/*
 * The grace period ends when every task has slept, or has been in userspace or idle. The
 * code that handles intercepts never sleeps, so no task is in it any more. A task that
 * sleeps in KVM's handler has no return address into the module on its stack.
 */
static int detach_handler(void)
{
	int rc = compat_direct_detach(&direct_ops, handler_ip, (unsigned long)diag_intercept);

	if (!rc)
		synchronize_rcu_tasks();
	return rc;
}

static int __init diag_init(void)
{
	struct vms_hooks hooks;
	int rc;

	rc = resolve_all(&hooks);
	if (rc)
		return rc;
	diag_prepare((void *)(handler_ip + MCOUNT_INSN_SIZE));

	rc = counters_start();
	if (rc)
		return rc;

	/*
	 * Must precede attach_handler(). While the hooks of vms.c are registered,
	 * kernel.ftrace_enabled cannot become 0, so -EBUSY then means that the function
	 * is taken.
	 */
	rc = vms_start(&hooks);
	if (rc) {
		if (rc != -ENOMEM)
			pr_err("ftrace cannot be used (error %d), most likely because kernel.ftrace_enabled is 0; set it to 1 and load again\n",
			       rc);
		goto stop_counters;
	}
	rc = attach_handler();
	if (rc)
		goto stop_vms;
	vms_record();
	counters_show();
	pr_info("attached to KVM's DIAGNOSE handler\n");
	return 0;

stop_vms:
	if (vms_stop()) {
		/* ftrace shut itself off after vms_start(), and may still call the module. */
		pr_emerg("ftrace does not let go; the module stays in memory until the next boot\n");
		__module_get(THIS_MODULE);
		return 0;
	}
stop_counters:
	counters_stop();
	return rc;
}
module_init(diag_init);

static void __exit diag_exit(void)
{
	if (detach_handler() || vms_stop()) {
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
