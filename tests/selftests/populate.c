// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replaces mmap() in programs that use kvm_util, so that the host provides all pages of a
 * guest's memory before the guest runs. Otherwise, in Hercules, a guest's first store to a
 * page can cause a protection exception in the guest instead of a fault in its host.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

/* Larger mappings stay as they are: one test maps more memory than the host has. */
#define LIMIT	(64UL << 20)

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_ANONYMOUS && length <= LIMIT)
		flags |= MAP_POPULATE;
	return __real_mmap(addr, length, prot, flags, fd, offset);
}
