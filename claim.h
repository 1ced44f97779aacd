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
 * that the code reads the variable without the global offset table.
 */
extern struct claim claimed __attribute__((visibility("hidden")));

/**
 * claim_prepare - block the shortcut if "claim" contains function codes other than 0x500
 *
 * Called after the parameters have been parsed, and before any intercept. See shortcut.h.
 */
void claim_prepare(void);

/**
 * claim_has - does the parameter "claim" contain this function code?
 * @code: the function code, 0 to 0xffff
 *
 * May be called from any context.
 *
 * Return: true if it does. The code is claimed for a VM only if claim_for_vm() does not
 * return CLAIM_KVM.
 */
static __always_inline bool claim_has(unsigned int code)
{
	return claimed.all || test_bit(code, claimed.codes);
}

/**
 * enum claim_who - who answers a function code for one VM
 * @CLAIM_KVM: KVM's own handler
 * @CLAIM_MODULE: the module handles it; 0x500 only
 * @CLAIM_USERSPACE: the module forwards it to userspace, because the parameter claims it
 * @CLAIM_REQUESTED: the module forwards it to userspace, because the VMM has set that
 */
enum claim_who {
	CLAIM_KVM,
	CLAIM_MODULE,
	CLAIM_USERSPACE,
	CLAIM_REQUESTED,
};

/**
 * claim_for_vm - who answers this function code for this VM?
 * @kvm: a VM that cannot be destroyed during the call
 * @code: the function code, 0 to 0xffff
 *
 * What the VMM has set for the VM precedes the parameter "claim". If nothing is set, and the VM is
 * older than the module, no function code other than 0x500 is claimed, because its
 * guest may already rely on KVM's own functions. For example, Linux probes 0x9c once, at boot, and
 * later issues it without an exception table. Does not sleep.
 *
 * Return: who answers.
 */
enum claim_who claim_for_vm(const struct kvm *kvm, unsigned int code);

#endif /* KVM_S390_DIAG_CLAIM_H */
