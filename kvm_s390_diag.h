/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface of /dev/kvm-s390-diag. A VMM sets who answers the DIAGNOSEs of its own VM.
 * kvm-s390-diag(4) describes the interface.
 */
#ifndef KVM_S390_DIAG_UAPI_H
#define KVM_S390_DIAG_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What KVM_S390_DIAG_API returns. It changes only if a program has to change. */
#define KVM_S390_DIAG_API_VERSION	1

/**
 * struct kvm_s390_diag_range - who answers a range of function codes for one VM
 * @vm_fd: file descriptor of the VM, as KVM_CREATE_VM returns it
 * @first: first function code of the range, 0 to 0xffff
 * @last: last function code of the range, @first to 0xffff
 * @action: who answers: one of KVM_S390_DIAG_TO_*
 * @flags: must be 0
 * @pad: must be 0
 */
struct kvm_s390_diag_range {
	__s32 vm_fd;
	__u32 first;
	__u32 last;
	__u32 action;
	__u32 flags;
	__u32 pad[3];
};

/*
 * KVM_RUN returns with KVM_EXIT_S390_SIEIC, and no register of the guest is changed. For
 * function code 0x500, this holds for each subcode.
 */
#define KVM_S390_DIAG_TO_USERSPACE	1
/* The module serves function code 0x500. KVM's own handler answers any other code. */
#define KVM_S390_DIAG_TO_KERNEL		2

/* Returns the version of this interface. The argument must be 0. */
#define KVM_S390_DIAG_API	_IO(0xd1, 0x00)
/* Sets @action for all codes of the range. */
#define KVM_S390_DIAG_SET	_IOW(0xd1, 0x01, struct kvm_s390_diag_range)
/*
 * Gets the lowest range that is set and ends at @first or above, and stores it in @first, @last
 * and @action. @first may be 0x10000: then there is none.
 */
#define KVM_S390_DIAG_GET	_IOWR(0xd1, 0x02, struct kvm_s390_diag_range)

#endif /* KVM_S390_DIAG_UAPI_H */
