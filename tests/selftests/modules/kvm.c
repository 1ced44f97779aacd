// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for a kvm.ko without kvm_s390_handle_diag(). It exports the function that
 * kvm-s390-diag links to.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

void kvm_put_kvm(struct kvm *kvm)
{
}
EXPORT_SYMBOL_GPL(kvm_put_kvm);

MODULE_DESCRIPTION("kvm.ko without a DIAGNOSE handler, for tests of kvm-s390-diag");
MODULE_LICENSE("GPL");
