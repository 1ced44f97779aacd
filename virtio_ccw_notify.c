// SPDX-License-Identifier: GPL-2.0-only
/*
 * Function code 0x500: KVM's hypercalls for virtio. Subcode 3, the virtio-ccw
 * notification, is served here.
 */
#include <linux/errno.h>
#include <asm/virtio-ccw.h>

#include "counters.h"
#include "ioeventfd_bus.h"
#include "trace.h"
#include "virtio_ccw_notify.h"
#include "vms.h"

/**
 * struct notification - the guest's parameters, each read once
 * @subcode: r1
 * @schid: subchannel-identification word, the low 32 bits of r2
 * @queue: virtqueue number, r3
 * @cookie: r4
 */
struct notification {
	u64 subcode;
	u32 schid;
	u64 queue;
	s64 cookie;
};

static __always_inline void account(struct kvm_vcpu *vcpu, const struct notification *n,
				    s64 result, enum diag_outcome outcome)
{
	vms_count(vcpu->kvm, outcome);
	trace_kvm_s390_diag(vcpu, DIAG_KVM_VIRTIO, n->subcode, n->schid, n->queue, n->cookie,
			    result, outcome);
}

static __always_inline int forward_as(struct kvm_vcpu *vcpu, const struct notification *n,
				      enum diag_outcome outcome)
{
	account(vcpu, n, -EOPNOTSUPP, outcome);
	return -EOPNOTSUPP;
}

static __always_inline int complete_as(struct kvm_vcpu *vcpu, const struct notification *n,
				       s64 r2, enum diag_outcome outcome)
{
	WRITE_ONCE(vcpu->run->s.regs.gprs[2], r2);
	account(vcpu, n, r2, outcome);
	return 0;
}

int virtio_ccw_notify(struct kvm_vcpu *vcpu)
{
	const struct notification n = {
		.subcode = diag_gpr(vcpu, 1),
		.schid = diag_gpr(vcpu, 2),
		.queue = diag_gpr(vcpu, 3),
		.cookie = diag_gpr(vcpu, 4),
	};
	s64 slot;

	if (n.subcode != KVM_S390_VIRTIO_CCW_NOTIFY)
		return forward_as(vcpu, &n, DIAG_OTHER_SUBCODE);
	if (!vcpu->kvm->arch.css_support)
		return forward_as(vcpu, &n, DIAG_NO_CSS);

	slot = ioeventfd_bus_notify(vcpu, n.schid, n.queue, n.cookie);
	if (likely(slot == n.cookie) && slot >= 0)
		return complete_as(vcpu, &n, slot, DIAG_SERVED_COOKIE);
	if (slot >= 0)
		return complete_as(vcpu, &n, slot, DIAG_SERVED_SEARCH);
	if (slot == -EOPNOTSUPP)
		return forward_as(vcpu, &n, DIAG_NO_DEVICE);
	return complete_as(vcpu, &n, slot, DIAG_BUS_GONE);
}
