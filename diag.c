// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a claimed DIAGNOSE comes to that is not served in the kernel.
 */
#include "diag.h"
#include "trace.h"

/* kvm_stat reads these: they count what arrives, whoever answers it. */
static void count_for_kvm(struct kvm_vcpu_stat *stat, unsigned int code)
{
	switch (code) {
	case DIAG_RELEASE_PAGES:
		stat->instruction_diagnose_10++;
		break;
	case DIAG_YIELD:
		stat->instruction_diagnose_44++;
		break;
	case DIAG_YIELD_DIRECTED:
		stat->instruction_diagnose_9c++;
		break;
	case DIAG_PAGE_REF:
		stat->instruction_diagnose_258++;
		break;
	case DIAG_IPL:
		stat->instruction_diagnose_308++;
		break;
	default:
		stat->instruction_diagnose_other++;
	}
}

/* Apart, for the plain way needs no stack frame then. */
static noinline int forward_slowly(struct kvm_vcpu *vcpu, unsigned int code)
{
	diag_count(vcpu->kvm, DIAG_OTHER_CODE);
	trace_kvm_s390_diag(vcpu, code, 0, 0, 0, 0, -EOPNOTSUPP, DIAG_OTHER_CODE);
	return -EOPNOTSUPP;
}

int diag_forward(struct kvm_vcpu *vcpu, unsigned int code)
{
	count_for_kvm(&vcpu->stat, code);
	if (trace_kvm_s390_diag_enabled() ||
	    unlikely(!diag_count_known(vcpu->kvm, DIAG_OTHER_CODE)))
		return forward_slowly(vcpu, code);
	return -EOPNOTSUPP;
}
