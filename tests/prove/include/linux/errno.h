/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: see tests/prove/run. */
#ifndef PROVE_LINUX_ERRNO_H
#define PROVE_LINUX_ERRNO_H

#define EAGAIN		11
#define ENOMEM		12
#define EOPNOTSUPP	95

#endif
