/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between kernels, and nothing else. Each difference is detected by what
 * the kernel has, because distributions add newer interfaces to kernels with lower version
 * numbers.
 */
#ifndef KVM_S390_DIAG_COMPAT_H
#define KVM_S390_DIAG_COMPAT_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/ftrace.h>
#include <linux/preempt.h>
#include <linux/srcu.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

/*
 * Returns the first argument of the traced function. The kernel's own
 * ftrace_regs_get_argument() calls a function that not every kernel exports.
 */
static inline unsigned long compat_ftrace_arg0(struct ftrace_regs *fregs)
{
#ifdef arch_ftrace_regs
	return arch_ftrace_regs(fregs)->regs.gprs[2];
#else
	return fregs->regs.gprs[2];
#endif
}

/*
 * Depending on the kernel, a direct call is registered by the address of the call site, or
 * with an ftrace_ops whose filter contains that address.
 */
#define COMPAT_DIRECT_BY_IP \
	(__same_type(register_ftrace_direct, int (unsigned long, unsigned long)) && \
	 __same_type(unregister_ftrace_direct, int (unsigned long, unsigned long)))
#define COMPAT_DIRECT_BY_OPS \
	(__same_type(register_ftrace_direct, int (struct ftrace_ops *, unsigned long)) && \
	 __same_type(unregister_ftrace_direct, \
		     int (struct ftrace_ops *, unsigned long, bool)))
static_assert(COMPAT_DIRECT_BY_IP || COMPAT_DIRECT_BY_OPS,
	      "kvm-s390-diag lacks the types of this kernel's ftrace direct calls");

/* One of the two pointers is NULL, because its type does not fit. It is never called. */
static inline int compat_direct_attach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	int (*by_ip)(unsigned long ip, unsigned long addr);
	int (*by_ops)(struct ftrace_ops *ops, unsigned long addr);
	int rc;

	by_ip = __builtin_choose_expr(COMPAT_DIRECT_BY_IP, register_ftrace_direct, NULL);
	by_ops = __builtin_choose_expr(COMPAT_DIRECT_BY_OPS, register_ftrace_direct, NULL);
	if (COMPAT_DIRECT_BY_IP)
		return by_ip(ip, addr);
	rc = ftrace_set_filter_ip(ops, ip, 0, 1);
	if (!rc)
		rc = by_ops(ops, addr);
	if (rc)
		ftrace_free_filter(ops);
	return rc;
}

static inline int compat_direct_detach(struct ftrace_ops *ops, unsigned long ip,
				       unsigned long addr)
{
	int (*by_ip)(unsigned long ip, unsigned long addr);
	int (*by_ops)(struct ftrace_ops *ops, unsigned long addr, bool free_filters);

	by_ip = __builtin_choose_expr(COMPAT_DIRECT_BY_IP, unregister_ftrace_direct, NULL);
	by_ops = __builtin_choose_expr(COMPAT_DIRECT_BY_OPS, unregister_ftrace_direct, NULL);
	return COMPAT_DIRECT_BY_IP ? by_ip(ip, addr) : by_ops(ops, addr, true);
}

/*
 * Keeps the probes of all tracepoints from being freed, with the guard that the kernel's own
 * trace_*() functions take. Only the text of a header shows which guard that is, so
 * scripts/probe.mk reads that header. The return value is for compat_probes_unlock().
 */
static inline void __percpu *compat_probes_lock(void)
{
#ifdef COMPAT_PROBES_SRCU_FAST
	return srcu_read_lock_fast_notrace(&tracepoint_srcu);
#else
	preempt_disable_notrace();
	return NULL;
#endif
}

static inline void compat_probes_unlock(void __percpu *lock)
{
#ifdef COMPAT_PROBES_SRCU_FAST
	srcu_read_unlock_fast_notrace(&tracepoint_srcu, lock);
#else
	preempt_enable_notrace();
#endif
}

#endif /* KVM_S390_DIAG_COMPAT_H */
