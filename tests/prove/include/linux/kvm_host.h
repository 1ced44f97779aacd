/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_KVM_HOST_H
#define PROVE_LINUX_KVM_HOST_H

#include <linux/srcu.h>
#include <linux/types.h>

struct kvm_io_range {
	gpa_t addr;
	int len;
	struct kvm_io_device *dev;
};

/* If PROVE_SLOTS is defined, it gives the object its exact size. */
#ifndef PROVE_SLOTS
#define PROVE_SLOTS
#endif

struct kvm_io_bus {
	int dev_count;
	int ioeventfd_count;
	struct kvm_io_range range[PROVE_SLOTS];
};

enum kvm_bus {
	KVM_MMIO_BUS,
	KVM_PIO_BUS,
	KVM_VIRTIO_CCW_NOTIFY_BUS,
	KVM_FAST_MMIO_BUS,
	KVM_NR_BUSES
};

struct kvm {
	struct kvm_io_bus *buses[KVM_NR_BUSES];
	struct srcu_struct srcu;
};

struct kvm_vcpu {
	struct kvm *kvm;
};

void kvm_put_kvm(struct kvm *kvm);

#endif
