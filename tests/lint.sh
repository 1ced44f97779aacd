#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Static checks by the kernel's own tools. Speaks TAP. KBUILD and SOURCES come
# from the Makefile at the top.
cd "$(dirname "$0")/.." || exit 1
. tests/lab/env.sh
. tests/tap.sh
source=$DIAG_CACHE/linux-source-6.1
build=$PWD/build/lint
tracked=$(git ls-files)
userspace='^tests/(selftests|guests)/[^/]*\.[ch]$|^tests/bench/notify\.c$'
kernel_c=$(echo "$tracked" | grep '\.[ch]$' | grep -vE "$userspace")
userspace_c=$(echo "$tracked" | grep -E "$userspace")

# One header exists to compare versions; trace events are written like macros of
# their own language; userspace has its own integer types.
checkpatch()
{
	perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --show-types -f "$@" |
		grep -v '^total:'
}
for file in $kernel_c $userspace_c; do
	case $file in
	compat.h) ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON ;;
	trace.h) ignore=OPEN_ENDED_LINE,EMBEDDED_FILENAME ;;
	tests/selftests/modules/*) ignore=NONE ;;
	# VOLATILE: memory that a guest or a signal handler writes to.
	tests/selftests/*|tests/guests/*|tests/bench/notify.c) ignore=PREFER_KERNEL_TYPES,CAMELCASE,PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE ;;
	*) ignore=NONE ;;
	esac
	result "checkpatch --strict: $file" "$(checkpatch --ignore "$ignore" "$file")"
done

for file in *.h; do
	result "kernel-doc: $file" "$(perl "$source/scripts/kernel-doc" -none "$file" 2>&1)"
done
result "includes go down the list of design.rst" "$(tests/includes)"

rm -rf "$build"
mkdir -p "$build"
ln -s $SOURCES "$build"
output=$($KBUILD M="$build" W=1 modules 2>&1) || result "builds" "$output"
result "gcc W=1" "$(echo "$output" | grep -iE 'warning|error')"

$KBUILD M="$build" clean > /dev/null 2>&1
output=$($KBUILD M="$build" C=2 modules 2>&1) || result "builds with sparse" "$output"
result "sparse" "$(echo "$output" | grep -E 'CHECK' > /dev/null || echo 'sparse did not run'
	echo "$output" | grep -iE 'warning|error')"

# Each script by itself: coccicheck stops at the first that needs what is not there.
output=
for script in "$source"/scripts/coccinelle/*/*.cocci; do
	output=$output$(spatch --very-quiet -D report --no-show-diff --include-headers \
		--cocci-file "$script" $kernel_c 2>/dev/null | grep -E '^[^ ]+\.[ch]:[0-9]+')
done
result "coccinelle" "$output"

missing=
for file in $tracked; do
	case $file in
	COPYING|*.record|*.svg) continue ;;
	debian/changelog|debian/copyright|debian/source/format) continue ;;
	esac
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' || missing="$missing $file"
done
result "SPDX in every file" "$missing"

# Left behind by checkpatch.
rm -f .checkpatch-camelcase.*
tap_end
