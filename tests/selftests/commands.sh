# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What "make check-host" runs on the host. TAP, one plan after the other.
. ./tap.sh
status=0
modprobe kvm
echo "# $(uname -r), $(nproc) CPUs"

. ./first-guests.sh

# The kernel's own selftests, with KVM alone and with the module: equal, test by test.
kernels_own="sync_regs_test resets memop tprot set_memory_region_test kvm_create_max_vcpus
	kvm_binary_stats_test"

# What a test says, without what differs from run to run.
run_own()
{
	./"$1" > /tmp/own 2>&1
	echo "exit status $?" >> /tmp/own
	sed 's/^  pid=[0-9]* tid=.*//; s/0x[0-9a-f]\{9,\}/ADDRESS/g' /tmp/own
}

for setting in alone claim=all claim=0x500; do
	[ $setting = alone ] || insmod kvm-s390-diag.ko $setting
	for test in $kernels_own; do
		run_own $test > /tmp/$test.$setting
	done
	[ $setting = alone ] || rmmod kvm_s390_diag
done
for test in $kernels_own; do
	for setting in claim=all claim=0x500; do
		result "$test does the same with $setting: $(tail -n 1 /tmp/$test.alone)" \
			"$(diff /tmp/$test.alone /tmp/$test.$setting)"
	done
done
tap_end || status=1

for test in diag_abi ioeventfd_cookie s390_virtio host_api vm_lifetime notify_race hostile_guest; do
	echo "# $test, $(cut -d. -f1 /proc/uptime) s after boot"
	./$test || status=1
	# A test that died may have left it there.
	[ ! -d /sys/module/kvm_s390_diag ] || rmmod kvm_s390_diag
done
sh ./refusals.sh || status=1
sh ./trace.sh || status=1

# Whatever the tests did, the kernel has nothing to complain about.
tap_tests=0
tap_failed=0
dmesg > /out/log
result "the kernel log is clean" \
	"$(grep -E 'WARNING|BUG|Oops|Call Trace|Unable to handle|refcount|stall' /out/log /out/log.*)"
tap_end || status=1
echo "# $(cut -d. -f1 /proc/uptime) s after boot"
exit $status
