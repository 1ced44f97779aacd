#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs on the host. Tests the example of vmm-api.rst. The output is TAP.
. ./tap.sh

same "the example reports that the module is not loaded" \
	"vmm_example: /dev/kvm-s390-diag: No such file or directory" "$(./vmm_example 2>&1)"
for claim in 0x500 all; do
	insmod kvm-s390-diag.ko claim=$claim
	same "claim=$claim: the example answers its guest" "the VMM answers DIAGNOSE 0x44" \
		"$(./vmm_example 2>&1)"
	rmmod kvm_s390_diag
done
tap_end
