// SPDX-License-Identifier: GPL-2.0-only
/*
 * Function code 0x500: KVM virtio functions, of which subcode 3, the
 * virtio-ccw notification, is served here.
 */
#include <linux/errno.h>
#include <asm/virtio-ccw.h>

#include "diag.h"

enum diag_outcome virtio_ccw_notify(struct kvm_vcpu *vcpu)
{
	s64 cookie, slot;

	if (diag_gpr(vcpu, 1) != KVM_S390_VIRTIO_CCW_NOTIFY)
		return DIAG_OTHER_SUBCODE;
	if (!vcpu->kvm->arch.css_support)
		return DIAG_NO_CSS;

	cookie = diag_gpr(vcpu, 4);
	slot = ioeventfd_bus_notify(vcpu, diag_gpr(vcpu, 2), diag_gpr(vcpu, 3), cookie);
	if (slot == -EOPNOTSUPP)
		return DIAG_NO_DEVICE;

	WRITE_ONCE(vcpu->run->s.regs.gprs[2], slot);
	if (slot < 0)
		return DIAG_BUS_GONE;
	return slot == cookie ? DIAG_SERVED_COOKIE : DIAG_SERVED_SEARCH;
}
