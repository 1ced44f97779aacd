#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# host-parts.sh DIR: creates in DIR the files that "make check-upgrade" takes to the
# host. old.tar has the files that "make install" installs for this version. new.tar has
# those of a newer version. upgrade.sh has the commands of "make upgrade".
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
make=${MAKE:-make}

rm -rf "$out"
mkdir -p "$out/source"
cd "$root"
$make --no-print-directory install DESTDIR="$out/old" AUTOLOAD=1
$make --no-print-directory --dry-run --old-file=install upgrade > "$out/upgrade.sh"
git ls-files -z -c -o --exclude-standard -- . ':!tests' |
	cpio --null --quiet --pass-through --make-directories "$out/source"
sed -i 's/^MODULE_VERSION("\(.*\)")/MODULE_VERSION("\1.1")/' "$out/source/attach.c"
$make --no-print-directory -C "$out/source" install DESTDIR="$out/new" AUTOLOAD=1
for tree in old new; do
	tar -c -f "$out/$tree.tar" -C "$out/$tree" --owner=root --group=root .
done
