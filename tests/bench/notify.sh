# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What "make bench" runs on the host.
modprobe kvm
. ./first-guests.sh
uname -r > /out/release
# Shown as it comes, and kept.
{ ./notify; echo $? > /tmp/status; } | tee /out/log
exit "$(cat /tmp/status)"
