#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh [host|kunit]...
#
# Sets an amd64 Debian 12 machine up for building and testing (default: for all
# of it). Packages go on the machine; the s390x kernel of the host with its
# headers and its busybox, and the kernel's source, into a cache folder outside
# the tree. Runs as root; does nothing twice.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/env.sh"

packages="ca-certificates cpio gcc-s390x-linux-gnu iproute2 kmod
	libc6-dev-s390x-cross python3 util-linux xz-utils"
packages_host="gnuplot-nox hercules"
packages_kunit="bc bison coccinelle flex gcc libc6-dev libelf-dev libssl-dev linux-source-6.1
	perl qemu-system-misc
	sparse"

say()
{
	echo "setup: $*"
}

die()
{
	echo "setup: $*" >&2
	exit 1
}

# The lists of the s390x packages are kept apart: the machine's own dpkg and apt
# go on to know nothing but their architecture.
s390x_apt()
{
	APT_CONFIG=$DIAG_CACHE/apt/apt.conf "$@"
}

s390x_lists()
{
	apt=$DIAG_CACHE/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	cat > "$apt/apt.conf" <<-CONF
		Dir::State::lists "$apt/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt";
		APT::Architecture "s390x";
		APT::Architectures { "s390x"; "amd64"; };
		APT::Sandbox::User "root";
	CONF
	say "reading the lists of s390x packages"
	s390x_apt apt-get -qq update
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

# What the meta package stands for, as linux-image-6.1.0-50-s390x.
depends_of()
{
	s390x_apt apt-cache depends "$1" | awk '$1 == "Depends:" { print $2; exit }'
}

host_6_1()
{
	dir=$DIAG_CACHE/host-6.1
	[ -e "$dir/release" ] && return 0
	s390x_lists
	image=$(depends_of linux-image-s390x)
	release=${image#linux-image-}
	[ -n "$release" ] || die "the package lists name no s390x kernel; is the archive reachable?"
	say "fetching the host's kernel $release, its headers and busybox"
	rm -rf "$dir"
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && s390x_apt apt-get -qq download "$image" \
		"linux-headers-$release" "linux-headers-${release%-s390x}-common" \
		linux-kbuild-6.1:amd64 busybox-static)
	for deb in "$dir"/debs/*.deb; do
		dpkg -x "$deb" "$dir/root"
	done
	rm -r "$dir/debs"
	depmod -b "$dir/root" "$release"
	# The headers name the folder that the package installs them to.
	sed -i "s,/usr/src/,$dir/root/usr/src/," "$dir/root/usr/src/linux-headers-$release/Makefile"
	ln -s "root/usr/src/linux-headers-$release" "$dir/build"
	echo "$release" > "$dir/release"
}

# KUnit kernels are built from it, and tools of the kernel are taken from it.
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

parts=${*:-host kunit}
for part in $parts; do
	case $part in
	host) packages="$packages $packages_host" ;;
	kunit) packages="$packages $packages_kunit" ;;
	*) die "there is no part '$part'" ;;
	esac
done
machine_packages
# The headers and the busybox of the host serve everywhere.
host_6_1
case $parts in
*kunit*) kernel_source ;;
esac
say "ready for $parts: $(cat "$DIAG_CACHE/host-6.1/release") in $DIAG_CACHE"
