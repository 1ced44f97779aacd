// SPDX-License-Identifier: GPL-2.0-only
/*
 * Occupies kvm_s390_handle_diag() with a kprobe that has a post handler. While this kprobe
 * exists, ftrace refuses a direct call on the function.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static int pre(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}

static void post(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "kvm:kvm_s390_handle_diag",
	.pre_handler = pre,
	.post_handler = post,
};

static int __init occupy_init(void)
{
	return register_kprobe(&probe);
}
module_init(occupy_init);

static void __exit occupy_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(occupy_exit);

MODULE_DESCRIPTION("occupies the function that kvm-s390-diag attaches to, for its tests");
MODULE_LICENSE("GPL");
