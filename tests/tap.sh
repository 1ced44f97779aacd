# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# TAP from a shell script. Each call of result, same or succeeds is one test.

# Starts a plan. This file has started the first one.
tap_begin()
{
	tap_tests=0
	tap_failed=0
}
tap_begin

# result NAME OUTPUT: passes if OUTPUT is empty.
result()
{
	tap_tests=$((tap_tests + 1))
	if [ -z "$2" ]; then
		echo "ok $tap_tests - $1"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_tests - $1"
		echo "$2" | head -n 40 | sed 's/^/# /'
	fi
}

# same NAME EXPECTED GOT: passes if both texts are equal.
same()
{
	if [ "$2" = "$3" ]; then
		result "$1"
	else
		result "$1" "expected:
$2
got:
$3"
	fi
}

# succeeds NAME COMMAND...: passes if the command ends with exit status 0.
succeeds()
{
	name=$1
	shift
	if output=$("$@" 2>&1); then
		result "$name"
	else
		result "$name" "exit status $?
$output"
	fi
}

# skipped NAME REASON: reports a test that cannot run here.
skipped()
{
	tap_tests=$((tap_tests + 1))
	echo "ok $tap_tests - $1 # SKIP $2"
}

# Prints the lines of a kernel log, its input, that report a fault. reports.txt, in the current
# folder, has the expressions. As one expression, they take grep half a second in Hercules, in place
# of seven. Without the file, each line is a fault.
reports()
{
	grep -E "$(grep -v '^#' reports.txt | tr '\n' '|' | sed 's/|$//')" 2>&1
}

# Prints the plan. Fails if a test has failed or none has run.
tap_end()
{
	echo "1..$tap_tests"
	[ $tap_failed = 0 ] && [ $tap_tests != 0 ]
}
