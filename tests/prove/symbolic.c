// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search and the cookie check for CBMC, on a bus of PROVE_SLOTS slots. All bits of
 * the subchannel-identification word, the queue, the cookie, each address and each length
 * are free. See tests/prove/run.
 */
#include <prove.h>
#include "ioeventfd_bus.c"

/* A device of the bus. At most one accepts the notification. */
struct device {
	struct kvm_io_device dev;
	bool may_be_offered;
	bool accepts;
	int index;
};

static struct device devices[PROVE_SLOTS];
static struct kvm_io_bus bus;
static struct kvm vm;
static struct kvm_vcpu vcpu = { .kvm = &vm };

static u32 schid;
static u64 queue;
static int offers, signals;
static long signalled;

static int device_write(struct kvm_vcpu *by, struct kvm_io_device *dev, gpa_t addr, int len,
			const void *val)
{
	struct device *device = (struct device *)dev;

	prove(by == &vcpu && addr == schid && len == NOTIFY_LEN && *(u64 *)val == queue,
	      "the device gets the vCPU, the address and the queue of the notification");
	prove(device->may_be_offered,
	      "only a device that KVM would offer the notification to is offered it");
	offers++;
	if (!device->accepts)
		return -EOPNOTSUPP;
	signals++;
	signalled = device->index;
	return 0;
}

static const struct kvm_io_device_ops ops = { .write = device_write };

/* Returns the index of the device that accepts, or -EOPNOTSUPP. */
static long any_bus(void)
{
	long one = -EOPNOTSUPP;

	bus.dev_count = PROVE_SLOTS;
	bus.ioeventfd_count = nondet_int();
	for (int i = 0; i < PROVE_SLOTS; i++) {
		u64 addr = nondet_u64();
		int len = nondet_int();
		bool accepts = nondet_bool();

		__CPROVER_assume(!i || bus.range[i - 1].addr <= addr);
		bus.range[i].addr = addr;
		bus.range[i].len = len;
		bus.range[i].dev = &devices[i].dev;
		devices[i].dev.ops = &ops;
		devices[i].index = i;
		devices[i].may_be_offered = addr == schid && (len == 0 || len == NOTIFY_LEN);
		devices[i].accepts = accepts;
		__CPROVER_assume(!accepts || (devices[i].may_be_offered && one < 0));
		if (accepts)
			one = i;
	}
	return one;
}

int main(void)
{
	u64 cookie = nondet_u64();
	bool searched;
	long one, rc;

	schid = nondet_u32();
	queue = nondet_u64();

	rc = ioeventfd_bus_notify(&vcpu, schid, queue, cookie, false, &searched);
	prove(rc == -ENOMEM && !searched && !offers,
	      "without bus, -ENOMEM is returned and nothing is signalled");

	vm.buses[KVM_VIRTIO_CCW_NOTIFY_BUS] = &bus;
	one = any_bus();
	rc = ioeventfd_bus_notify(&vcpu, schid, queue, cookie, false, &searched);
	prove(searched || rc == (long)cookie, "without a search, the cookie is returned");
	prove(one < 0 || (signals == 1 && signalled == one),
	      "the one that accepts is signalled once");
	prove(one >= 0 || signals == 0, "where none accepts, nothing is signalled");
	prove(rc == one, "the index of the one that accepts is returned, or -EOPNOTSUPP");

#ifdef COVER
	/* Each case must be possible. Otherwise the above could hold for want of a bus. */
	__CPROVER_cover(one >= 0 && one == (s64)cookie && offers == 1);
	__CPROVER_cover(one == PROVE_SLOTS - 1 && offers == PROVE_SLOTS);
	__CPROVER_cover(one >= 0 && one == (s64)queue && cookie == ~0ULL && offers == 1);
	__CPROVER_cover(one < 0 && offers == PROVE_SLOTS + 2);
	__CPROVER_cover(one < 0 && offers == 0);
#endif
	return 0;
}
