# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What "make demo" runs on the host.
modprobe kvm
. ./first-guests.sh
exec ./diag_abi demo
