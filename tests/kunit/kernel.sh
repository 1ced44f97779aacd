#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh NAME [VERSION]: builds a kernel from the source of that version (default 6.1), unless
# the cache has it, and prints the folder that it is in. Its options are those of common.config
# and NAME.kunitconfig.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/../lab/env.sh"
. "$here/../lab/source.sh"

name=$1
version=${2:-6.1}
config=$here/$name.kunitconfig
key=$(kernel_key "$version" "$here/common.config" "$config")
dir=$DIAG_CACHE/kunit-$name-$key

exec 8> "$DIAG_CACHE/kunit-$name.lock"
flock 8
if [ ! -e "$dir/complete" ]; then
	rm -rf "$DIAG_CACHE/kunit-$name-"*
	mkdir -p "$dir"
	echo "# building the $name kernel takes some minutes, log in $dir/build.log" >&2
	# kunit.py wants to run in the source tree, and must not write to it.
	(cd "$DIAG_CACHE/linux-source-$version" && with_compiler "$version" \
		python3 -B tools/testing/kunit/kunit.py build --arch=s390 \
		--cross_compile=s390x-linux-gnu- --make_options="CC=$(compiler "$version")" \
		--kunitconfig="$here/common.config" --kunitconfig="$config" \
		--build_dir="$dir" --jobs="$(nproc)") \
		> "$dir/build.log" 2>&1 ||
		{ tail -n 30 "$dir/build.log" >&2; exit 1; }
	touch "$dir/complete"
fi
echo "$dir"
