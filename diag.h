/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DIAGNOSE intercept handler.
 */
#ifndef KVM_S390_DIAG_H
#define KVM_S390_DIAG_H

#include <linux/compiler.h>
#include <linux/kvm_host.h>
#include <linux/types.h>

#include "virtio_ccw_notify.h"

/**
 * diag_function_code - decode the RS-a operand of the intercepted DIAGNOSE
 * @vcpu: the vCPU that was intercepted; its SIE block holds the instruction
 *
 * The function code is in bits 48-63 of the second-operand address; the other bits
 * are ignored. If B2 is 0, there is no base register (Principles of Operation,
 * "Address Generation"). Called on the thread that runs @vcpu.
 *
 * Return: the function code, 0 to 0xffff.
 */
static inline unsigned int diag_function_code(const struct kvm_vcpu *vcpu)
{
	/* B2 and D2. Without a base, D2 alone is the address. */
	u32 operand = vcpu->arch.sie_block->ipb >> 16;

	if (unlikely(operand & 0xf000))
		operand = (operand & 0xfff) + diag_gpr(vcpu, operand >> 12);
	return operand & 0xffff;
}

/**
 * diag_prepare - set the variables that diag_intercept() reads
 * @handler: KVM's own handler, at the address that follows the call site of ftrace
 *
 * Called after the parameters have been parsed and before diag_intercept() is attached.
 * May sleep.
 */
void diag_prepare(int (*handler)(struct kvm_vcpu *vcpu));

/**
 * diag_intercept - handle a DIAGNOSE intercept in place of kvm_s390_handle_diag()
 * @vcpu: the vCPU that was intercepted
 *
 * This is the target of an ftrace direct call on kvm_s390_handle_diag(). It is entered with
 * the argument and the return address of the original call. KVM's handler answers the DIAGNOSE
 * if the function code is not claimed for the VM, if the VMM has set it to the kernel, or if the
 * guest is in problem state. That handler may sleep.
 *
 * Called on the thread that runs @vcpu. KVM holds kvm->srcu for reading around
 * every intercept handler.
 *
 * Return: 0 when the DIAGNOSE is complete, -EOPNOTSUPP when userspace has to
 * complete it, or the return value of KVM's handler.
 */
int diag_intercept(struct kvm_vcpu *vcpu);

#endif /* KVM_S390_DIAG_H */
