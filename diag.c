// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DIAGNOSE intercept handler: decodes the instruction, decides who answers,
 * forwards to userspace, and hands on to KVM's own handler.
 */
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <asm/ptrace.h>

#include "claim.h"
#include "counters.h"
#include "diag.h"
#include "trace.h"
#include "virtio_ccw_notify.h"
#include "vms.h"

/* KVM's own handler, at the address behind the call site of ftrace. */
static int (*kvm_handler)(struct kvm_vcpu *vcpu) __ro_after_init;

/*
 * Points to 0 if intercepts may take the fast path. Points to another value while KVM's
 * tracepoint is enabled, and always if the parameter "claim" does not contain 0x500.
 */
static const atomic_t *slow_path __ro_after_init;

void diag_prepare(int (*handler)(struct kvm_vcpu *vcpu))
{
	static const atomic_t always = ATOMIC_INIT(1);
	const atomic_t *kvm_traced = trace_kvm_enable_count();

	kvm_handler = handler;
	slow_path = claim_has(DIAG_KVM_VIRTIO) ? kvm_traced : &always;
}

/* In the event, r1 to r4 are 0, because the module has not read them. */
static void account(struct kvm_vcpu *vcpu, unsigned int code, s64 result,
		    enum diag_outcome outcome)
{
	vms_count(vcpu->kvm, outcome);
	trace_kvm_s390_diag(vcpu, code, 0, 0, 0, 0, result, outcome);
}

/*
 * Only tail calls lead from diag_intercept() to KVM's handler; Kbuild checks this. Rare
 * cases are in functions of their own, which are tail-called as well, so that the fast
 * path needs no stack frame.
 */
static noinline int leave_slowpath(struct kvm_vcpu *vcpu, unsigned int code,
				   enum diag_outcome outcome)
{
	account(vcpu, code, 0, outcome);
	return kvm_handler(vcpu);
}

static __always_inline int leave_to_kvm(struct kvm_vcpu *vcpu, unsigned int code,
					enum diag_outcome outcome)
{
	if (trace_kvm_s390_diag_enabled() || unlikely(!vms_count_cached(vcpu->kvm, outcome)))
		return leave_slowpath(vcpu, code, outcome);
	return kvm_handler(vcpu);
}

/* kvm_stat reads these fields. They have the same values as without the module. */
static void count_for_kvm(struct kvm_vcpu_stat *stat, unsigned int code)
{
	switch (code) {
	case 0x10:
		stat->instruction_diagnose_10++;
		break;
	case 0x44:
		stat->instruction_diagnose_44++;
		break;
	case 0x9c:
		stat->instruction_diagnose_9c++;
		break;
	case 0x258:
		stat->instruction_diagnose_258++;
		break;
	case 0x308:
		stat->instruction_diagnose_308++;
		break;
	default:
		stat->instruction_diagnose_other++;
	}
}

/* Out of line, so that the fast path needs no stack frame. */
static noinline int forward_slowpath(struct kvm_vcpu *vcpu, unsigned int code)
{
	account(vcpu, code, -EOPNOTSUPP, DIAG_OTHER_CODE);
	return -EOPNOTSUPP;
}

static noinline int forward(struct kvm_vcpu *vcpu, unsigned int code)
{
	count_for_kvm(&vcpu->stat, code);
	if (trace_kvm_s390_diag_enabled() ||
	    unlikely(!vms_count_cached(vcpu->kvm, DIAG_OTHER_CODE)))
		return forward_slowpath(vcpu, code);
	return -EOPNOTSUPP;
}

static __always_inline int handle_claimed(struct kvm_vcpu *vcpu, unsigned int code)
{
	if (code != DIAG_KVM_VIRTIO)
		return forward(vcpu, code);

	vcpu->stat.instruction_diagnose_500++;
	return virtio_ccw_notify(vcpu);
}

static noinline int dispatch_slowpath(struct kvm_vcpu *vcpu, unsigned int code)
{
	if (!claim_for_vm(vcpu->kvm, code))
		return leave_slowpath(vcpu, code, DIAG_LEFT_TO_KVM);
	trace_kvm(vcpu, code);
	return handle_claimed(vcpu, code);
}

int diag_intercept(struct kvm_vcpu *vcpu)
{
	const struct kvm_s390_sie_block *sie = vcpu->arch.sie_block;
	unsigned int code;

	if (unlikely(sie->gpsw.mask & PSW_MASK_PSTATE))
		return leave_to_kvm(vcpu, diag_function_code(vcpu), DIAG_PRIVILEGED);

	/* Linux uses no base register: B2 is 0, so these 16 bits are the function code. */
	if (likely(sie->ipb >> 16 == DIAG_KVM_VIRTIO && !atomic_read(slow_path)))
		return handle_claimed(vcpu, DIAG_KVM_VIRTIO);

	code = diag_function_code(vcpu);
	if (!claim_has(code))
		return leave_to_kvm(vcpu, code, DIAG_LEFT_TO_KVM);
	if (unlikely(atomic_read(slow_path) || !claim_for_vm_cached(vcpu->kvm)))
		return dispatch_slowpath(vcpu, code);
	return handle_claimed(vcpu, code);
}
