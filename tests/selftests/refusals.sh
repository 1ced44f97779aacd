#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs on the host. Tests each case in which the module must refuse to load: insmod
# fails with the right errno, the kernel log gets one clear line, and nothing is
# attached. The output is TAP.

. ./tap.sh
patched=/sys/kernel/tracing/enabled_functions

# refused WHAT ERRNO LINE MODULE [PARAMETER...]
refused()
{
	what=$1 errno=$2 line=$3
	shift 3
	dmesg -c >> /out/log.before
	before=$(cat $patched)
	busybox insmod "$@" 2> /dev/null
	rc=$?
	log=$(dmesg | grep 'kvm_s390_diag: ')
	# insmod may try twice, so the message may appear twice. The kernel's own lines do not count.
	ours=$(echo "$log" | grep -v 'invalid for parameter\|taint' | sed 's/^[^]]*\] //' | sort -u)
	if [ $rc != "$errno" ]; then
		result "$what" "insmod exits with $rc instead of errno $errno"
		[ $rc != 0 ] || rmmod kvm_s390_diag
	elif ! echo "$ours" | grep -qF "$line"; then
		result "$what" "the log lacks '$line'"
		echo "$log" | sed 's/^/# /'
	elif [ "$(echo "$ours" | wc -l)" != 1 ]; then
		result "$what" "more than one line in the log"
		echo "$log" | sed 's/^/# /'
	elif [ -d /sys/module/kvm_s390_diag ]; then
		result "$what" "the module is loaded"
	elif [ "$(cat $patched)" != "$before" ]; then
		result "$what" "something is attached"
	else
		result "$what"
	fi
}

EINVAL=22 EBUSY=16 ERANGE=34 ENOENT=2 EOPNOTSUPP=95
module=kvm-s390-diag.ko

for bad in 500 0x 0x5g0 "0x500," ",0x500" "0x500,501" "0x500,all" ALL 0x-1 "0x500;0x501"; do
	token=$(echo "$bad" | tr , '\n' | grep -vx '0x500' | head -n 1)
	refused "claim=$bad" $EINVAL "'$token' is not a function code" $module "claim=$bad"
done
refused "empty claim" $EINVAL "'' is not a function code" $module claim=
refused "claim=0x10000" $ERANGE "'0x10000' is out of range" $module claim=0x10000
refused "claim=0x500,0xfffffffffffffffff" $ERANGE "'0xfffffffffffffffff' is out of range" \
	$module claim=0x500,0xfffffffffffffffff

for good in all 0x500 0x0,0x500,0xffff; do
	insmod $module claim=$good
	if [ "$(cat /sys/module/kvm_s390_diag/parameters/claim)" = $good ]; then
		result "claim=$good can be read in /sys/module"
	else
		result "claim=$good can be read in /sys/module" "another value is there"
	fi
	rmmod kvm_s390_diag
done

insmod occupy.ko
refused "function occupied" $EBUSY "a BPF fentry program), a livepatch or a kprobe" $module
rmmod occupy

if (echo 0 > /proc/sys/kernel/ftrace_enabled) 2> /dev/null; then
	refused "kernel.ftrace_enabled=0" $EBUSY "kernel.ftrace_enabled is 0; set it to 1" $module
	echo 1 > /proc/sys/kernel/ftrace_enabled
else
	skipped "kernel.ftrace_enabled=0" "this kernel does not let it be 0"
fi

refused "kernel without direct calls" $EOPNOTSUPP "this kernel has no ftrace direct calls" \
	no-direct-calls.ko

insmod $module
if (echo 0 > /proc/sys/kernel/ftrace_enabled) 2> /dev/null; then
	result "ftrace_enabled=0 is refused while attached" "it is accepted"
	echo 1 > /proc/sys/kernel/ftrace_enabled
else
	result "ftrace_enabled=0 is refused while attached"
fi
if rmmod kvm 2> /dev/null; then
	result "kvm.ko is pinned while attached" "rmmod kvm succeeds"
else
	result "kvm.ko is pinned while attached"
fi
rmmod kvm_s390_diag

rmmod kvm
insmod kvm.ko
refused "KVM without kvm_s390_handle_diag" $ENOENT "this KVM has no kvm_s390_handle_diag()" $module
rmmod kvm
modprobe kvm

insmod $module && rmmod kvm_s390_diag
if [ $? = 0 ]; then
	result "the module loads and unloads after all refusals"
else
	result "the module loads and unloads after all refusals" "insmod or rmmod fails"
fi

tap_end
