# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# "make check-host" runs this on the emulated host. The output is TAP, with one plan after the
# other. With arguments, only the tests with these names run. With --list as the first argument,
# the names are checked, and no test runs.

# The Makefile beside this file reads the first three lists. company.sh and the program
# "faults" have one test for each of their arguments.
kernels_own="s390x/sync_regs_test s390x/resets s390x/memop s390x/tprot kvm_create_max_vcpus kvm_binary_stats_test"
programs="diag_abi ioeventfd_cookie s390_virtio host_api vm_lifetime vm_claim notify_race hostile_guest"
scripts="refusals trace vmm_example"
company="cpus function function_graph kprobe events perf direct bpf two_loads preempt"
faults="churn failed offline thousand memory"

# lists LIST NAME: is the name in the list?
lists()
{
	case " $1 " in
	*" $2 "*) ;;
	*) return 1 ;;
	esac
}

[ "$1" != --list ] || {
	list_only=y
	shift
}
all="kernels_own $programs $scripts $company $faults"
wanted=${*:-$all}
for test in $wanted; do
	lists "$all" "$test" || {
		echo "Bail out! There is no test $test; there are: $all"
		exit 1
	}
done
[ -z "$list_only" ] || exit 0

. ./tap.sh

status=0
modprobe kvm
echo "# $(uname -r), $(nproc) CPUs"

. ./first-guests.sh

# Prints the output of a test, without the parts that differ from run to run.
run_own()
{
	./"$1" > /tmp/own 2>&1
	echo "exit status $?" >> /tmp/own
	sed 's/^  pid=[0-9]* tid=.*//; s/0x[0-9a-f]\{9,\}/ADDRESS/g' /tmp/own
}

# Runs the kernel's own selftests with KVM alone and with the module. Each of them must print
# the same and end with the expected exit status.
test_kernels_own()
{
	tap_begin
	# tprot fails on the emulated host: see testing.rst.
	tprot_ends="exit status 254"
	[ ! -d /sys/module/hercules ] || tprot_ends="exit status 0"
	for setting in alone claim=all claim=0x500; do
		[ $setting = alone ] ||
			succeeds "the module loads with $setting" insmod kvm-s390-diag.ko $setting
		for own in $kernels_own; do
			run_own "${own##*/}" > "/tmp/${own##*/}.$setting"
		done
		[ $setting = alone ] || succeeds "the module unloads" rmmod kvm_s390_diag
	done
	for own in $kernels_own; do
		own=${own##*/}
		case $own in
		tprot) expected=$tprot_ends ;;
		*) expected="exit status 0" ;;
		esac
		same "$own ends with $expected" "$expected" "$(tail -n 1 "/tmp/$own.alone")"
		for setting in claim=all claim=0x500; do
			result "$own does the same with $setting" \
				"$(diff "/tmp/$own.alone" "/tmp/$own.$setting" 2>&1)"
		done
	done
	tap_end
}

for test in $wanted; do
	echo "# $test, $(cut -d. -f1 /proc/uptime) s after boot"
	if [ "$test" = kernels_own ]; then
		test_kernels_own
	elif lists "$company" "$test"; then
		sh ./company.sh "$test"
	elif lists "$faults" "$test"; then
		./faults "$test"
	elif lists "$scripts" "$test"; then
		sh "./$test.sh"
	else
		"./$test"
	fi || status=1
	# A test that died may have left the module loaded.
	[ ! -d /sys/module/kvm_s390_diag ] || rmmod kvm_s390_diag
done

# After all tests, the kernel must have reported no fault.
tap_begin
dmesg > /out/log
result "the kernel log is clean" "$(cat /out/log* | reports)"
tap_end || status=1
echo "# $(cut -d. -f1 /proc/uptime) s after boot"
exit $status
