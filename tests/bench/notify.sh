# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# "make bench" runs this on the host.
modprobe kvm
. ./first-guests.sh
uname -r > /out/release
# The output goes to the console and to a file.
{ ./notify; echo $? > /tmp/status; } | tee /out/log
exit "$(cat /tmp/status)"
