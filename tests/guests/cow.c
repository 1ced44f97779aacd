// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into QEMU on the lab's host: answers that KVM has KVM_CAP_S390_COW.
 *
 * A gap of the emulator, not of KVM: Hercules has no enhanced-suppression-on-
 * protection facility, by which KVM decides. QEMU refuses accel=kvm without it, as
 * it needs it for guest memory that is shared copy-on-write. The lab's is not.
 */
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);

	if (request == KVM_CHECK_EXTENSION && arg == KVM_CAP_S390_COW)
		return 1;
	return syscall(SYS_ioctl, fd, request, arg);
}
