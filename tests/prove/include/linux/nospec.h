/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_NOSPEC_H
#define PROVE_LINUX_NOSPEC_H

/* Without speculation: @index if it is below @size, otherwise 0. Both are unsigned long. */
#define array_index_nospec(index, size)						\
({										\
	typeof(index) _i = (index);						\
	typeof(size) _s = (size);						\
	unsigned long _mask = -((unsigned long)_i < (unsigned long)_s);		\
										\
	(typeof(_i))(_i & _mask);						\
})

#endif
