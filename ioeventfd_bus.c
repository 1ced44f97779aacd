// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-ccw notify bus of a VM: an array of ioeventfd devices that KVM
 * replaces as a whole when one comes or goes.
 */
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/srcu.h>
#include <kvm/iodev.h>

#include "diag.h"

/* A notification is a write of the 8 bytes of the virtqueue's number. */
#define NOTIFY_LEN	8

/*
 * kvm.ko must stay for as long as this module does, and must be the one whose
 * structures this module was built for. A reference to an export of it gives
 * both: the dependency, and a symbol version that covers struct kvm_vcpu.
 */
static const void *const kvm_pin __used = kvm_io_bus_write;

/*
 * The rule by which kvm_io_bus_cmp() lets a slot answer a write of 8 bytes,
 * for slots of 8 bytes and those of length 0, which match the address alone.
 */
static bool slot_is_for(const struct kvm_io_range *slot, u32 schid)
{
	return slot->addr == schid && (slot->len == NOTIFY_LEN || !slot->len);
}

/* Whether the queue matches is for the device to say, and to nobody else. */
static bool slot_notify(struct kvm_vcpu *vcpu, const struct kvm_io_range *slot,
			u32 schid, const u64 *queue)
{
	return slot_is_for(slot, schid) &&
	       !kvm_iodevice_write(vcpu, slot->dev, schid, NOTIFY_LEN, queue);
}

/*
 * The first slot whose address is not below @schid. KVM keeps the slots sorted
 * by address.
 */
static unsigned long first_slot(const struct kvm_io_bus *bus, unsigned long count, u32 schid)
{
	unsigned long base = 0;

	while (count) {
		unsigned long half = count / 2;

		if (bus->range[base + half].addr < schid) {
			base += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return base;
}

/*
 * Virtqueues are registered in order, so the queue's number leads from the
 * first slot of the subchannel to its own. Where that fails, every slot of the
 * subchannel is asked.
 */
static long search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus,
		   unsigned long count, u32 schid, const u64 *queue)
{
	unsigned long first = first_slot(bus, count, schid);
	unsigned long i;

	if (*queue < count - first) {
		i = array_index_nospec(first + *queue, count);
		if (slot_notify(vcpu, &bus->range[i], schid, queue))
			return i;
	}

	for (i = first; i < count && bus->range[i].addr == schid; i++)
		if (slot_notify(vcpu, &bus->range[i], schid, queue))
			return i;

	return -EOPNOTSUPP;
}

long ioeventfd_bus_notify(struct kvm_vcpu *vcpu, u32 schid, u64 queue, s64 cookie)
{
	const struct kvm_io_bus *bus;
	unsigned long count, i;

	bus = srcu_dereference(vcpu->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], &vcpu->kvm->srcu);
	if (unlikely(!bus))
		return -ENOMEM;

	count = bus->dev_count;
	/* Unsigned, so that a negative cookie is out of bounds as well. */
	if ((u64)cookie < count) {
		i = array_index_nospec((u64)cookie, count);
		if (slot_notify(vcpu, &bus->range[i], schid, &queue))
			return i;
	}

	return search(vcpu, bus, count, schid, &queue);
}
