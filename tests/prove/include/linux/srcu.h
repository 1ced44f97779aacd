/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_SRCU_H
#define PROVE_LINUX_SRCU_H

struct srcu_struct {
};

#define srcu_dereference(p, ssp)	((void)(ssp), (p))

#endif
