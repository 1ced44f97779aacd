/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_BITOPS_H
#define PROVE_LINUX_BITOPS_H

#include <prove.h>

/* The number of the highest bit that is set. @word must not be 0. */
static inline unsigned long __fls(unsigned long word)
{
	prove(word, "there is no highest bit in 0");
	return sizeof(word) * 8 - 1 - __builtin_clzl(word);
}

#endif
