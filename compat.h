/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between kernel versions, and nothing else.
 */
#ifndef KVM_S390_DIAG_COMPAT_H
#define KVM_S390_DIAG_COMPAT_H

#include <linux/ftrace.h>
#include <linux/version.h>

/*
 * Returns the first argument of the traced function. The kernel's own
 * ftrace_regs_get_argument() calls a function that 6.12 does not export.
 */
static inline unsigned long compat_ftrace_arg0(struct ftrace_regs *fregs)
{
#ifdef arch_ftrace_regs
	return arch_ftrace_regs(fregs)->regs.gprs[2];
#else
	return fregs->regs.gprs[2];
#endif
}

/* Up to 6.3 a direct call is registered by address, since 6.4 with an ftrace_ops. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
static inline int compat_direct_attach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	return register_ftrace_direct(ip, addr);
}

static inline int compat_direct_detach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	return unregister_ftrace_direct(ip, addr);
}
#else
static inline int compat_direct_attach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	int rc = ftrace_set_filter_ip(ops, ip, 0, 1);

	if (!rc)
		rc = register_ftrace_direct(ops, addr);
	if (rc)
		ftrace_free_filter(ops);
	return rc;
}

static inline int compat_direct_detach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	return unregister_ftrace_direct(ops, addr, true);
}
#endif

#endif /* KVM_S390_DIAG_COMPAT_H */
