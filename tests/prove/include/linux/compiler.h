/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_COMPILER_H
#define PROVE_LINUX_COMPILER_H

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define __used
#define notrace
#define noinline
#define READ_ONCE(x)	(x)
#undef __always_inline
#define __always_inline	inline

#ifdef __CPROVER__
#define OPTIMIZER_HIDE_VAR(var)	((void)(var))
#else
#define OPTIMIZER_HIDE_VAR(var)	asm("" : "+r" (var))
#endif

#endif
