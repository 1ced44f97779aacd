// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for a kvm.ko without kvm_s390_handle_diag(). It exports the function that
 * kvm-s390-diag links to.
 */
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus_idx, gpa_t addr,
		     int len, const void *val)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(kvm_io_bus_write);

MODULE_DESCRIPTION("kvm.ko without a DIAGNOSE handler, for tests of kvm-s390-diag");
MODULE_LICENSE("GPL");
