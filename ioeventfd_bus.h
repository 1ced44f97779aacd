/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The notify bus: KVM's per-VM array of ioeventfds for virtio-ccw, with one slot for each
 * ioeventfd. A notification signals one of these ioeventfds. Its cookie names the slot. If
 * the cookie is wrong, the bus is searched.
 */
#ifndef KVM_S390_DIAG_IOEVENTFD_BUS_H
#define KVM_S390_DIAG_IOEVENTFD_BUS_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <kvm/iodev.h>

/* On the bus, a notification is a write of 8 bytes: the virtqueue number. */
#define NOTIFY_LEN	8

/*
 * With preemption disabled, at most this many slots of a subchannel are tried in order. KVM does
 * not limit the number of ioeventfds that a VMM registers for one subchannel.
 */
#define NOTIFY_SCAN_MAX	1024

/**
 * ioeventfd_slot_write - offer a notification to a slot of the same subchannel
 * @vcpu: the vCPU that notifies
 * @slot: the slot, whose address is @schid
 * @schid: subchannel-identification word
 * @queue: virtqueue number, in memory that nobody else can write
 *
 * Returns false for a slot whose length is neither 8 nor 0. For a slot of length 0, only
 * the address is compared. This is the rule of kvm_io_bus_cmp() for a write of 8 bytes.
 * Only the device decides whether the virtqueue matches. All devices on this bus are
 * ioeventfds, which have a write function.
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: true when the slot's ioeventfd has accepted the notification.
 */
static inline bool ioeventfd_slot_write(struct kvm_vcpu *vcpu, const struct kvm_io_range *slot,
					u32 schid, const u64 *queue)
{
	return !(slot->len & ~NOTIFY_LEN) &&
	       !slot->dev->ops->write(vcpu, slot->dev, schid, NOTIFY_LEN, queue);
}

/**
 * ioeventfd_slot_notify - offer a notification to a slot of any subchannel
 * @vcpu: the vCPU that notifies
 * @slot: the slot
 * @schid: subchannel-identification word
 * @queue: virtqueue number, in memory that nobody else can write
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: true when the slot belongs to the subchannel and its ioeventfd has accepted
 * the notification.
 */
static inline bool ioeventfd_slot_notify(struct kvm_vcpu *vcpu, const struct kvm_io_range *slot,
					 u32 schid, const u64 *queue)
{
	/* Keeps the compiler from computing the address again for each field. */
	OPTIMIZER_HIDE_VAR(slot);
	return slot->addr == schid && ioeventfd_slot_write(vcpu, slot, schid, queue);
}

/**
 * ioeventfd_bus_search - search the bus for the ioeventfd, and signal it
 * @vcpu: the vCPU that notifies
 * @bus: the notify bus of its VM
 * @schid: subchannel-identification word, the address on the bus
 * @queue: virtqueue number, in memory that nobody else can write
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: the index of the slot whose ioeventfd was signalled, -EOPNOTSUPP when no
 * ioeventfd accepts the notification, or -EAGAIN when NOTIFY_SCAN_MAX slots of the subchannel
 * were tried and it has more.
 */
long ioeventfd_bus_search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
			  const u64 *queue);

/**
 * ioeventfd_bus_search_all - search without a limit for the number of slots
 * @vcpu: the vCPU that notifies
 * @bus: the notify bus of its VM
 * @schid: subchannel-identification word, the address on the bus
 * @queue: virtqueue number, in memory that nobody else can write
 *
 * Called with kvm->srcu held for reading and preemption enabled.
 *
 * Return: as ioeventfd_bus_search(), but never -EAGAIN.
 */
long ioeventfd_bus_search_all(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
			      const u64 *queue);

/**
 * ioeventfd_bus_notify - signal an ioeventfd on the notify bus
 * @vcpu: the vCPU that notifies
 * @schid: subchannel-identification word, the address on the bus
 * @queue: virtqueue number, all 64 bits as the guest passed them
 * @cookie: the index of the virtqueue's slot on KVM's notify bus. It is a hint from the
 *	guest; any value is allowed
 * @all: search all slots of the subchannel. Only with preemption enabled
 * @searched: the bus was searched, because the cookie was not right
 *
 * Called with kvm->srcu held for reading. Inline, because nearly every notification
 * carries the right cookie.
 *
 * Return: the index of the slot whose ioeventfd was signalled (0 or more; @cookie if the bus
 * was not searched), -EOPNOTSUPP when no ioeventfd accepts the notification, -ENOMEM when
 * the VM has lost its bus. Without @all, -EAGAIN when NOTIFY_SCAN_MAX slots of the subchannel
 * were tried and it has more.
 */
static __always_inline long ioeventfd_bus_notify(struct kvm_vcpu *vcpu, u32 schid, u64 queue,
						 s64 cookie, bool all, bool *searched)
{
	const struct kvm_io_bus *bus;
	unsigned long count, i;

	*searched = false;
	bus = srcu_dereference(vcpu->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], &vcpu->kvm->srcu);
	if (unlikely(!bus))
		return -ENOMEM;

	count = (u32)bus->dev_count;
	/* Unsigned, so that a negative cookie is out of bounds too. */
	if (likely((u64)cookie < count)) {
		i = array_index_nospec((u64)cookie, count);
		if (likely(ioeventfd_slot_notify(vcpu, &bus->range[i], schid, &queue)))
			return cookie;
	}
	*searched = true;
	return all ? ioeventfd_bus_search_all(vcpu, bus, schid, &queue) :
		     ioeventfd_bus_search(vcpu, bus, schid, &queue);
}

#endif /* KVM_S390_DIAG_IOEVENTFD_BUS_H */
