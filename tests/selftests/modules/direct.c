// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets an ftrace direct call on kvm_s390_handle_diag(), as a BPF program of type fentry
 * does, and counts the calls. Refuses to load when the kernel refuses the direct call.
 */
#include <linux/atomic.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "compat.h"

static atomic_long_t calls;
static unsigned long handler_ip;

static int direct_called(struct kvm_vcpu *vcpu)
{
	int (*handler)(struct kvm_vcpu *vcpu);

	atomic_long_inc(&calls);
	handler = (void *)(handler_ip + MCOUNT_INSN_SIZE);
	return handler(vcpu);
}

static int calls_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&calls));
}

static const struct kernel_param_ops calls_ops = {
	.get = calls_get,
};
module_param_cb(calls, &calls_ops, NULL, 0444);

static struct ftrace_ops direct_ops;

static int __init direct_init(void)
{
	struct kprobe kp = {
		.symbol_name = "kvm_s390_handle_diag",
		.flags = KPROBE_FLAG_DISABLED,
	};
	int rc = register_kprobe(&kp);

	if (rc)
		return rc;
	unregister_kprobe(&kp);
	handler_ip = (unsigned long)kp.addr;
	return compat_direct_attach(&direct_ops, handler_ip, (unsigned long)direct_called);
}
module_init(direct_init);

static void __exit direct_exit(void)
{
	WARN_ON(compat_direct_detach(&direct_ops, handler_ip, (unsigned long)direct_called));
	synchronize_rcu_tasks();
}
module_exit(direct_exit);

MODULE_DESCRIPTION("occupies KVM's DIAGNOSE handler as a BPF program does, for tests");
MODULE_LICENSE("GPL");
