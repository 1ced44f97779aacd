// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DIAGNOSE intercept handler: decodes the instruction, decides who answers,
 * forwards to userspace, and hands on to KVM's own handler.
 */
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <asm/ptrace.h>

#include "claim.h"
#include "counters.h"
#include "diag.h"
#include "shortcut.h"
#include "trace.h"
#include "virtio_ccw_notify.h"
#include "vms.h"

/* KVM's own handler, at the address that follows the call site of ftrace. */
static int (*kvm_handler)(struct kvm_vcpu *vcpu) __ro_after_init;

void diag_prepare(int (*handler)(struct kvm_vcpu *vcpu))
{
	kvm_handler = handler;
	claim_prepare();
	trace_prepare();
	vms_prepare(DIAG_KVM_VIRTIO, claim_has(DIAG_KVM_VIRTIO));
}

/* The event gets 0 for r1 to r4, because the module has not read these registers. */
static void trace_other(struct kvm_vcpu *vcpu, unsigned int code, s64 result,
			enum diag_outcome outcome)
{
	trace_kvm_s390_diag(vcpu, code, 0, 0, 0, 0, result, outcome);
}

static void account(struct kvm_vcpu *vcpu, unsigned int code, s64 result,
		    enum diag_outcome outcome)
{
	vms_count_slowpath(vcpu->kvm, outcome);
	trace_other(vcpu, code, result, outcome);
}

/* kvm_stat reads these fields. They have the same values as without the module. */
static __always_inline void count_for_kvm(struct kvm_vcpu_stat *stat, unsigned int code)
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

static int forward(struct kvm_vcpu *vcpu, unsigned int code, enum diag_outcome outcome)
{
	trace_kvm(vcpu, code);
	if (code == DIAG_KVM_VIRTIO)
		vcpu->stat.instruction_diagnose_500++;
	else
		count_for_kvm(&vcpu->stat, code);
	account(vcpu, code, -EOPNOTSUPP, outcome);
	return -EOPNOTSUPP;
}

/*
 * Only tail calls lead from diag_intercept() to KVM's handler; Kbuild checks this. Every other
 * function that diag_intercept() enters is tail-called as well, so that diag_intercept() needs
 * no stack frame.
 */
static noinline int dispatch_slowpath(struct kvm_vcpu *vcpu)
{
	unsigned int code = diag_function_code(vcpu);

	if (unlikely(vcpu->arch.sie_block->gpsw.mask & PSW_MASK_PSTATE)) {
		account(vcpu, code, 0, DIAG_PRIVILEGED);
		return kvm_handler(vcpu);
	}
	switch (claim_for_vm(vcpu->kvm, code)) {
	case CLAIM_MODULE:
		trace_kvm(vcpu, code);
		vcpu->stat.instruction_diagnose_500++;
		return virtio_ccw_notify_slowpath(vcpu);
	case CLAIM_USERSPACE:
		return forward(vcpu, code, DIAG_OTHER_CODE);
	case CLAIM_REQUESTED:
		return forward(vcpu, code, DIAG_REQUESTED);
	case CLAIM_KVM:
		break;
	}
	/* KVM counts it. */
	trace_other(vcpu, code, 0, DIAG_LEFT_TO_KVM);
	return kvm_handler(vcpu);
}

/* Called with preemption disabled, and enables it. */
static noinline notrace int leave_fast_path(struct kvm_vcpu *vcpu)
{
	put_cpu_ptr(vms_cache);
	return dispatch_slowpath(vcpu);
}

/* The fast path for a DIAGNOSE that does not notify, while the shortcut is blocked. */
static noinline notrace int dispatch_other(struct kvm_vcpu *vcpu, unsigned int code)
{
	const struct vms_cache *cache = get_cpu_ptr(vms_cache);

	if (unlikely(READ_ONCE(cache->kvm) != vcpu->kvm || cache->has_settings ||
		     atomic_read(READ_ONCE(trace_listeners))))
		return leave_fast_path(vcpu);
	if (cache->seen && claim_has(code)) {
		count_for_kvm(&vcpu->stat, code);
		vms_count(cache->counters, DIAG_OTHER_CODE);
		put_cpu_ptr(vms_cache);
		return -EOPNOTSUPP;
	}
	put_cpu_ptr(vms_cache);
	return kvm_handler(vcpu);
}

/* The functions of the fast path are notrace, which saves an instruction in each of them. */
notrace int diag_intercept(struct kvm_vcpu *vcpu)
{
	const struct kvm_s390_sie_block *sie = vcpu->arch.sie_block;
	/* B2 and D2. Linux uses no base register, so these 16 bits are the function code. */
	unsigned int code = sie->ipb >> 16;
	const struct vms_cache *cache;

	if (unlikely(sie->gpsw.mask & PSW_MASK_PSTATE))
		return dispatch_slowpath(vcpu);
	if (code == DIAG_KVM_VIRTIO) {
		cache = get_cpu_ptr(vms_cache);
		if (unlikely(READ_ONCE(cache->kvm) != vcpu->kvm ||
			     atomic_read(READ_ONCE(trace_listeners))))
			return leave_fast_path(vcpu);
		vcpu->stat.instruction_diagnose_500++;
		return virtio_ccw_notify(vcpu, cache->counters);
	}
	if (unlikely(code & 0xf000))
		return dispatch_slowpath(vcpu);
	if (likely(shortcut_is_open()))
		return kvm_handler(vcpu);
	return dispatch_other(vcpu, code);
}
