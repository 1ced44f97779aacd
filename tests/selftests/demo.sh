# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# "make demo" runs this on the host.
modprobe kvm
. ./first-guests.sh
exec ./diag_abi demo
