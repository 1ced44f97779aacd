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

static __always_inline struct notification read_notification(const struct kvm_vcpu *vcpu)
{
	return (struct notification){
		.subcode = diag_gpr(vcpu, 1),
		.schid = diag_gpr(vcpu, 2),
		.queue = diag_gpr(vcpu, 3),
		.cookie = diag_gpr(vcpu, 4),
	};
}

/*
 * Returns the outcome. Sets @r2 to the value for register 2, or to -EOPNOTSUPP if userspace
 * has to complete the DIAGNOSE. Unless @all is set, @r2 is -EAGAIN if the subchannel has too
 * many slots to try them with preemption disabled.
 */
static __always_inline enum diag_outcome serve(struct kvm_vcpu *vcpu,
					       const struct notification *n, bool all, s64 *r2)
{
	bool searched;

	*r2 = -EOPNOTSUPP;
	if (n->subcode != KVM_S390_VIRTIO_CCW_NOTIFY)
		return DIAG_OTHER_SUBCODE;
	if (!vcpu->kvm->arch.css_support)
		return DIAG_NO_CSS;

	*r2 = ioeventfd_bus_notify(vcpu, n->schid, n->queue, n->cookie, all, &searched);
	if (searched)
		return *r2 < 0 ? DIAG_NO_DEVICE : DIAG_SERVED_SEARCH;
	return unlikely(*r2 == -ENOMEM) ? DIAG_BUS_GONE : DIAG_SERVED_COOKIE;
}

static __always_inline int answer(struct kvm_run *run, s64 r2, enum diag_outcome outcome)
{
	if (outcome > DIAG_BUS_GONE)
		return r2;
	WRITE_ONCE(run->s.regs.gprs[2], r2);
	return 0;
}

notrace int virtio_ccw_notify(struct kvm_vcpu *vcpu, struct diag_counters *counters)
{
	const struct notification n = read_notification(vcpu);
	struct kvm_run *run = vcpu->run;
	enum diag_outcome outcome;
	s64 r2;

	outcome = serve(vcpu, &n, false, &r2);
	if (unlikely(outcome == DIAG_NO_DEVICE && r2 == -EAGAIN)) {
		preempt_enable();
		return virtio_ccw_notify_slowpath(vcpu);
	}
	vms_count(counters, outcome);
	preempt_enable();
	return answer(run, r2, outcome);
}

int virtio_ccw_notify_slowpath(struct kvm_vcpu *vcpu)
{
	const struct notification n = read_notification(vcpu);
	enum diag_outcome outcome;
	s64 r2;

	outcome = serve(vcpu, &n, true, &r2);
	vms_count_slowpath(vcpu->kvm, outcome);
	trace_kvm_s390_diag(vcpu, DIAG_KVM_VIRTIO, n.subcode, n.schid, n.queue, n.cookie, r2,
			    outcome);
	return answer(vcpu->run, r2, outcome);
}
