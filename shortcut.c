// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shortcut to KVM's own handler, for function codes other than 0x500.
 */
#include "shortcut.h"

atomic_t shortcut_obstacles = ATOMIC_INIT(0);
