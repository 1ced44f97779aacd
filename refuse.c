// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole module on a kernel without ftrace direct calls: it refuses to load.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/module.h>

static int __init refuse_init(void)
{
	pr_err("this kernel has no ftrace direct calls (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS); nothing attached\n");
	return -EOPNOTSUPP;
}
module_init(refuse_init);

MODULE_DESCRIPTION("DIAGNOSE intercept handler for KVM on s390 (kernel without direct calls)");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
