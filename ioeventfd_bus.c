// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-ccw notify bus of a VM: an array of ioeventfd devices that KVM
 * replaces as a whole when one comes or goes.
 */
#include <linux/bitops.h>

#include "diag.h"

/*
 * kvm.ko must stay for as long as this module does, and must be the one whose
 * structures this module was built for. A reference to an export of it gives
 * both: the dependency, and a symbol version that covers struct kvm_vcpu.
 */
static const void *const kvm_pin __used = kvm_io_bus_write;

#define ADDR(slot) (((const struct kvm_io_range *)(slot))->addr)

/*
 * The first slot whose address is not below @schid, or the last one where there is
 * none. KVM keeps slots of one length sorted by address; among others of length 0
 * it may not find its own either. At least one slot must be there.
 *
 * A step halves a window whose size is a power of two, the first of which is either
 * end of the bus. Sizes are in bytes: a slot is 24 of them, and to make an address
 * of its number in each step would take longer than the rest of the step.
 */
static const struct kvm_io_range *first_slot(const struct kvm_io_bus *bus, unsigned long count,
					     u32 schid)
{
	const unsigned long size = sizeof(struct kvm_io_range);
	const void *slot = bus->range;
	unsigned long step = size << __fls(count);

	if (ADDR(slot + step - size) < schid)
		slot += count * size - step;
	while ((step >>= 1) >= size)
		if (ADDR(slot + step - size) < schid)
			slot += step;
	return slot;
}

/*
 * Virtqueues are registered in order, so the queue's number leads from the first
 * slot of the subchannel to its own. Where that fails, every slot of the
 * subchannel is asked.
 */
long ioeventfd_bus_search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
			  const u64 *queue)
{
	const struct kvm_io_range *slot, *end;
	unsigned long count = bus->dev_count;
	unsigned long size, guess;

	if (!count)
		return -EOPNOTSUPP;
	slot = first_slot(bus, count, schid);
	end = &bus->range[count];
	if (slot->addr != schid)
		return -EOPNOTSUPP;

	/*
	 * In bytes, as above. The queue is bounded by itself as well, or what is
	 * guessed in vain speculation might lie across slots.
	 */
	size = (void *)end - (void *)bus->range;
	if (*queue < count) {
		guess = (void *)&slot[array_index_nospec(*queue, count)] - (void *)bus->range;
		if (guess < size) {
			const struct kvm_io_range *guessed;

			guessed = (void *)bus->range + array_index_nospec(guess, size);
			if (ioeventfd_slot_notify(vcpu, guessed, schid, queue))
				return guessed - bus->range;
		}
	}

	do {
		if (ioeventfd_slot_write(vcpu, slot, schid, queue))
			return slot - bus->range;
	} while (++slot < end && slot->addr == schid);

	return -EOPNOTSUPP;
}
