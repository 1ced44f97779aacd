/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Function code 0x500, and the guest's registers.
 */
#ifndef KVM_S390_DIAG_VIRTIO_CCW_NOTIFY_H
#define KVM_S390_DIAG_VIRTIO_CCW_NOTIFY_H

#include <linux/compiler.h>
#include <linux/kvm_host.h>
#include <linux/types.h>

#include "counters.h"

/* The function code of KVM's hypercalls. KVM has no name for it. */
#define DIAG_KVM_VIRTIO		0x500

/**
 * diag_gpr - read a general register of the guest, once
 * @vcpu: the vCPU that was intercepted
 * @nr: number of the register, 0 to 15
 *
 * The registers are in struct kvm_run, to which userspace can write at any time. The
 * value that was checked must be the value that is used. The caller therefore reads each
 * register once and keeps the value. Called on the thread that runs @vcpu.
 *
 * Return: the value of the register.
 */
static inline u64 diag_gpr(const struct kvm_vcpu *vcpu, unsigned int nr)
{
	return READ_ONCE(vcpu->run->s.regs.gprs[nr]);
}

/**
 * virtio_ccw_notify - handle function code 0x500
 * @vcpu: the vCPU that was intercepted, not in problem state
 * @counters: the counters of its VM on this CPU
 *
 * Reads r1 to r4, for every subcode. r1 is the subcode (64 bits). For subcode 3, the low 32
 * bits of r2 are the subchannel-identification word, r3 is the virtqueue number and r4 the
 * cookie. On completion r2 holds the right cookie or a negative error (virtio 1.x,
 * "Guest->Host Notification" of the channel I/O transport). No other register is written.
 *
 * Counts the outcome. Called on the thread that runs @vcpu, with kvm->srcu held
 * for reading and preemption disabled. Enables preemption. The caller disables preemption to
 * read the per-CPU cache. Preemption stays disabled until the outcome is counted, because a
 * second section would cost instructions. If the search would take long, the slow path begins
 * anew, with preemption enabled.
 *
 * Return: 0 when the DIAGNOSE is complete, -EOPNOTSUPP when userspace has to
 * complete it.
 */
int virtio_ccw_notify(struct kvm_vcpu *vcpu, struct diag_counters *counters);

/**
 * virtio_ccw_notify_slowpath - handle function code 0x500 on the slow path
 * @vcpu: the vCPU that was intercepted, not in problem state
 *
 * Does the same as virtio_ccw_notify(), whether or not this CPU has cached the VM. Counts the
 * outcome and fires the module's trace event. Called on the thread that runs @vcpu, with
 * kvm->srcu held for reading.
 *
 * Return: as virtio_ccw_notify().
 */
int virtio_ccw_notify_slowpath(struct kvm_vcpu *vcpu);

#endif /* KVM_S390_DIAG_VIRTIO_CCW_NOTIFY_H */
