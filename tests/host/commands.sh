# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What "make check-host" runs on the host. TAP, one plan after the other.
status=0
modprobe kvm
./vmm check || status=1
sh ./refusals.sh || status=1
sh ./trace.sh || status=1

# Whatever the tests did, the kernel has nothing to complain about.
dmesg > /out/log
if grep -E 'WARNING|BUG|Oops|Call Trace|Unable to handle|refcount' /out/log /out/log.*; then
	status=1
	echo "not ok 1 - the kernel log is clean"
else
	echo "ok 1 - the kernel log is clean"
fi
echo 1..1
exit $status
