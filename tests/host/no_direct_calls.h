/* SPDX-License-Identifier: GPL-2.0-only */
#undef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
