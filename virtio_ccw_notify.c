// SPDX-License-Identifier: GPL-2.0-only
/*
 * Function code 0x500: KVM virtio functions, of which subcode 3, the
 * virtio-ccw notification, is served here.
 */
#include <linux/errno.h>
#include <asm/virtio-ccw.h>

#include "diag.h"

static int forward_as(struct kvm_vcpu *vcpu, enum diag_outcome outcome)
{
	diag_count(vcpu->kvm, outcome);
	return -EOPNOTSUPP;
}

static int complete_as(struct kvm_vcpu *vcpu, s64 r2, enum diag_outcome outcome)
{
	WRITE_ONCE(vcpu->run->s.regs.gprs[2], r2);
	diag_count(vcpu->kvm, outcome);
	return 0;
}

int virtio_ccw_notify(struct kvm_vcpu *vcpu)
{
	s64 cookie, slot;

	if (diag_gpr(vcpu, 1) != KVM_S390_VIRTIO_CCW_NOTIFY)
		return forward_as(vcpu, DIAG_OTHER_SUBCODE);
	if (!vcpu->kvm->arch.css_support)
		return forward_as(vcpu, DIAG_NO_CSS);

	cookie = diag_gpr(vcpu, 4);
	slot = ioeventfd_bus_notify(vcpu, diag_gpr(vcpu, 2), diag_gpr(vcpu, 3), cookie);
	if (likely(slot == cookie) && slot >= 0)
		return complete_as(vcpu, slot, DIAG_SERVED_COOKIE);
	if (slot >= 0)
		return complete_as(vcpu, slot, DIAG_SERVED_SEARCH);
	if (slot == -EOPNOTSUPP)
		return forward_as(vcpu, DIAG_NO_DEVICE);
	return complete_as(vcpu, slot, DIAG_BUS_GONE);
}
