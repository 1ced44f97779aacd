# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Sets DIAG_CACHE, the folder for everything that the lab downloads and builds.
DIAG_CACHE=${DIAG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvm-s390-diag}
export DIAG_CACHE
