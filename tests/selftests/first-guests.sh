# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# In Hercules the first guest after a boot that runs with DAT on fetches zeros in place of
# its instructions, on each CPU once, with or without the module. Here these have their run,
# so that what follows is what is looked at.
for cpu in $(seq 0 $(($(nproc) - 1))); do
	tries=1
	until taskset $((1 << cpu)) ./sync_regs_test > /dev/null 2>&1 || [ $tries = 10 ]; do
		tries=$((tries + 1))
	done
	echo "# CPU $cpu: a guest runs at try $tries"
done
