# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# For scripts that build kernels, after env.sh. VERSION is that of a kernel source: 6.1 or
# testing. The compiler for 6.1 is this machine's, that for testing is in a chroot.

# with_compiler VERSION COMMAND...: runs a command where the compiler for that version is.
with_compiler()
{
	if [ "$1" = 6.1 ]; then
		shift
		"$@"
	else
		"${here:?}/../lab/in-chroot" "$@"
	fi
}

# compiler VERSION: prints the name of the compiler for that version.
compiler()
{
	[ "$1" != 6.1 ] || { echo s390x-linux-gnu-gcc; return; }
	for path in "$DIAG_CACHE/chroot-$1"/usr/bin/s390x-linux-gnu-gcc-[0-9]*; do :; done
	echo "${path##*/}"
}

# kernel_key VERSION CONFIG...: prints a key. The key changes with the source, the compiler and
# the options.
kernel_key()
{
	key_version=$1
	shift
	[ -e "$DIAG_CACHE/linux-source-$key_version/version" ] || {
		echo "$0: there is no kernel source $key_version in $DIAG_CACHE; run tests/lab/setup.sh" >&2
		return 1
	}
	(grep -hv '^#' "$@"; cat "$DIAG_CACHE/linux-source-$key_version/version"
		with_compiler "$key_version" "$(compiler "$key_version")" --version) |
		sha256sum | cut -c1-12
}
