# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Functions for scripts that disturb running guests. Each guest is a ./notifies, which
# accounts for every notification of its guest by an eventfd count or an exit.
tracing=/sys/kernel/tracing
kvm=/sys/kernel/debug/kvm
diag=$kvm/kvm-s390-diag
# shellcheck disable=SC2034,SC2100 # for the scripts that read this file
module=kvm-s390-diag.ko
guests=

# wait_until COMMAND...: fails if the command does not succeed within a minute. After one
# failure it does not wait again, so that a script with a dead guest ends soon.
wait_until()
{
	limit=$(($(date +%s) + ${patience:-60}))
	until "$@"; do
		[ "$(date +%s)" -lt $limit ] || { patience=0; return 1; }
		usleep 20000
	done
}

# Prints how many notifications a guest has issued. KVM counts them with and without the
# module. $1 is the process of the guest.
notified()
{
	cat $kvm/"$1"-*/instruction_diagnose_500 2> /dev/null || echo 0
}

has_notified()
{
	[ "$(notified "$1")" -ge "$2" ]
}

# go_on [NUMBER]: waits until each guest has issued this many more notifications. Prints
# the guests that do not.
# shellcheck disable=SC2120
go_on()
{
	for guest in $guests; do
		wait_until has_notified "$guest" $(($(notified "$guest") + ${1:-300})) ||
			echo "the guest of process $guest stands still"
	done
}

# start_guests NUMBER [COMMAND...]: starts guests, and waits until they notify. The guest's
# program is run by the command, for example by taskset. It gets the argument $notifies_as, if
# that is set.
start_guests()
{
	number=$1
	shift
	for guest in $(seq "$number"); do
		sh -c 'exec "$@" > /tmp/guest.$$ 2>&1' sh "$@" \
			./notifies ${notifies_as:+"$notifies_as"} 4>&- 5>&- &
		guests="$guests $!"
	done
	go_on
}

# Ends the guests. Sets $issued, $events and $exits to their sums. If a guest has failed or
# has lost a notification, writes its output to /tmp/lost.
end_guests()
{
	issued=0 events=0 exits=0
	# shellcheck disable=SC2086
	kill -TERM $guests
	for guest in $guests; do
		wait "$guest" || echo "exit status $?: $(cat /tmp/guest."$guest")"
		numbers=$(sed -n '/ notifications, .* exits$/s/[^0-9 ]//gp' /tmp/guest."$guest")
		[ -n "$numbers" ] || continue
		# shellcheck disable=SC2086
		set -- $numbers
		issued=$((issued + $1)) events=$((events + $2)) exits=$((exits + $3))
		rm /tmp/guest."$guest"
	done > /tmp/lost
	guests=
}

# counted [PREFIX]: prints the sum of the counters that start with the prefix.
counted()
{
	sed -n "s/^$1[a-z_]* //p" $diag/total 2> /dev/null |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# watch COMMAND...: starts a program that counts until its input ends, and waits until it is
# attached. If the program ends instead, returns its exit status and sets $refused to its
# output.
watch()
{
	mkfifo /tmp/watch.in /tmp/watch.out
	"$@" < /tmp/watch.in > /tmp/watch.out 2>&1 &
	watcher=$!
	exec 4> /tmp/watch.in 5< /tmp/watch.out
	rm /tmp/watch.in /tmp/watch.out
	read -r refused <&5
	[ "$refused" = attached ] && return
	exec 4>&- 5<&-
	wait $watcher
}

# Prints what the program has counted.
watched()
{
	echo >&4
	read -r line <&5
	echo "$line"
}

unwatch()
{
	exec 4>&- 5<&-
	wait $watcher
}

# Each user of KVM's DIAGNOSE handler has three functions: on_NAME starts it, off_NAME stops
# it, and seen_NAME prints how many DIAGNOSEs it has seen.

# Prints how many entries the trace buffers have taken.
entries()
{
	awk '$1 == "entries:" || $1 == "overrun:" { sum += $2 } END { print sum + 0 }' \
		$tracing/per_cpu/cpu*/stats
}

on_tracer()
{
	echo kvm_s390_handle_diag > $tracing/set_ftrace_filter
	echo "$1" > $tracing/current_tracer
	echo 1 > $tracing/tracing_on
}

off_tracer()
{
	echo nop > $tracing/current_tracer
	echo > $tracing/set_ftrace_filter
}

on_function() { on_tracer function; }
off_function() { off_tracer; }
seen_function() { entries; }

on_function_graph() { on_tracer function_graph; }
off_function_graph() { off_tracer; }
# One entry in the trace when the function is entered, and one when it returns.
seen_function_graph() { echo $(($(entries) / 2)); }

on_kprobe()
{
	echo 'p:diag_in kvm:kvm_s390_handle_diag' > $tracing/kprobe_events
	echo 'r:diag_out kvm:kvm_s390_handle_diag' >> $tracing/kprobe_events
	echo 1 > $tracing/events/kprobes/enable
}

off_kprobe()
{
	echo 0 > $tracing/events/kprobes/enable
	echo > $tracing/kprobe_events
}

# Prints the hits of the kprobe, if the kretprobe has as many.
seen_kprobe()
{
	awk '$1 == "diag_in" { calls = $2 }
		$1 == "diag_out" { returns = $2 }
		END { print calls == returns ? calls : 0 }' \
		$tracing/kprobe_profile
}

on_events()
{
	echo 1 > $tracing/tracing_on
	echo 1 > $tracing/events/kvm/kvm_s390_handle_diag/enable
	echo 1 > $tracing/events/kvm_s390_diag/enable
}

off_events()
{
	echo 0 > $tracing/events/kvm/kvm_s390_handle_diag/enable
	echo 0 > $tracing/events/kvm_s390_diag/enable
}

# KVM's event and the module's.
seen_events() { echo $(($(entries) / 2)); }

# KVM's event, the module's, and a kprobe.
on_perf()
{
	watch ./perf_count "$(cat $tracing/events/kvm/kvm_s390_handle_diag/id)" \
		"$(cat $tracing/events/kvm_s390_diag/kvm_s390_diag/id)" kvm_s390_handle_diag ||
		echo "perf does not count: $refused"
}

off_perf() { unwatch; }

seen_perf()
{
	watched | awk '$1 == $2 && $2 == $3 { print $1 } $1 != $2 || $2 != $3 { print 0 }'
}

on_direct() { busybox insmod direct.ko; }
off_direct() { rmmod direct; }
seen_direct() { cat /sys/module/direct/parameters/calls; }

on_bpf() { watch ./bpf_fentry; }
off_bpf() { unwatch; }
seen_bpf() { watched; }
