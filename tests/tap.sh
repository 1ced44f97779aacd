# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# TAP from a shell script: "result NAME DETAILS" is one test, passed where there are no
# details; tap_end prints the plan and returns whether all have passed.
tap_tests=0
tap_failed=0

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

tap_end()
{
	echo "1..$tap_tests"
	[ $tap_failed = 0 ]
}
