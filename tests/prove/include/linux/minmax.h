/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_MINMAX_H
#define PROVE_LINUX_MINMAX_H

#define min(a, b)								\
({										\
	typeof(a) _a = (a);							\
	typeof(b) _b = (b);							\
										\
	_a < _b ? _a : _b;							\
})

#endif
