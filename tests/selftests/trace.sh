#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs on the host. Compares the module's trace events with the counters and with the
# DIAGNOSEs that a guest has issued. Compares KVM's own events with and without the
# module. The output is TAP.
#
# The guest runs in ./issue, a program with one VM. It prints "vm <pid>-<fd>". For each
# line on its input, it issues the same DIAGNOSEs and prints "issued <number>".

. ./tap.sh
tracing=/sys/kernel/tracing
ours=$tracing/events/kvm_s390_diag
kvms=$tracing/events/kvm/kvm_s390_handle_diag
folder=/sys/kernel/debug/kvm/kvm-s390-diag
module=kvm-s390-diag.ko
work=/tmp/trace.$$

# Starts ./issue with its input on descriptor 4 and its output on 5. Sets $vm.
start_guest()
{
	mkfifo $work.in $work.out
	./issue < $work.in > $work.out &
	guest=$!
	exec 4> $work.in 5< $work.out
	rm $work.in $work.out
	read -r _ vm <&5
}

issue()
{
	echo go >&4
	read -r _ issued <&5
}

end_guest()
{
	exec 4>&- 5<&-
	wait $guest
}

clear_trace()
{
	echo > $tracing/trace
}

# Prints each function code in KVM's events, and the number of its events.
kvms_events()
{
	sed -n 's/.*kvm_s390_handle_diag: .*handle diagnose call \([0-9a-f]*\) .*/\1/p' \
		$tracing/trace | sort | uniq -c | awk '{ print $2, $1 }'
}

# Prints each outcome in this module's events, and the number of its events.
our_events()
{
	sed -n "s/.* kvm_s390_diag: vm ${1:-[0-9]*} .* outcome \([a-z_]*\)\$/\1/p" \
		$tracing/trace | sort | uniq -c | awk '{ print $2, $1 }'
}

# Prints the counters of a file that are not 0, in the same format.
counted()
{
	awk '$2 { print }' "$folder/$1" | sort
}

sum()
{
	awk '{ sum += $2 } END { print sum + 0 }' "$folder/$1"
}

# Prints the sum of KVM's own counters of the guest's DIAGNOSEs.
kvms_sum()
{
	cat "/sys/kernel/debug/kvm/$vm/instruction_diagnose_"* |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# Prints each outcome of the guest's DIAGNOSEs that is not 0, in the same format. KVM counts every
# DIAGNOSE except the privileged ones. $kvms_before is its count before the module was loaded.
outcomes()
{
	{
		counted "$vm"
		counted "$vm" | awk -v left=$(($(kvms_sum) - kvms_before)) '
			$1 != "privileged" { left -= $2 }
			END { if (left) print "left_to_kvm", left }'
	} | sort
}

all_outcomes()
{
	outcomes | awk '{ sum += $2 } END { print sum + 0 }'
}

wait_until()
{
	limit=$(($(date +%s) + 60))
	until "$@"; do
		[ "$(date +%s)" -lt $limit ] || return 1
	done
}

echo 4096 > $tracing/buffer_size_kb

# KVM alone
start_guest
echo 1 > $kvms/enable
clear_trace
issue
alone=$(kvms_events)
privileged=5
same "KVM alone: an event for each DIAGNOSE except the privileged ones" \
	$((issued - privileged)) "$(echo "$alone" | awk '{ sum += $2 } END { print sum }')"

# The same VM, which is now older than the module
kvms_before=$(kvms_sum)
insmod $module
clear_trace
issue
same "older VM: KVM's events are the same with the module" "$alone" "$(kvms_events)"
result "older VM: its file exists now" \
	"$(wait_until [ -e $folder/$vm ] || echo "$folder/$vm is missing")"
same "older VM: the module or KVM counts every intercept" "$issued" "$(all_outcomes)"
same "older VM: its file has the same counts as the total" "$(counted total)" "$(counted "$vm")"
kept=$(sum total)
end_guest
result "the file disappears with the VM" \
	"$(wait_until [ ! -e $folder/$vm ] || echo "$folder/$vm is still there")"
same "the total keeps the counts of the VM" "$kept" "$(sum total)"
rmmod kvm_s390_diag

for claim in all 0x500 0x501; do
	insmod $module claim=$claim
	start_guest
	kvms_before=0
	result "claim=$claim: a new VM has its file" \
		"$(wait_until [ -e $folder/$vm ] || echo "$folder/$vm is missing")"
	same "claim=$claim: the file is named as KVM's directory" "$vm" \
		"$(cd /sys/kernel/debug/kvm && echo "${vm%-*}"-*)"
	clear_trace
	issue
	same "claim=$claim: KVM's events are the same as with KVM alone" "$alone" "$(kvms_events)"
	same "claim=$claim: none of this module's events while they are disabled" "" "$(our_events)"
	same "claim=$claim: the module or KVM counts every intercept" "$issued" "$(all_outcomes)"

	echo 0 > $kvms/enable
	echo 1 > $ours/enable
	before=$(all_outcomes)
	clear_trace
	issue
	same "claim=$claim: an event for each intercept" "$issued" \
		"$(our_events | awk '{ sum += $2 } END { print sum }')"
	same "claim=$claim: none of KVM's events while they are disabled" "" "$(kvms_events)"
	same "claim=$claim: the counters grow by one for each event" $((before + issued)) \
		"$(all_outcomes)"
	# The counters include two lists of the guest, the trace only the second.
	same "claim=$claim: events by outcome match the counters" \
		"$(outcomes | awk '{ print $1, $2 / 2 }')" "$(our_events "${vm%-*}")"
	echo 1 > $kvms/enable
	clear_trace
	issue
	same "claim=$claim: KVM's events are the same while this module's are enabled" "$alone" \
		"$(kvms_events)"
	cp $tracing/trace /out/trace."$claim"

	# The events of function code 0x500 have the values that the guest passed.
	if [ $claim = all ]; then
		event='code 0x500 subcode 3 schid 0x00010005 queue'
		for want in "3 $event 0 cookie 0 result 0 outcome served_cookie" \
			"2 $event 0 cookie -1 result 0 outcome served_search" \
			"4 $event 7 cookie 0 result -95 outcome forwarded_no_device"; do
			same "event: ${want#* }" "${want%% *}" \
				"$(grep -c " vm ${vm%-*} vcpu 0 ${want#* }\$" $tracing/trace)"
		done
		same "the event's format gives the name of each outcome" 1 \
			"$(grep -c '{ 0, "served_cookie" }.*{ 9, "left_to_kvm" }' $ours/*/format)"
		same "events and counters have the same names" \
			"$(sed 's/ .*//' $folder/total | sort)" \
			"$(grep -o '{ [0-8], "[a-z_]*" }' $ours/*/format | sed 's/.*"\(.*\)".*/\1/' | sort)"
		exec 6< "$folder/$vm"
		end_guest
		wait_until [ ! -e "$folder/$vm" ]
		result "the open file of a destroyed VM cannot be read" \
			"$(cat <&6 2> /dev/null && echo "it can be read")"
		exec 6<&-
	else
		end_guest
	fi
	# The module's event is still enabled.
	result "claim=$claim: the module unloads while it is traced" \
		"$(rmmod kvm_s390_diag 2>&1)"
done
echo 0 > $kvms/enable

tap_end
