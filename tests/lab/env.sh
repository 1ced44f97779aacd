# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Where the lab keeps what it has downloaded and built.
DIAG_CACHE=${DIAG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvm-s390-diag}
export DIAG_CACHE
