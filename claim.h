/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which function codes the module claims, and for which VMs.
 */
#ifndef KVM_S390_DIAG_CLAIM_H
#define KVM_S390_DIAG_CLAIM_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/kvm_host.h>

#include "vms.h"

/* Function codes have 16 bits. */
#define DIAG_CODES	0x10000

/**
 * struct claim - the function codes that the parameter "claim" contains
 * @all: it contains every function code
 * @codes: the function codes that it contains if @all is false
 */
struct claim {
	bool all;
	DECLARE_BITMAP(codes, DIAG_CODES);
};

/*
 * Written only when the parameters of the module are parsed. The visibility is hidden, so
 * that the compiler reads it without the global offset table.
 */
extern struct claim claimed __attribute__((visibility("hidden")));

/**
 * claim_has - does the parameter "claim" contain this function code?
 * @code: the function code, 0 to 0xffff
 *
 * May be called from any context.
 *
 * Return: true if it does. The code is claimed for a VM only if claim_for_vm() returns
 * true as well.
 */
static __always_inline bool claim_has(unsigned int code)
{
	return claimed.all || test_bit(code, claimed.codes);
}

/**
 * claim_for_vm - is this function code claimed for this VM?
 * @kvm: a VM that cannot be destroyed during the call
 * @code: a function code for which claim_has() has returned true
 *
 * For a VM older than the module, at most 0x500 is claimed, because its guest may
 * already rely on KVM's own functions. For example, Linux probes 0x9c once, at boot, and
 * later issues it without an exception table. Does not sleep.
 *
 * Return: true if it is.
 */
bool claim_for_vm(const struct kvm *kvm, unsigned int code);

/**
 * claim_for_vm_cached - is everything that "claim" contains claimed for this VM?
 * @kvm: a VM that cannot be destroyed during the call
 *
 * Reads only the cache of this CPU. Does not sleep.
 *
 * Return: true if it is; false if only claim_for_vm() can decide.
 */
static inline bool claim_for_vm_cached(const struct kvm *kvm)
{
	return vms_seen_cached(kvm);
}

#endif /* KVM_S390_DIAG_CLAIM_H */
