/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_TYPES_H
#define PROVE_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned int u32;
typedef long long s64;
typedef unsigned long long u64;
#define gpa_t u64

#endif
