/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included by a test file that includes a source file of the module, to reach its
 * static functions. The tests call these again and again, so their text must not be freed
 * after init, and their variables must stay writable.
 */
#ifndef DIAG_TEST_INCLUDE_SOURCE_H
#define DIAG_TEST_INCLUDE_SOURCE_H

#include <linux/cache.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

#undef pr_fmt
#undef module_init
#undef module_exit
#undef __init
#undef __exit
#undef __ro_after_init
#define module_init(fn)
#define module_exit(fn)
#define __init
#define __exit
#define __ro_after_init

#endif /* DIAG_TEST_INCLUDE_SOURCE_H */
