/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/kvm-s390-diag, where a VMM sets who answers the DIAGNOSEs of its own VM.
 */
#ifndef KVM_S390_DIAG_DEVICE_H
#define KVM_S390_DIAG_DEVICE_H

/**
 * device_start - create the device
 * @vm_release: address of kvm_vm_release(), the release operation of KVM's VM files. It tells
 *	a VM's file from others
 *
 * Called after all direct calls have been attached. An open file pins the module. May sleep.
 *
 * Return: 0, or a negative errno if the device could not be registered.
 */
int device_start(unsigned long vm_release);

/**
 * device_stop - remove the device
 *
 * Called when no file is open. May sleep.
 */
void device_stop(void);

#endif /* KVM_S390_DIAG_DEVICE_H */
