#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh NAME: builds the kernel of NAME.kunitconfig, unless the cache has it,
# and prints the folder that it is in.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/../lab/env.sh"

name=$1
config=$here/$name.kunitconfig
source=$DIAG_CACHE/linux-source-6.1
[ -e "$source/version" ] || {
	echo "kernel.sh: there is no kernel source in $DIAG_CACHE; run tests/lab/setup.sh kunit" >&2
	exit 1
}
key=$( (grep -v '^#' "$config"; cat "$source/version"; s390x-linux-gnu-gcc --version) | sha256sum | cut -c1-12)
dir=$DIAG_CACHE/kunit-$name-$key

exec 8> "$DIAG_CACHE/kunit-$name.lock"
flock 8
if [ ! -e "$dir/complete" ]; then
	rm -rf "$DIAG_CACHE/kunit-$name-"*
	mkdir -p "$dir"
	echo "# building the $name kernel, some 8 minutes, log in $dir/build.log" >&2
	# kunit.py wants to run in the source tree, and must not write to it.
	(cd "$source" && python3 -B tools/testing/kunit/kunit.py build --arch=s390 \
		--cross_compile=s390x-linux-gnu- --kunitconfig="$config" --build_dir="$dir" \
		--jobs="$(nproc)") > "$dir/build.log" 2>&1 ||
		{ tail -n 30 "$dir/build.log" >&2; exit 1; }
	touch "$dir/complete"
fi
echo "$dir"
