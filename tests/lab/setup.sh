#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh [host|host-6.12|kunit|docs|install|guests|prove]...
#
# Sets up an amd64 Debian 12 machine for building and testing. Without an argument it
# sets up all parts. It installs packages on the machine. It fills a cache folder outside
# the tree with the s390x kernels of the hosts, their headers and busybox, with QEMU and
# other tools for the hosts, and with the kernel's source. It runs as root, and skips
# every step that an earlier run has completed.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/env.sh"

packages="ca-certificates cpio gcc-s390x-linux-gnu iproute2 kmod
	libc6-dev-s390x-cross python3 util-linux xz-utils"
packages_host="gnuplot-nox hercules linux-source-6.1"
packages_host_6_12=debootstrap
packages_kunit="bc bison coccinelle flex gcc libc6-dev libelf-dev libssl-dev linux-source-6.1
	perl pyflakes3 qemu-system-misc shellcheck sparse"
packages_docs="linux-source-6.1 perl python3-sphinx"
packages_install="debhelper dh-dkms dkms dpkg-dev git groff-base lintian mandoc openssl python3
	python3-pexpect python3-pyte"
packages_prove="gcc libc6-dev"
packages_guests="bc binutils-s390x-linux-gnu bison flex gcc libc6-dev libelf-dev libssl-dev
	linux-source-6.1 perl python3-pexpect qemu-system-misc"

say()
{
	echo "setup: $*"
}

die()
{
	echo "setup: $*" >&2
	exit 1
}

# The hosts' package lists are kept in a folder of their own for each release of Debian.
# The lists of the machine's own apt and dpkg do not change.
s390x_apt()
{
	APT_CONFIG=$DIAG_CACHE/apt/$suite/apt.conf "$@"
}

s390x_lists()
{
	apt=$DIAG_CACHE/apt/$suite
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	cat > "$apt/apt.conf" <<-CONF
		Dir::State::lists "$apt/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt";
		APT::Architecture "s390x";
		APT::Architectures { "s390x"; "amd64"; };
		APT::Sandbox::User "root";
	CONF
	if [ "$suite" != bookworm ]; then
		# The archive that the machine's own packages come from.
		echo "deb $(archive) $suite main" > "$apt/sources.list"
		cat >> "$apt/apt.conf" <<-CONF
			Dir::Etc::sourcelist "$apt/sources.list";
			Dir::Etc::sourceparts "/dev/null";
		CONF
	fi
	say "reading the lists of $suite's s390x packages"
	s390x_apt apt-get -qq update
}

# Prints the address of the archive that the machine's own packages come from.
archive()
{
	apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Codename: bookworm' | sort -u |
		grep . || die "the machine's own package lists name no archive of Debian; run apt-get update"
}

machine_packages()
{
	missing=
	for package in $packages; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null |
			grep -q '^ii' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	apt-get -qq -o DPkg::Lock::Timeout=600 update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
		install --no-install-recommends $missing >"$DIAG_CACHE/install.log" 2>&1 ||
		die "installing packages failed, see $DIAG_CACHE/install.log"
}

# depends_of PACKAGE PREFIX: prints the first dependency with this prefix, such as
# linux-image-6.1.0-50-s390x.
depends_of()
{
	s390x_apt apt-cache depends "$1" |
		awk -v prefix="$2" '$1 == "Depends:" && index($2, prefix) == 1 { print $2; exit }'
}

# host VERSION: fetches a host's kernel from Debian's release $suite.
host()
{
	dir=$DIAG_CACHE/host-$1
	[ -e "$dir/release" ] && return 0
	s390x_lists
	image=$(depends_of linux-image-s390x linux-image-)
	release=${image#linux-image-}
	[ -n "$release" ] || die "the package lists name no s390x kernel; is the archive reachable?"
	kbuild=$(depends_of "linux-headers-$release" linux-kbuild-)
	say "fetching the host's kernel $release, its headers and busybox"
	rm -rf "$dir"
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && s390x_apt apt-get -qq download "$image" \
		"linux-headers-$release" "linux-headers-${release%-s390x}-common" \
		"${kbuild%:*}:amd64" busybox-static)
	for deb in "$dir"/debs/*.deb; do
		dpkg -x "$deb" "$dir/root"
	done
	rm -r "$dir/debs"
	# Newer releases install below /usr. Links keep the old paths working.
	for folder in bin lib; do
		[ -e "$dir/root/$folder" ] || ln -s "usr/$folder" "$dir/root/$folder"
	done
	# The host's busybox cannot load compressed modules.
	find "$dir/root/lib/modules/" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$dir/root" "$release"
	# The headers' Makefile refers to the installed folders.
	sed -i "s,/usr/\(src\|lib\)/,$dir/root/usr/\1/," "$dir/root/usr/src/linux-headers-$release/Makefile"
	ln -s "root/usr/src/linux-headers-$release" "$dir/build"
	echo "$release" > "$dir/release"
}

# Modules for Debian 13's kernel need that release's compiler and kbuild tools. These do
# not run on Debian 12 itself, so they run in a chroot: see in-chroot.
chroot_6_12()
{
	dir=$DIAG_CACHE/chroot-6.12
	[ -e "$dir/complete" ] && return 0
	say "making the chroot that modules for 6.12 are built in"
	rm -rf "$dir"
	debootstrap --variant=minbase --include=dwarves,gcc-14-s390x-linux-gnu,libelf1t64,libssl3t64,make,perl \
		trixie "$dir" "$(archive)" > "$DIAG_CACHE/chroot.log" 2>&1 ||
		die "debootstrap failed, see $DIAG_CACHE/chroot.log"
	touch "$dir/complete"
}

# Installs CBMC, which Debian 12 does not have.
chroot_cbmc()
{
	[ ! -x "$DIAG_CACHE/chroot-6.12/usr/bin/cbmc" ] || return 0
	say "installing CBMC in the chroot of 6.12"
	"$here/in-chroot" 6.12 sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update
		apt-get -qq -y install --no-install-recommends cbmc
		apt-get clean' > "$DIAG_CACHE/cbmc.log" 2>&1 ||
		die "installing CBMC failed, see $DIAG_CACHE/cbmc.log"
}

# Fetches Python and kmod for the host.
host_tools()
{
	tar=$DIAG_CACHE/tools-s390x.tar
	[ -e "$tar" ] && return 0
	s390x_lists
	stdlib=$(depends_of libpython3-stdlib libpython)
	python=${stdlib#lib}
	python=${python%-stdlib}
	say "fetching $python and kmod for the host"
	dir=$DIAG_CACHE/tools-s390x
	rm -rf "$dir"
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && s390x_apt apt-get -qq download kmod libc6 libexpat1 libkmod2 liblzma5 \
		"lib$python-minimal" "$stdlib" libssl3 libzstd1 "$python-minimal" zlib1g)
	for deb in "$dir"/debs/*.deb; do
		dpkg -x "$deb" "$dir/root"
	done
	ln -s "$python" "$dir/root/usr/bin/python3"
	tar -c -f "$tar.new" -C "$dir/root" --exclude=./usr/share --exclude='*/gconv' .
	mv "$tar.new" "$tar"
	rm -r "$dir"
}

# collect FROM TO FILE...: copies files and the shared libraries that they need from one
# tree to another.
collect()
{
	from=$1 to=$2
	shift 2
	while [ $# -gt 0 ]; do
		file=$1
		shift
		[ ! -e "$to/$file" ] || continue
		mkdir -p "$to/${file%/*}"
		cp -L "$from/$file" "$to/$file"
		for name in $(s390x-linux-gnu-readelf -d "$from/$file" 2> /dev/null |
				sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
			for folder in lib/s390x-linux-gnu usr/lib/s390x-linux-gnu; do
				[ ! -e "$from/$folder/$name" ] || set -- "$@" "$folder/$name"
			done
		done
	done
}

# Fetches QEMU for the host, and e2fsprogs for its guests.
guest_tools()
{
	dir=$DIAG_CACHE/guests
	[ -e "$dir/complete" ] && return 0
	s390x_lists
	say "fetching QEMU and e2fsprogs for s390x"
	rm -rf "$dir"
	mkdir -p "$dir/debs"
	closure=$(s390x_apt apt-get -s install --no-install-recommends \
		qemu-system-misc e2fsprogs | awk '$1 == "Inst" { print $2 }')
	[ -n "$closure" ] || die "apt finds no qemu-system-misc for s390x; is the archive reachable?"
	(cd "$dir/debs" && s390x_apt apt-get -qq download $closure)
	for deb in "$dir"/debs/*.deb; do
		dpkg -x "$deb" "$dir/root"
	done
	collect "$dir/root" "$dir/qemu" usr/bin/qemu-system-s390x lib/ld64.so.1 \
		usr/share/qemu/s390-ccw.img
	collect "$dir/root" "$dir/tools" sbin/mke2fs sbin/e2fsck lib/ld64.so.1
	rm -r "$dir/debs" "$dir/root"
	touch "$dir/complete"
}

# Unpacks the kernel's source. KUnit kernels are built from it, and the kernel's own
# selftests and tools come from it.
kernel_source()
{
	dir=$DIAG_CACHE/linux-source-6.1
	version=$(dpkg-query -W -f='${Version}' linux-source-6.1)
	[ "$(cat "$dir/version" 2>/dev/null)" = "$version" ] && return 0
	say "unpacking the kernel's source, $version"
	rm -rf "$dir"
	tar -C "$DIAG_CACHE" -xJf /usr/src/linux-source-6.1.tar.xz
	echo "$version" > "$dir/version"
}

[ "$(id -u)" = 0 ] || die "run as root: it installs packages"
[ "$(dpkg --print-architecture)" = amd64 ] || die "the lab runs on amd64 machines"

mkdir -p "$DIAG_CACHE"
exec 9> "$DIAG_CACHE/lock"
flock 9

parts=${*:-host host-6.12 kunit docs install guests prove}
for part in $parts; do
	case $part in
	host) packages="$packages $packages_host" ;;
	host-6.12) packages="$packages $packages_host $packages_host_6_12" ;;
	kunit) packages="$packages $packages_kunit" ;;
	docs) packages="$packages $packages_docs" ;;
	prove) packages="$packages $packages_host $packages_host_6_12 $packages_prove" ;;
	install) packages="$packages $packages_install" ;;
	guests) packages="$packages $packages_host $packages_guests" ;;
	*) die "there is no part '$part'" ;;
	esac
done
machine_packages

# Every part but the pages needs the headers or the busybox of the 6.1 host.
suite=bookworm
[ "$parts" = docs ] || host 6.1
for part in $parts; do
	case $part in
	host|kunit|docs) kernel_source ;;
	host-6.12) (suite=trixie; host 6.12; chroot_6_12) ;;
	prove) (suite=trixie; host 6.12; chroot_6_12; chroot_cbmc) ;;
	install) host_tools ;;
	guests) kernel_source; guest_tools ;;
	esac
done
say "ready for $parts in $DIAG_CACHE"
