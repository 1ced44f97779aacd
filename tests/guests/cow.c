// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into QEMU on the lab's host. Reports that KVM has KVM_CAP_S390_COW.
 *
 * KVM offers this capability on machines with the enhanced-suppression-on-protection
 * facility. The emulator Hercules lacks the facility. QEMU refuses accel=kvm without the
 * capability, because guest memory that is shared copy-on-write needs it. No guest of
 * the lab has such memory.
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
