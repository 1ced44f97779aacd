# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# TAP for the scripts in this folder.
tests=0
failed=0

# result NAME OUTPUT: passed where there is no output.
result()
{
	tests=$((tests + 1))
	if [ -z "$2" ]; then
		echo "ok $tests - $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $1"
		echo "$2" | head -n 40 | sed 's/^/# /'
	fi
}

# same NAME EXPECTED GOT
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

# succeeds NAME COMMAND...: passed where the command ends with 0.
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

# The last line of a script: its plan, and its exit status.
done_testing()
{
	echo "1..$tests"
	[ $failed = 0 ]
}
