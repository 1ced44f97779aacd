// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked in place of mmap() to what uses kvm_util: has the host provide a guest's memory
 * at once. In Hercules a guest's first store into a page may reach the guest as a
 * protection exception instead of its host.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

/* Some test maps more than there is, and stores to none of it. */
#define LIMIT	(64UL << 20)

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (flags & MAP_ANONYMOUS && length <= LIMIT)
		flags |= MAP_POPULATE;
	return __real_mmap(addr, length, prot, flags, fd, offset);
}
