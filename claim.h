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
 * struct claim - the parameter "claim"
 * @all: every function code is claimed
 * @codes: the function codes that are claimed where @all is false
 */
struct claim {
	bool all;
	DECLARE_BITMAP(codes, DIAG_CODES);
};

/*
 * Written only while the parameters are parsed. Hidden, so that no read goes through
 * the global offset table.
 */
extern struct claim claimed __attribute__((visibility("hidden")));

/**
 * claim_has - is this function code in the parameter "claim"?
 * @code: the function code, 0 to 0xffff
 *
 * May be called from any context.
 *
 * Return: true if it is. A code other than 0x500 is claimed for a VM only if
 * claim_for_vm() returns true as well.
 */
static __always_inline bool claim_has(unsigned int code)
{
	return claimed.all || test_bit(code, claimed.codes);
}

/**
 * claim_for_vm - is a function code of the parameter claimed for this VM?
 * @kvm: a VM that cannot be destroyed during the call
 * @code: a function code that claim_has() has returned true for
 *
 * For a VM older than the module, at most 0x500 is claimed, because its guest may
 * rely on KVM's own functions already: Linux probes 0x9c once, at boot, and later
 * issues it without an exception table. Does not sleep.
 *
 * Return: true if it is.
 */
bool claim_for_vm(const struct kvm *kvm, unsigned int code);

/**
 * claim_for_vm_cached - are all function codes of the parameter claimed for this VM?
 * @kvm: a VM that cannot be destroyed during the call
 *
 * Looks only at what this CPU has cached. Does not sleep.
 *
 * Return: true if they are; false if only claim_for_vm() can decide.
 */
static inline bool claim_for_vm_cached(const struct kvm *kvm)
{
	return vms_seen_cached(kvm);
}

#endif /* KVM_S390_DIAG_CLAIM_H */
