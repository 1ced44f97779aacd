// SPDX-License-Identifier: GPL-2.0-only
/*
 * The notify bus: KVM's per-VM array of ioeventfds for virtio-ccw, with one slot for each
 * ioeventfd. KVM replaces the whole array when an ioeventfd is registered or unregistered.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/minmax.h>

#include "ioeventfd_bus.h"

/*
 * The module refers to kvm_put_kvm(), so kvm.ko cannot be removed while the module is loaded.
 * A KVM that is built in cannot be removed anyway. This function was chosen because every
 * kernel that is supported exports it to all modules.
 *
 * On a kernel with CONFIG_MODVERSIONS, the reference has a symbol version that covers
 * struct kvm, its buses and struct kvm_vcpu, so the module does not load beside a KVM with
 * other layouts. A kernel without CONFIG_MODVERSIONS compares only the version magic. The
 * module must then be built for exactly the kernel into which it is loaded.
 */
static const void *const kvm_pin __used = kvm_put_kvm;

static u64 slot_addr(const void *slot)
{
	return ((const struct kvm_io_range *)slot)->addr;
}

/*
 * Returns the first slot whose address is not below @schid, or the last slot if
 * there is none. The bus must have at least one slot. KVM keeps slots of equal
 * length sorted by address. A bus with slots of several lengths may be out of order. On
 * such a bus, this search can miss a slot, and so can KVM's own search.
 *
 * Each step halves a window of slots. The size of the first window is the largest power of
 * two that is not above @count. At first, this window lies at the start of the bus. If the
 * address of its last slot is below @schid, the window is moved to the end of the bus. Offsets
 * are in bytes: a slot is 24 bytes long, and a multiplication by 24 in each step would cost
 * more than the rest of the step.
 */
static __always_inline const struct kvm_io_range *first_slot(const struct kvm_io_bus *bus,
							     unsigned long count, u32 schid)
{
	const unsigned long size = sizeof(struct kvm_io_range);
	const void *slot = bus->range;
	unsigned long step = size << __fls(count);

	if (slot_addr(slot + step - size) < schid)
		slot += count * size - step;
	while ((step >>= 1) >= size)
		if (slot_addr(slot + step - size) < schid)
			slot += step;
	return slot;
}

/*
 * Tries the slots of a subchannel in order: all of them, or the first NOTIFY_SCAN_MAX. @slot is
 * the first one.
 */
static __always_inline long scan(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus,
				 const struct kvm_io_range *slot, const u64 *queue, bool all)
{
	const struct kvm_io_range *end = &bus->range[bus->dev_count];
	const struct kvm_io_range *stop = all ? end : min(end, slot + NOTIFY_SCAN_MAX);
	const u32 schid = slot->addr;

	do {
		if (ioeventfd_slot_write(vcpu, slot, schid, queue))
			return slot - bus->range;
	} while (++slot < stop && slot->addr == schid);

	return slot < end && slot->addr == schid ? -EAGAIN : -EOPNOTSUPP;
}

/* Out of line, so that the search needs a smaller stack frame until the guess has failed. */
static noinline notrace long scan_some(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus,
				       const struct kvm_io_range *slot, const u64 *queue)
{
	return scan(vcpu, bus, slot, queue, false);
}

static noinline long scan_all(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus,
			      const struct kvm_io_range *slot, const u64 *queue)
{
	return scan(vcpu, bus, slot, queue, true);
}

/*
 * Most VMMs register virtqueues in order. The slot of virtqueue n is then n slots after
 * the first slot of its subchannel. This function tries that slot first, and then the
 * slots of the subchannel in order.
 */
static __always_inline long search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
				   const u64 *queue, bool all)
{
	unsigned long count = bus->dev_count, guess;
	const struct kvm_io_range *slot;

	if (!count)
		return -EOPNOTSUPP;
	slot = first_slot(bus, count, schid);
	if (slot->addr != schid)
		return -EOPNOTSUPP;

	/* The sum may wrap around. A guess may name any slot, because the slot is checked. */
	guess = slot - bus->range + *queue;
	if (guess < count) {
		guess = array_index_nospec(guess, count);
		if (ioeventfd_slot_notify(vcpu, &bus->range[guess], schid, queue))
			return guess;
	}
	return all ? scan_all(vcpu, bus, slot, queue) : scan_some(vcpu, bus, slot, queue);
}

notrace long ioeventfd_bus_search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
				  const u64 *queue)
{
	return search(vcpu, bus, schid, queue, false);
}

long ioeventfd_bus_search_all(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
			      const u64 *queue)
{
	return search(vcpu, bus, schid, queue, true);
}
