#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the guest's kernel from guest.config if the cache does not have it. Prints the
# name of its file.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/../lab/env.sh"
. "$here/../lab/source.sh"

source=$DIAG_CACHE/linux-source-6.1
key=$(kernel_key 6.1 "$here/guest.config")
image=$DIAG_CACHE/guests/kernel-$key

exec 8> "$DIAG_CACHE/guests/lock"
flock 8
if [ ! -e "$image" ]; then
	dir=$DIAG_CACHE/guests/build
	rm -rf "$dir" "$DIAG_CACHE"/guests/kernel-*
	mkdir -p "$dir"
	echo "# building the guest's kernel takes about 3 minutes; the log is $dir/log" >&2
	build()
	{
		make -C "$source" O="$dir" ARCH=s390 CROSS_COMPILE=s390x-linux-gnu- \
			-j"$(nproc)" KCONFIG_ALLCONFIG="$here/guest.config" "$@" >> "$dir/log" 2>&1 ||
			{ tail -n 30 "$dir/log" >&2; exit 1; }
	}
	build allnoconfig
	# Kconfig drops options that are not possible. A guest would show that only when it
	# needs one of them.
	for line in $(grep '^CONFIG_' "$here/guest.config"); do
		grep -qx "$line" "$dir/.config" ||
			{ echo "kernel.sh: $line is not possible with this source" >&2; exit 1; }
	done
	build bzImage
	mv "$dir/arch/s390/boot/bzImage" "$image"
	rm -rf "$dir"
fi
echo "$image"
