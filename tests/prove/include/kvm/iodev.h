/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_KVM_IODEV_H
#define PROVE_KVM_IODEV_H

#include <linux/types.h>

struct kvm_vcpu;
struct kvm_io_device;

struct kvm_io_device_ops {
	int (*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr, int len,
		    void *val);
	int (*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr, int len,
		     const void *val);
	void (*destructor)(struct kvm_io_device *this);
};

struct kvm_io_device {
	const struct kvm_io_device_ops *ops;
};

#endif
