// SPDX-License-Identifier: GPL-2.0-only
/*
 * exhaustive SLOTS: calls ioeventfd_bus_notify() for every bus of up to SLOTS slots
 * within the limits below, with every notification, and with cookies inside and outside
 * of the bus. See tests/prove/run.
 *
 * KVM's rules are those of virt/kvm/kvm_main.c and virt/kvm/eventfd.c.
 * AddressSanitizer ends the program at an access outside of the bus.
 */
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <prove.h>
#include "ioeventfd_bus.c"

#define MAX_SLOTS	8
#define HIGH		0x100000000ULL
#define LOWEST		(-0x7fffffffffffffffLL - 1)

/* An ioeventfd of KVM. A wildcard accepts each queue. */
struct device {
	struct kvm_io_device dev;
	u64 addr;
	int len;
	bool wildcard;
	u64 datamatch;
	int index;
};

/* Limits of the buses that are enumerated. */
struct kinds {
	int lengths[4];
	int queues;
	u32 subchannels;
};

static struct device devices[MAX_SLOTS];
static struct kvm vm;
static struct kvm_vcpu vcpu = { .kvm = &vm };
static u64 memory[64];
static struct kvm_io_bus *const bus = (void *)&memory[16];

/* The notification that is being served, and the device that it has signalled. */
static u32 schid;
static u64 queue;
static s64 cookie;
static int signals, signalled;

static unsigned long long buses, notifications, only_kvm, only_module;

void refuted(const char *claim)
{
	printf("does not hold: %s\nschid %u, queue %llu, cookie %lld; %d signals, the last to %d\n",
	       claim, schid, queue, cookie, signals, signalled);
	for (int i = 0; i < bus->dev_count; i++)
		printf("slot %d: address %llu, length %d, queue %lld\n", i, devices[i].addr,
		       devices[i].len, devices[i].wildcard ? -1 : (s64)devices[i].datamatch);
	exit(1);
}

/* KVM's kvm_io_bus_cmp(). */
static int cmp(u64 addr1, int len1, u64 addr2, int len2)
{
	if (addr1 < addr2)
		return -1;
	if (len2) {
		addr1 += len1;
		addr2 += len2;
	}
	return addr1 > addr2;
}

/* KVM's ioeventfd_in_range() for a write of 8 bytes. */
static bool accepts(const struct device *device)
{
	return device->addr == schid &&
	       (!device->len || (device->len == NOTIFY_LEN &&
				 (device->wildcard || device->datamatch == queue)));
}

static int device_write(struct kvm_vcpu *by, struct kvm_io_device *dev, gpa_t addr, int len,
			const void *val)
{
	struct device *device = (struct device *)dev;

	prove(by == &vcpu && addr == schid && len == NOTIFY_LEN && *(u64 *)val == queue,
	      "the device gets the vCPU, the address and the queue of the notification");
	prove(!cmp(schid, NOTIFY_LEN, device->addr, device->len),
	      "only a device that KVM would offer the notification to is offered it");
	if (!accepts(device))
		return -EOPNOTSUPP;
	signals++;
	signalled = device->index;
	return 0;
}

static const struct kvm_io_device_ops ops = { .write = device_write };

/* KVM's ioeventfd_check_collision(). */
static bool collides(const struct device *a, const struct device *b)
{
	return a->addr == b->addr &&
	       (!a->len || !b->len ||
		(a->len == b->len &&
		 (a->wildcard || b->wildcard || a->datamatch == b->datamatch)));
}

/* Gives the bus its size. Nothing around it can be accessed. */
static void resize(int count)
{
	ASAN_POISON_MEMORY_REGION(memory, sizeof(memory));
	ASAN_UNPOISON_MEMORY_REGION(bus, sizeof(*bus) + count * sizeof(*bus->range));
	bus->dev_count = count;
	bus->ioeventfd_count = count;
}

static void slots_of_devices(void)
{
	for (int i = 0; i < bus->dev_count; i++) {
		devices[i].dev.ops = &ops;
		devices[i].index = i;
		bus->range[i] = (struct kvm_io_range) {
			.addr = devices[i].addr,
			.len = devices[i].len,
			.dev = &devices[i].dev,
		};
	}
}

/*
 * KVM's kvm_assign_ioeventfd_idx() and kvm_io_bus_register_dev(). Returns the slot of
 * the new device, or -1 when another one accepts the same notifications.
 */
static int register_device(const struct device *device)
{
	int i, count = bus->dev_count;

	for (i = 0; i < count; i++)
		if (collides(&devices[i], device))
			return -1;
	for (i = 0; i < count; i++)
		if (cmp(devices[i].addr, devices[i].len, device->addr, device->len) > 0)
			break;
	memmove(&devices[i + 1], &devices[i], (count - i) * sizeof(*devices));
	devices[i] = *device;
	resize(count + 1);
	return i;
}

static void unregister_device(int i)
{
	int count = bus->dev_count;

	memmove(&devices[i], &devices[i + 1], (count - 1 - i) * sizeof(*devices));
	resize(count - 1);
}

/* KVM's kvm_io_bus_get_first_dev() and __kvm_io_bus_write(), with bsearch()'s steps. */
static long search_of_kvm(void)
{
	int i = 0, count = bus->dev_count, n = count, rc = 1;

	while (n) {
		int middle = i + n / 2;

		rc = cmp(schid, NOTIFY_LEN, devices[middle].addr, devices[middle].len);
		if (!rc) {
			i = middle;
			break;
		}
		if (rc > 0) {
			i = middle + 1;
			n--;
		}
		n /= 2;
	}
	if (rc)
		return -EOPNOTSUPP;
	while (i > 0 && !cmp(schid, NOTIFY_LEN, devices[i - 1].addr, devices[i - 1].len))
		i--;
	for (; i < count && !cmp(schid, NOTIFY_LEN, devices[i].addr, devices[i].len); i++)
		if (accepts(&devices[i]))
			return i;
	return -EOPNOTSUPP;
}

static long the_one_that_accepts(void)
{
	long one = -EOPNOTSUPP;

	for (int i = 0; i < bus->dev_count; i++) {
		if (!accepts(&devices[i]))
			continue;
		prove(one < 0, "no two devices accept the same notification");
		one = i;
	}
	return one;
}

/*
 * On a bus that is out of order, the search may miss the device. The right cookie still
 * finds it there.
 */
static void notify(long one, bool in_order)
{
	bool searched;
	long rc;

	notifications++;
	signals = 0;
	rc = ioeventfd_bus_notify(&vcpu, schid, queue, cookie, false, &searched);
	prove(searched || rc == cookie, "without a search, the cookie is returned");
	if (rc == one && one >= 0) {
		prove(signals == 1 && signalled == one, "the one that accepts is signalled once");
		if (!in_order && cookie == -1)
			only_module += search_of_kvm() != one;
		return;
	}
	prove(rc == -EOPNOTSUPP, "the index of the one that accepts is returned, or -EOPNOTSUPP");
	prove(!signals, "with -EOPNOTSUPP, nothing is signalled");
	if (one < 0)
		return;
	prove(!in_order && cookie != one, "the one that accepts is found");
	if (cookie == -1)
		only_kvm += search_of_kvm() == one;
}

static void notify_cookies(bool in_order)
{
	static const s64 others[] = { -1, LOWEST, ~LOWEST, HIGH - 1, 0 };
	int count = bus->dev_count;
	long one = the_one_that_accepts();

	for (int i = 0; others[i]; i++) {
		cookie = others[i];
		notify(one, in_order);
	}
	for (int i = 0; i <= count + 1; i++) {
		cookie = i;
		notify(one, in_order);
	}
	for (int i = 0; i <= count; i++) {
		cookie = HIGH + i;
		notify(one, in_order);
	}
}

/* @last: the highest address. Addresses without a device are notified, too. */
static void notify_everything(u32 last, bool in_order)
{
	u64 count = bus->dev_count;

	buses++;
	slots_of_devices();
	for (schid = 0; schid <= last + 1; schid++) {
		for (queue = 0; queue <= count || queue <= 5; queue++)
			notify_cookies(in_order);
		queue = HIGH;
		notify_cookies(in_order);
		queue = HIGH + 1;
		notify_cookies(in_order);
		queue = ~0ULL;
		notify_cookies(in_order);
	}
}

static void enumerate(int missing, const struct kinds *kinds, u32 last, bool ordered);

/* Registers the device, tries every bus with it, and unregisters the device. */
static void enumerate_with(const struct device *device, int missing, const struct kinds *kinds,
			   u32 last, bool ordered)
{
	int i = register_device(device);

	if (i < 0)
		return;
	/* Every bus in order is registered from its first slot to its last. */
	if (!ordered || i == bus->dev_count - 1)
		enumerate(missing - 1, kinds, ordered ? device->addr : last, ordered);
	unregister_device(i);
}

/*
 * Tries every bus that has @missing more devices. @ordered: only buses in order, with
 * addresses 1, 3, 5 ...; otherwise all addresses up to @last in any order.
 */
static void enumerate(int missing, const struct kinds *kinds, u32 last, bool ordered)
{
	u32 from = 1, to = last;

	if (!missing) {
		bool in_order = true;

		for (int i = 1; i < bus->dev_count; i++)
			in_order &= devices[i - 1].addr <= devices[i].addr;
		if (in_order == ordered)
			notify_everything(last, ordered);
		return;
	}
	if (ordered && !last) {
		to = 1;
	} else if (ordered) {
		from = last;
		to = last + 2 < 2 * kinds->subchannels ? last + 2 : last;
	}
	for (u32 addr = from; addr <= to; addr += ordered ? 2 : 1) {
		for (const int *len = kinds->lengths; *len >= 0; len++) {
			struct device device = { .addr = addr, .len = *len, .wildcard = true };

			/* A device of another length never accepts: one queue is enough. */
			if (*len && *len != NOTIFY_LEN) {
				device.wildcard = false;
				device.datamatch = bus->dev_count;
			}
			enumerate_with(&device, missing, kinds, last, ordered);
			if (*len != NOTIFY_LEN)
				continue;
			device.wildcard = false;
			for (int i = 0; i < kinds->queues; i++) {
				device.datamatch = i;
				enumerate_with(&device, missing, kinds, last, ordered);
			}
		}
	}
}

static void buses_in_order(int slots, const struct kinds *kinds)
{
	buses = 0;
	notifications = 0;
	resize(0);
	enumerate(slots, kinds, 0, true);
	printf("%d slots, at most %u subchannels, queues 0 to %d, lengths", slots,
	       kinds->subchannels, kinds->queues - 1);
	for (const int *len = kinds->lengths; *len >= 0; len++)
		printf(" %d", *len);
	printf(": %llu buses, %llu notifications\n", buses, notifications);
}

/* With six slots, all of this takes about ten seconds. */
static void all_buses_in_order(int slots)
{
	const struct kinds few = { { NOTIFY_LEN, 0, 4, -1 }, slots < 5 ? 5 : 4, slots };
	const struct kinds many = { { NOTIFY_LEN, 0, -1 }, 3, slots };
	const struct kinds all_queues = { { NOTIFY_LEN, -1 }, slots, 2 };

	buses_in_order(slots, slots < 6 ? &few : &many);
	if (slots >= 5)
		buses_in_order(slots, &all_queues);
}

static void buses_out_of_order(int slots)
{
	const struct kinds kinds = { { NOTIFY_LEN, 0, 4, -1 }, 1, 0 };

	buses = 0;
	notifications = 0;
	only_kvm = 0;
	only_module = 0;
	resize(0);
	enumerate(slots, &kinds, 10, false);
	printf("%d slots out of order: %llu buses, %llu notifications\n", slots, buses,
	       notifications);
	printf("%d slots out of order, no cookie: only KVM finds %llu, only the module %llu\n",
	       slots, only_kvm, only_module);
}

static void no_bus(void)
{
	bool searched;

	vm.buses[KVM_VIRTIO_CCW_NOTIFY_BUS] = NULL;
	signals = 0;
	for (cookie = -1; cookie <= 1; cookie++)
		prove(ioeventfd_bus_notify(&vcpu, 1, 0, cookie, false, &searched) == -ENOMEM &&
		      !searched && !signals,
		      "without bus, -ENOMEM is returned and nothing is signalled");
	vm.buses[KVM_VIRTIO_CCW_NOTIFY_BUS] = bus;
}

int main(int argc, char **argv)
{
	int slots = argc > 1 ? atoi(argv[1]) : 6;

	if (slots < 0 || slots > MAX_SLOTS)
		return 2;
	resize(0);
	no_bus();
	for (int i = 0; i <= slots; i++)
		all_buses_in_order(i);
	for (int i = 2; i <= slots && i <= 3; i++)
		buses_out_of_order(i);
	return 0;
}
