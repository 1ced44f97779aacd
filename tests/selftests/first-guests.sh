# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Works around a fault of Hercules. On each CPU, the first guest after a boot that runs with
# DAT on fetches zeros instead of its instructions, with or without the module. This script
# runs such a guest on each CPU before the tests begin.
for cpu in $(seq 0 $(($(nproc) - 1))); do
	tries=1
	until taskset $((1 << cpu)) ./sync_regs_test > /dev/null 2>&1 || [ $tries = 10 ]; do
		tries=$((tries + 1))
	done
	echo "# CPU $cpu: a guest runs at attempt $tries"
done
