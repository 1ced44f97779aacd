#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# company.sh SCENARIO...
#
# Runs on the host. Guests notify all the time, while CPUs go offline and online, and while
# tracers, kprobes, perf and BPF programs use KVM's DIAGNOSE handler. No notification may be
# lost, the module's counters must be exact, and each tracer must see each DIAGNOSE.
# commands.sh lists the scenarios. The output is TAP.

. ./tap.sh
. ./guests.sh
cpu1=/sys/devices/system/cpu/cpu1/online
buffer_kb=1024

load()
{
	insmod $module && return
	result "the module loads" "insmod fails"
	tap_end
	exit 1
}

unload()
{
	rmmod kvm_s390_diag
}

# Starts guests. The next call of finish compares their notifications with the counters.
begin()
{
	served=$(counted served) forwarded=$(counted forwarded_no_device)
	start_guests "$@"
}

# same_counts NAME: the module has counted what the guests have counted.
same_counts()
{
	same "$1" "served $events, forwarded $exits" \
		"served $(($(counted served) - served)), forwarded $(($(counted forwarded_no_device) - forwarded))"
}

# finish NAME: ends the guests, and compares their counts with the module's counters.
finish()
{
	end_guests
	result "$1: each of $issued notifications is accounted for" "$(cat /tmp/lost)"
	same_counts "$1: the module has counted each of them"
}

cpus()
{
	load
	begin 2
	before=0
	for cycle in 1 2 3 4 5; do
		for online in 0 1; do
			echo $online > $cpu1
			go_on
			after=$(counted)
			[ "$after" -gt "$before" ] ||
				echo "cycle $cycle, online $online: $after intercepts after $before"
			before=$after
		done
	done > /tmp/report 2>&1
	result "CPU 1 goes offline and online: guests go on, and counters grow" \
		"$(cat /tmp/report)"
	echo 0 > $cpu1
	finish "CPU 1 is offline"
	echo 1 > $cpu1
	same_counts "CPU 1 is online again: the counters are the same"
	unload
	# The emulated CPU is as after a boot.
	. ./first-guests.sh
}

# traced NAME: calls on_NAME and off_NAME while guests notify. Then compares what seen_NAME
# prints with the DIAGNOSEs of guests that start and end in between. A guest ends with a
# DIAGNOSE of its own, after its notifications.
traced()
{
	load
	begin 2
	for _ in 1 2; do
		on_"$1"
		go_on
		off_"$1"
		go_on
	done > /tmp/report 2>&1
	result "$1: starts and stops while guests notify" "$(cat /tmp/report)"
	finish "$1 starts and stops"

	on_"$1" > /tmp/report 2>&1
	before=$(seen_"$1")
	begin 2
	finish "$1 is on"
	same "$1: sees each DIAGNOSE" "$((issued + 2))" "$(($(seen_"$1") - before))"
	off_"$1" >> /tmp/report 2>&1
	result "$1: starts and stops again" "$(cat /tmp/report)"
	unload
}

perf()
{
	traced perf
	load
	on_perf
	result "perf: the module does not unload while perf counts its event" \
		"$(rmmod kvm_s390_diag 2> /dev/null && echo "it unloads")"
	off_perf
	result "perf: it unloads afterwards" "$(wait_until rmmod kvm_s390_diag 2> /dev/null ||
		echo "it does not")"
}

# occupied NAME: the other user of the handler comes first, and the module must
# not load. Then the module comes first, and the other user must be refused.
occupied()
{
	on_"$1"
	before=$(seen_"$1")
	begin 2
	dmesg -c >> /out/log.before
	busybox insmod $module 2> /dev/null
	same "$1: the module does not load (EBUSY)" 16 $?
	result "$1: the kernel log gives the reason" "$(dmesg |
		grep -qF 'is taken by another direct call (a BPF fentry program)' || dmesg)"
	go_on
	end_guests
	result "$1: each of $issued notifications is accounted for" "$(cat /tmp/lost)"
	same "$1: it sees each DIAGNOSE" "$((issued + 2))" "$(($(seen_"$1") - before))"
	off_"$1"

	load
	begin 2
	on_"$1" > /dev/null 2>&1
	same "$1: it is refused while the module is attached (EBUSY)" 16 $?
	go_on
	finish "$1 is refused"
	unload
	result "$1: it works when the module is gone" "$(on_"$1" 2>&1 && off_"$1" 2>&1 ||
		echo "it does not")"
}

direct() { occupied direct; }

bpf()
{
	on_bpf
	case $? in
	0) off_bpf && occupied bpf ;;
	4) skipped "bpf: a BPF fentry program and the module" "$refused" ;;
	*) result "bpf: a BPF fentry program can be attached" "$refused" ;;
	esac
}

# Two loads at once, from two files: the kernel treats two loads of one file as one.
two_loads()
{
	patched=$tracing/enabled_functions
	before=$(cat $patched)
	cp $module /tmp/0x500.ko
	cp $module /tmp/all.ko
	begin 2
	for cycle in 1 2; do
		dmesg -c >> /out/log.before
		loads=
		for claim in 0x500 all; do
			{
				busybox insmod /tmp/$claim.ko claim=$claim 2> /dev/null
				echo $? > /tmp/$claim.rc
			} &
			loads="$loads $!"
		done
		# shellcheck disable=SC2086
		wait $loads
		winner=$(grep -lx 0 /tmp/0x500.rc /tmp/all.rc | sed 's,/tmp/\(.*\).rc,\1,')
		[ "$(cat /tmp/0x500.rc /tmp/all.rc | sort -n | tr '\n' ' ')" = "0 17 " ] ||
			echo "cycle $cycle: exit statuses $(cat /tmp/0x500.rc /tmp/all.rc)"
		[ "$(cat /sys/module/kvm_s390_diag/parameters/claim)" = "$winner" ] ||
			echo "cycle $cycle: not the claim of the one that has loaded, $winner"
		# The first load of the module also taints the kernel.
		[ "$(dmesg | grep 'kvm_s390_diag: ' | grep -vc taint)" = 1 ] || dmesg
		[ "$(grep -c direct-- $patched)" = 2 ] || cat $patched
		go_on
		[ "$(counted served)" -gt 0 ] || echo "cycle $cycle: the module serves nothing"
		rmmod kvm_s390_diag || echo "cycle $cycle: rmmod fails"
		[ "$(cat $patched)" = "$before" ] || cat $patched
		[ ! -d $diag ] || echo "cycle $cycle: $diag is still there"
	done > /tmp/report 2>&1
	result "two loads at once: one loads, one is refused, and nothing stays after rmmod" \
		"$(cat /tmp/report)"
	end_guests
	result "two loads at once: each of $issued notifications is accounted for" \
		"$(cat /tmp/lost)"
}

# Prints how many stack traces of preempted guests have a function of the module.
preempted()
{
	awk '/<stack trace>/ { counted = 0 }
		!counted && /=> (diag_intercept|dispatch_slowpath|forward|virtio_ccw_notify|ioeventfd_bus)/ {
			counted = 1
			n++
		}
		END { print n + 0 }' $tracing/trace
}

has_preempted()
{
	[ "$(preempted)" -ge "$1" ]
}

# Tasks of higher priority preempt the guests of CPU 1. Each guest has such a task that reads
# its eventfd: a notification wakes the task, which preempts the guest before the module
# returns. One more task preempts the guests wherever they are.
preempt()
{
	case $(uname -v) in
	*PREEMPT*) ;;
	*)
		skipped "preempt: guests are preempted inside the module" \
			"this kernel is not preemptible"
		return ;;
	esac
	trigger=$tracing/events/sched/sched_switch/trigger
	taskset 2 ./preempts 4>&- 5>&- &
	disturber=$!
	notifies_as=reader
	# The trace is read often. This size holds some hundred preemptions.
	echo 64 > $tracing/buffer_size_kb
	echo 1 > $tracing/tracing_on
	echo 'stacktrace if prev_comm == "notifies"' > $trigger

	load
	begin 2 taskset 2
	echo > $tracing/trace
	result "preempt: guests are preempted inside the module" \
		"$(wait_until has_preempted 100 || echo "$(preempted) times in a minute")"
	finish "preempt"
	start_guests 2 taskset 2
	for cycle in 1 2 3 4 5; do
		echo > $tracing/trace
		wait_until has_preempted 20 || echo "cycle $cycle: $(preempted) preemptions"
		rmmod kvm_s390_diag || echo "cycle $cycle: rmmod fails"
		go_on
		insmod $module || echo "cycle $cycle: insmod fails"
	done > /tmp/report 2>&1
	result "preempt: the module unloads and loads between preemptions" "$(cat /tmp/report)"
	end_guests
	result "preempt: each of $issued notifications is accounted for" "$(cat /tmp/lost)"
	unload
	echo '!stacktrace' > $trigger
	kill $disturber
	wait $disturber 2> /dev/null
	echo $buffer_kb > $tracing/buffer_size_kb
	notifies_as=
}

echo 1 > /sys/kernel/rcu_expedited
echo $buffer_kb > $tracing/buffer_size_kb
for scenario in "$@"; do
	start=$(cut -d. -f1 /proc/uptime)
	case $scenario in
	function|function_graph|kprobe|events) traced "$scenario" ;;
	*) "$scenario" ;;
	esac
	echo "# $scenario took $(($(cut -d. -f1 /proc/uptime) - start)) s"
done
echo 0 > /sys/kernel/rcu_expedited

tap_end
