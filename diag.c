// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dispatch of a claimed DIAGNOSE by its function code.
 */
#include <linux/errno.h>

#include "diag.h"

/* kvm_stat reads these: they count what arrives, whoever answers it. */
static void count_for_kvm(struct kvm_vcpu_stat *stat, u16 code)
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

int diag_handle(struct kvm_vcpu *vcpu, u16 code)
{
	enum diag_outcome outcome;

	if (code == DIAG_KVM_VIRTIO) {
		vcpu->stat.instruction_diagnose_500++;
		outcome = virtio_ccw_notify(vcpu);
	} else {
		count_for_kvm(&vcpu->stat, code);
		outcome = DIAG_OTHER_CODE;
	}
	diag_count(outcome);

	return outcome <= DIAG_BUS_GONE ? 0 : -EOPNOTSUPP;
}
