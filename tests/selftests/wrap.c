// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replaces mmap() and ioctl() in programs that use kvm_util, which is older than some of the
 * kernels and was not written for Hercules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* Larger mappings stay as they are: one test maps more memory than the host has. */
#define LIMIT	(64UL << 20)

typeof(mmap) __real_mmap;
typeof(ioctl) __real_ioctl;

/*
 * The host provides all pages of a guest's memory before the guest runs. Otherwise, in
 * Hercules, a guest's first store to a page can cause a protection exception in the guest
 * instead of a fault in its host.
 */
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_ANONYMOUS && length <= LIMIT)
		flags |= MAP_POPULATE;
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

/*
 * KVM_RUN fails with EAGAIN if the host unmaps a page of the guest's prefix area at the wrong
 * moment. VMMs such as QEMU then run the vCPU again.
 */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *arg;
	int rc;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	do {
		rc = __real_ioctl(fd, request, arg);
	} while (rc < 0 && request == KVM_RUN && errno == EAGAIN);
	return rc;
}
