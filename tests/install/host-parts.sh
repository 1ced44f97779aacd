#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# host-parts.sh DIR: creates in DIR the files that "make check-upgrade" takes to the
# host. old.tar has the files that "make install" installs for this version. new.tar has
# those of a newer version. upgrade.sh has the commands of "make upgrade". IN_CHROOT is the
# Makefile's.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
make=${MAKE:-make}

# source_to NAME: copies the sources, which are built there. The tests stay here.
source_to()
{
	mkdir -p "$out/$1-source"
	git ls-files -z -c -o --exclude-standard -- . ':!tests' |
		cpio --null --quiet --pass-through --make-directories "$out/$1-source"
}

# install_from NAME: builds and installs what was copied.
install_from()
{
	$make --no-print-directory -C "$out/$1-source" install DESTDIR="$out/$1" AUTOLOAD=1 \
		IN_CHROOT="$IN_CHROOT"
	tar -c -f "$out/$1.tar" -C "$out/$1" --owner=root --group=root .
}

rm -rf "$out"
mkdir -p "$out"
cd "$root"
$make --no-print-directory --dry-run --old-file=install upgrade > "$out/upgrade.sh"
source_to old
source_to new
sed -i 's/^MODULE_VERSION("\(.*\)")/MODULE_VERSION("\1.1")/' "$out/new-source/attach.c"
install_from old
install_from new
