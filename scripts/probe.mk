# SPDX-License-Identifier: GPL-2.0-only
#
# Detects the differences between kernels that only the text of a header shows. Kbuild includes
# this file. If a kernel fits none of the cases below, the build stops here with a message that
# names the difference.

# The guard under which the kernel calls the probes of a tracepoint.
tracepoint-guards := $(shell grep -owE \
	'srcu_fast_notrace|preempt_notrace|preempt_disable_notrace' \
	$(srctree)/include/linux/tracepoint.h)
ifneq ($(findstring srcu_fast_notrace,$(tracepoint-guards)),)
ccflags-y += -DCOMPAT_PROBES_SRCU_FAST
else ifeq ($(tracepoint-guards),)
$(error kvm-s390-diag: $(srctree)/include/linux/tracepoint.h calls probes under a guard that compat.h lacks)
endif
