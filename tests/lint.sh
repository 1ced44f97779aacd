#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Static checks by the kernel's own tools, by shellcheck, pyflakes and parso. Speaks TAP. The
# Makefile at the top gives KBUILD and SOURCES.
cd "$(dirname "$0")/.." || exit 1
. tests/lab/env.sh
. tests/tap.sh
source=$DIAG_CACHE/linux-source-6.1
build=$PWD/build/lint
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# A check without its tool must not pass.
missing=
for tool in git perl sparse spatch shellcheck pyflakes3; do
	command -v $tool > /dev/null || missing="$missing $tool"
done
for file in checkpatch.pl kernel-doc coccinelle; do
	[ -e "$source/scripts/$file" ] || missing="$missing $source/scripts/$file"
done
if [ -z "$KBUILD" ] || [ -z "$SOURCES" ]; then
	missing="$missing KBUILD SOURCES"
fi
if [ -n "$missing" ]; then
	echo "Bail out! lint lacks$missing; run \"make setup-kunit\" and \"make lint\""
	exit 1
fi

tracked=$(git ls-files -c -o --exclude-standard | while read -r file; do
	[ ! -e "$file" ] || echo "$file"
done)
userspace='^tests/(selftests|guests|prove|tailjump|lab)/[^/]*\.[ch]$|^tests/prove/include/|^tests/bench/notify\.c$'
kernel_c=$(echo "$tracked" | grep '\.[ch]$' | grep -vE "$userspace")
userspace_c=$(echo "$tracked" | grep -E "$userspace")

# with_shebang PATTERN: the files whose first line matches.
with_shebang()
{
	for file in $tracked; do
		head -n 1 "$file" | grep -q "$1" && echo "$file"
	done
}

# checkpatch.pl ends with the number of errors, warnings, checks and lines.
checkpatch()
{
	perl "$source/scripts/checkpatch.pl" --no-tree --strict --emacs --show-types -f "$@" 2>&1 |
		awk '/^[^ ]+:[0-9]+: / { print }
			/^total: / { complete = $NF == "checked" && $(NF - 2) > 0; total = $0 }
			END {
				if (total !~ /: 0 errors, 0 warnings, 0 checks,/)
					print total
				if (!complete)
					print "checkpatch did not check the file"
			}'
}

# Trace events have a syntax of their own; userspace has its own integer types.
for file in $kernel_c $userspace_c; do
	case $file in
	trace.h) ignore=OPEN_ENDED_LINE,EMBEDDED_FILENAME,PARENTHESIS_ALIGNMENT ;;
	tests/selftests/modules/*) ignore=NONE ;;
	tests/tailjump/kernel.h) ignore=PREFER_DEFINED_ATTRIBUTE_MACRO ;;
	# VOLATILE: memory that a guest or a signal handler writes to.
	tests/selftests/*|tests/guests/*|tests/bench/notify.c) ignore=PREFER_KERNEL_TYPES,CAMELCASE,PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE ;;
	*) ignore=NONE ;;
	esac
	result "checkpatch --strict: $file" "$(checkpatch --ignore "$ignore" "$file")"
done

# kernel-doc -man writes a page with .TH for each entry that it has seen.
for file in $(grep -l '^/\*\*' $kernel_c); do
	perl "$source/scripts/kernel-doc" -man "$file" > "$work/man" 2> "$work/doc"
	status=$?
	grep -q '^\.TH' "$work/man" || echo "kernel-doc has seen no entry" >> "$work/doc"
	[ $status = 0 ] || echo "exit status $status" >> "$work/doc"
	result "kernel-doc: $file" "$(cat "$work/doc")"
done

result "includes go down the list of design.rst" "$(tests/includes 2>&1)"

rm -rf "$build"
mkdir -p "$build"
ln -s $SOURCES "$build"
built=$(for file in $SOURCES; do
	case $file in
	*/refuse.c) ;;
	*.c) basename "$file" .c ;;
	esac
done)

# complaints WHAT LOG: the tool must have read each source, and must have no complaint.
complaints()
{
	for name in $built; do
		grep -qE "^ *$1 .*/$name\.[co]\$" "$2" || echo "$name.c has not been checked"
	done
	grep -iE 'warning|error' "$2"
}

$KBUILD M="$build" W=1 modules > "$work/log" 2>&1 || result "builds" "$(cat "$work/log")"
result "gcc W=1" "$(complaints 'CC \[M\]' "$work/log")"
$KBUILD M="$build" clean > /dev/null 2>&1
$KBUILD M="$build" C=2 modules > "$work/log" 2>&1 || result "builds with sparse" "$(cat "$work/log")"
result "sparse" "$(complaints CHECK "$work/log")"

# Silence of these tools means something only if they find a known defect.
cat > "$work/known.c" <<-KNOWN
	#include <linux/kernel.h>
	static char *null = 0;
	static int array[3];
	static int size(void)
	{
		return sizeof(array) / sizeof(array[0]);
	}
KNOWN
result "sparse finds a known defect" "$(sed 1d "$work/known.c" | sparse - 2>&1 |
	grep -q 'plain integer as NULL' || echo 'it does not')"
result "coccinelle finds a known defect" "$(spatch --very-quiet -D report --no-show-diff \
	--cocci-file "$source/scripts/coccinelle/misc/array_size.cocci" "$work/known.c" 2>&1 |
	grep -q 'Use ARRAY_SIZE' || echo 'it does not')"

# Each script by itself: coccicheck stops at the first script that needs a missing feature.
# Two scripts need OCaml, which Debian's coccinelle does without.
scripts=0
for script in "$source"/scripts/coccinelle/*/*.cocci; do
	! grep -q 'script:ocaml' "$script" || continue
	scripts=$((scripts + 1))
	spatch --very-quiet -D report --no-show-diff --include-headers \
		--cocci-file "$script" $kernel_c > "$work/out" 2> "$work/err" ||
		{ echo "$script: spatch: exit status $?"; tail -n 3 "$work/err"; } >> "$work/cocci"
	grep -E '^[^ ]+\.[ch]:[0-9]+' "$work/out" >> "$work/cocci"
done
[ $scripts -ge 60 ] || echo "only $scripts scripts in $source" >> "$work/cocci"
result "coccinelle, $scripts scripts" "$(cat "$work/cocci" 2> /dev/null)"

# SC1091: a file that only the host has cannot be followed.
shell=$(with_shebang '^#!/bin/sh'; echo "$tracked" | grep '\.\(ba\)\?sh$')
for file in $(echo "$shell" | sort -u); do
	result "shellcheck: $file" "$(shellcheck --severity=warning --exclude=SC1091 --format=gcc \
		--external-sources --source-path=SCRIPTDIR --source-path=tests "$file" 2>&1)"
done
python=$(with_shebang '^#!.*python3'; echo "$tracked" | grep '\.py$')
for file in $(echo "$python" | sort -u); do
	result "pyflakes: $file" "$(pyflakes3 "$file" 2>&1)"
done

# The reader runs on hosts that have Python 3.6.
cat > "$work/new.py" <<-NEW
	import subprocess, sys
	print(f"{sys.path=}")
	subprocess.run(["true"], capture_output=True)
	sys.stdout.reconfigure(errors="replace")
	"text".isascii()
NEW
same "python36 finds what Python 3.6 does not have" "2 3 4 5" \
	"$(tests/python36 "$work/new.py" | cut -d: -f2 | sort -nu | xargs)"
result "python36: tools/kvm-s390-diag-stat" "$(tests/python36 tools/kvm-s390-diag-stat 2>&1)"

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
