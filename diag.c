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

/* KVM's own handler, at the address that follows the call site of ftrace. */
static int (*kvm_handler)(struct kvm_vcpu *vcpu) __ro_after_init;

void diag_prepare(int (*handler)(struct kvm_vcpu *vcpu))
{
	kvm_handler = handler;
	trace_prepare();
	vms_prepare(DIAG_KVM_VIRTIO, claim_has(DIAG_KVM_VIRTIO));
}

/* The event gets 0 for r1 to r4, because the module has not read these registers. */
static void account(struct kvm_vcpu *vcpu, unsigned int code, s64 result,
		    enum diag_outcome outcome)
{
	vms_count_slowpath(vcpu->kvm, outcome);
	trace_kvm_s390_diag(vcpu, code, 0, 0, 0, 0, result, outcome);
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
	case DIAG_KVM_VIRTIO:
		stat->instruction_diagnose_500++;
		break;
	default:
		stat->instruction_diagnose_other++;
	}
}

/*
 * Only tail calls lead from diag_intercept() to KVM's handler; Kbuild checks this. The
 * slow path is a function of its own, which is tail-called as well, so that the fast path
 * needs no stack frame.
 */
static noinline int dispatch_slowpath(struct kvm_vcpu *vcpu)
{
	enum diag_outcome outcome = DIAG_LEFT_TO_KVM;
	unsigned int code = diag_function_code(vcpu);

	if (unlikely(vcpu->arch.sie_block->gpsw.mask & PSW_MASK_PSTATE)) {
		outcome = DIAG_PRIVILEGED;
		goto kvm;
	}
	switch (claim_for_vm(vcpu->kvm, code)) {
	case CLAIM_MODULE:
		trace_kvm(vcpu, code);
		vcpu->stat.instruction_diagnose_500++;
		return virtio_ccw_notify_slowpath(vcpu);
	case CLAIM_USERSPACE:
		outcome = DIAG_OTHER_CODE;
		break;
	case CLAIM_REQUESTED:
		outcome = DIAG_REQUESTED;
		break;
	case CLAIM_KVM:
		goto kvm;
	}
	trace_kvm(vcpu, code);
	count_for_kvm(&vcpu->stat, code);
	account(vcpu, code, -EOPNOTSUPP, outcome);
	return -EOPNOTSUPP;

kvm:
	account(vcpu, code, 0, outcome);
	return kvm_handler(vcpu);
}

/* Called with preemption disabled, and enables it. */
static noinline int forward(struct kvm_vcpu *vcpu, unsigned int code,
			    struct diag_counters *counters)
{
	count_for_kvm(&vcpu->stat, code);
	vms_count(counters, DIAG_OTHER_CODE);
	preempt_enable();
	return -EOPNOTSUPP;
}

int diag_intercept(struct kvm_vcpu *vcpu)
{
	const struct kvm_s390_sie_block *sie = vcpu->arch.sie_block;
	/* B2 and D2. Linux uses no base register, so these 16 bits are the function code. */
	unsigned int code = sie->ipb >> 16;
	const struct vms_cache *cache;

	if (unlikely(sie->gpsw.mask & PSW_MASK_PSTATE))
		return dispatch_slowpath(vcpu);
	cache = get_cpu_ptr(vms_cache);
	if (unlikely(code & 0xf000 || READ_ONCE(cache->kvm) != vcpu->kvm ||
		     atomic_read(READ_ONCE(trace_listeners))))
		goto slowpath;
	if (likely(code == DIAG_KVM_VIRTIO)) {
		vcpu->stat.instruction_diagnose_500++;
		return virtio_ccw_notify(vcpu, cache->counters);
	}
	if (unlikely(cache->has_settings))
		goto slowpath;
	if (cache->seen && claim_has(code))
		return forward(vcpu, code, cache->counters);
	vms_count(cache->counters, DIAG_LEFT_TO_KVM);
	put_cpu_ptr(vms_cache);
	return kvm_handler(vcpu);

slowpath:
	put_cpu_ptr(vms_cache);
	return dispatch_slowpath(vcpu);
}
