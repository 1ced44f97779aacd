/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * prove(): states that @holds is true whenever the program reaches this place.
 */
#ifndef PROVE_H
#define PROVE_H

#ifdef __CPROVER__
#include <linux/types.h>

#define prove(holds, claim)	__CPROVER_assert(holds, claim)

/* CBMC tries every value that these can return. */
bool nondet_bool(void);
int nondet_int(void);
u32 nondet_u32(void);
u64 nondet_u64(void);
#else
void refuted(const char *claim);

#define prove(holds, claim)		\
do {					\
	if (!(holds))			\
		refuted(claim);		\
} while (0)
#endif

#endif
