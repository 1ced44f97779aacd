/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shortcut to KVM's own handler, for function codes other than 0x500.
 */
#ifndef KVM_S390_DIAG_SHORTCUT_H
#define KVM_S390_DIAG_SHORTCUT_H

#include <linux/atomic.h>
#include <linux/types.h>

/*
 * The number of reasons to examine a DIAGNOSE whose function code is not 0x500. While it is 0,
 * diag_intercept() jumps to KVM's own handler at once. These are the reasons:
 *
 * - The parameter "claim" contains such a code.
 * - The module's trace event is enabled.
 * - A VM has settings of its own. Each such VM is a reason.
 *
 * KVM's trace event is not a reason, because KVM's own handler fires it.
 */
extern atomic_t shortcut_obstacles __attribute__((visibility("hidden")));

/**
 * shortcut_block - add a reason to examine each DIAGNOSE
 *
 * An intercept that has already begun may still take the shortcut. May be called from any
 * context.
 */
static inline void shortcut_block(void)
{
	atomic_inc(&shortcut_obstacles);
}

/**
 * shortcut_unblock - remove a reason that shortcut_block() has added
 *
 * May be called from any context.
 */
static inline void shortcut_unblock(void)
{
	atomic_dec(&shortcut_obstacles);
}

/**
 * shortcut_is_open - may a DIAGNOSE go to KVM's own handler at once?
 *
 * May be called from any context.
 *
 * Return: true if there is no reason to examine a DIAGNOSE whose function code is not 0x500.
 */
static __always_inline bool shortcut_is_open(void)
{
	return !atomic_read(&shortcut_obstacles);
}

#endif /* KVM_S390_DIAG_SHORTCUT_H */
