#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# "make soak MINUTES=60" runs this on the emulated host. It disturbs guests as company.sh and
# faults do, in random order and mixed, until the time is over. The file minutes has the time.
# The file seed is empty, or has the seed of an earlier run. With that seed, the run repeats the
# order of the earlier run. The output is TAP.

. ./tap.sh
. ./guests.sh
cpu1=/sys/devices/system/cpu/cpu1/online
seed=$(cat ./seed)
[ -n "$seed" ] || seed=$(date +%s)
end=$(($(date +%s) + 60 * $(cat ./minutes)))
state=$seed
modprobe kvm
. ./first-guests.sh
echo "# seed $seed"

# random N: sets $picked to one of 0 to N-1. The same seed gives the same numbers.
random()
{
	state=$(((state * 1103515245 + 12345) % 2147483648))
	picked=$((state / 65536 % $1))
}

# toggle NAME: calls on_NAME and off_NAME in turn.
toggle()
{
	case " $active " in
	*" $1 "*) off_"$1"; active=$(echo " $active " | sed "s/ $1 / /") ;;
	*) on_"$1" && active="$active $1" ;;
	esac
}

is_active()
{
	case " $active " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

on_module() { insmod $module claim=0x500; }
off_module() { rmmod kvm_s390_diag; }
on_cpu1() { echo 1 > $cpu1 && sh ./first-guests.sh > /dev/null; }
off_cpu1() { echo 0 > $cpu1; }

# Ends a guest, or kills it.
end_one()
{
	all=$guests
	for guests in $all; do break; done
	rest=$(echo "$all " | sed "s/ $guests / /")
	if [ "$1" = kill ]; then
		kill -KILL "$guests"
		wait "$guests" 2> /dev/null
		rm /tmp/guest."$guests"
	else
		end_guests
		cat /tmp/lost
	fi
	guests=${rest% }
}

# Does one step. Prints the errors that it finds.
step()
{
	case $1 in
	0) # perf and the events keep the module's own event open.
		is_active perf || is_active events || toggle module ;;
	1) # perf has counters on each CPU that was online.
		is_active perf || toggle cpu1 ;;
	2) is_active function_graph || toggle function ;;
	3) is_active function || toggle function_graph ;;
	4) toggle kprobe ;;
	5) ! is_active module || toggle events ;;
	6) ! is_active module || ! is_active cpu1 || toggle perf ;;
	7|8) # shellcheck disable=SC2086
		set -- $guests
		if [ $# -lt 4 ]; then start_guests 1; else end_one; fi ;;
	9) # shellcheck disable=SC2086
		set -- $guests
		[ $# -lt 2 ] || end_one kill ;;
	esac
	go_on 50
}

mix()
{
	active=cpu1
	start_guests 2
	steps=
	for _ in $(seq 40); do
		random 10
		steps="$steps $picked"
		step "$picked"
	done > /tmp/report 2>&1
	for user in function function_graph kprobe events perf module; do
		! is_active $user || toggle $user
	done >> /tmp/report 2>&1
	is_active cpu1 || toggle cpu1
	end_guests
	result "steps$steps: no fault" "$(cat /tmp/report)"
	result "steps$steps: each of $issued notifications of the last guests is accounted for" \
		"$(cat /tmp/lost)"
}

# part COMMAND...: runs a separate test, which prints TAP.
part()
{
	if "$@" > /tmp/part 2>&1; then result "$*"; else result "$*" "$(cat /tmp/part)"; fi
}

while [ "$(date +%s)" -lt $end ]; do
	random 10
	case $picked in
	0) part ./faults churn; part ./faults offline ;;
	1) part ./faults memory ;;
	2) part ./faults thousand ;;
	3) part sh ./company.sh two_loads direct ;;
	4) part ./notify_race ;;
	5) part ./vm_lifetime ;;
	*) mix ;;
	esac
	dmesg -c > /tmp/log
	cat /tmp/log >> /out/log
	result "the kernel log is clean" "$(reports < /tmp/log)"
	echo "# $(((end - $(date +%s)) / 60)) minutes are left"
done

tap_end
