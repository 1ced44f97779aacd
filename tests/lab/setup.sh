#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh [host|host-6.12|kunit]...
#
# Sets an amd64 Debian 12 machine up for building and testing (default: for all
# of it). Packages go on the machine; the s390x kernels of the hosts with their
# headers and their busybox, and the kernel's source, into a cache folder outside
# the tree. Runs as root; does nothing twice.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/env.sh"

packages="ca-certificates cpio gcc-s390x-linux-gnu iproute2 kmod
	libc6-dev-s390x-cross python3 util-linux xz-utils"
packages_host="gnuplot-nox hercules linux-source-6.1"
packages_host_6_12=debootstrap
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

# The lists of the hosts' packages are kept apart, for each release of Debian: the
# machine's own dpkg and apt go on to know nothing but their own.
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
		# From where the machine has its own packages.
		echo "deb $(archive) $suite main" > "$apt/sources.list"
		cat >> "$apt/apt.conf" <<-CONF
			Dir::Etc::sourcelist "$apt/sources.list";
			Dir::Etc::sourceparts "/dev/null";
		CONF
	fi
	say "reading the lists of $suite's s390x packages"
	s390x_apt apt-get -qq update
}

# The address that the machine has Debian's packages from.
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

# depends_of PACKAGE PREFIX: what it depends on, as linux-image-6.1.0-50-s390x.
depends_of()
{
	s390x_apt apt-cache depends "$1" |
		awk -v prefix="$2" '$1 == "Depends:" && index($2, prefix) == 1 { print $2; exit }'
}

# host VERSION: the kernel of a host, as Debian has it in $suite.
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
	# Where packages have moved to /usr, what they hold is found at the old places too.
	for folder in bin lib; do
		[ -e "$dir/root/$folder" ] || ln -s "usr/$folder" "$dir/root/$folder"
	done
	# The host's busybox loads none that is compressed.
	find "$dir/root/lib/modules/" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$dir/root" "$release"
	# The headers name the folders that the packages install them to.
	sed -i "s,/usr/\(src\|lib\)/,$dir/root/usr/\1/," "$dir/root/usr/src/linux-headers-$release/Makefile"
	ln -s "root/usr/src/linux-headers-$release" "$dir/build"
	echo "$release" > "$dir/release"
}

# Modules for Debian 13's kernel are built by its own compiler and kbuild tools, which
# Debian 12 cannot run by themselves: see in-chroot.
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

# KUnit kernels are built from it, selftests and tools of the kernel are taken from it.
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

parts=${*:-host host-6.12 kunit}
for part in $parts; do
	case $part in
	host) packages="$packages $packages_host" ;;
	host-6.12) packages="$packages $packages_host $packages_host_6_12" ;;
	kunit) packages="$packages $packages_kunit" ;;
	*) die "there is no part '$part'" ;;
	esac
done
machine_packages
# The headers and the busybox of this host serve everywhere.
suite=bookworm
host 6.1
case $parts in
*host-6.12*)
	suite=trixie
	host 6.12
	chroot_6_12
	;;
esac
kernel_source
say "ready for $parts in $DIAG_CACHE: $(cat "$DIAG_CACHE"/host-*/release | xargs)"
