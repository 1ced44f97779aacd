#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh [--renew] [host-NAME|source-NAME|kunit|docs|install|guests|prove|builds]...
#
# Sets up an amd64 Debian 12 machine for building and testing. Without an argument it
# sets up all parts, except host-experimental and builds. It installs packages on the
# machine. It fills a cache folder outside the tree with the s390x kernels of the hosts,
# their headers and busybox, with QEMU and other tools for the hosts, and with kernel
# sources. It runs as root, and skips every step that an earlier run has completed.
#
# A host keeps the kernel that the cache has, so that results on one machine can be
# compared. With --renew, the kernels and sources of the named parts are replaced where
# Debian has a newer version.
set -eu

here=$(dirname "$(readlink -f "$0")")
. "$here/env.sh"

# The hosts: name, Debian's release that the kernel comes from, and the host whose chroot has
# the compiler for it. Modules for 6.1 are compiled by this machine's own compiler.
hosts="6.1 bookworm -
6.12 trixie 6.12
testing testing testing
experimental experimental testing"

packages="ca-certificates cpio gcc-s390x-linux-gnu iproute2 kmod
	libc6-dev-s390x-cross python3 util-linux xz-utils"
packages_host="debootstrap gcc gnuplot-nox hercules libc6-dev zstd"
packages_chroot="dwarves libelf1t64 libssl3t64 make perl"
packages_chroot_kernel="bc bison cpio flex gcc kmod libc6-dev libelf-dev libssl-dev openssl
	python3 xz-utils"
packages_kunit="bc bison coccinelle flex gcc libc6-dev libelf-dev libssl-dev
	perl pyflakes3 python3-parso python3.11-doc qemu-system-misc shellcheck sparse"
packages_docs="perl python3-sphinx"
packages_install="autopkgtest bash debhelper debootstrap dh-dkms dkms dpkg-dev git groff-base
	lintian mandoc openssl python3 python3-pexpect python3-pyte rpm rpmlint systemd"
packages_prove="gcc libc6-dev"
packages_guests="bc binutils-s390x-linux-gnu bison flex gcc libc6-dev libelf-dev libssl-dev
	perl python3-pexpect qemu-system-misc"

say()
{
	echo "setup: $*"
}

die()
{
	echo "setup: $*" >&2
	exit 1
}

# column N NAME: prints what the table has for a host.
column()
{
	echo "$hosts" | awk -v n="$1" -v name="$2" '$1 == name { print $n }'
}

# eventually COMMAND...: runs a command that reads from the archive. While the archive is
# updated, its files do not match, or some of them are missing.
eventually()
{
	for pause in 10 30 ""; do
		"$@" && return 0
		[ -n "$pause" ] || return 1
		say "the archive may be in the middle of an update; trying again in $pause s"
		sleep $pause
	done
}

# The hosts' package lists are kept in a folder of their own for each release of Debian.
# The lists of the machine's own apt and dpkg do not change.
s390x_apt()
{
	APT_CONFIG=$DIAG_CACHE/apt/$suite/apt.conf "$@"
}

s390x_update()
{
	s390x_apt apt-get -qq -o APT::Update::Error-Mode=any update
}

# s390x_lists RELEASE: reads the package lists of a release. s390x_apt then uses these.
s390x_lists()
{
	suite=$1
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
		# experimental has only what differs from unstable.
		[ "$suite" != experimental ] ||
			echo "deb $(archive) unstable main" >> "$apt/sources.list"
		# The lists of a release under development may be older than they allow.
		cat >> "$apt/apt.conf" <<-CONF
			Acquire::Check-Valid-Until "false";
			APT::Default-Release "$suite";
			Dir::Etc::sourcelist "$apt/sources.list";
			Dir::Etc::sourceparts "/dev/null";
		CONF
	fi
	say "reading the lists of $suite's s390x packages"
	eventually s390x_update ||
		say "the lists of $suite cannot be read; taking those that the cache has"
}

# Prints the address of the archive that the machine's own packages come from.
archive()
{
	apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Codename: bookworm' | sort -u |
		grep . || die "the machine's own package lists name no archive of Debian; run apt-get update"
}

# missing_packages FOLDER PACKAGE...: prints the packages that the Debian system in the
# folder does not have.
missing_packages()
{
	system=$1
	shift
	for package in $(printf '%s\n' "$@" | sort -u); do
		dpkg-query --admindir="$system/var/lib/dpkg" -W -f='${db:Status-Abbrev}' "$package" \
			2>/dev/null | grep -q '^ii' || printf ' %s' "$package"
	done
}

machine_packages()
{
	missing=$(missing_packages "" $packages)
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

# version_of PACKAGE: prints the version in the package lists.
version_of()
{
	s390x_apt apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }'
}

download()
{
	mkdir -p "$folder/debs"
	(cd "$folder/debs" && s390x_apt apt-get -qq download "$@") || { s390x_update; return 1; }
}

# fetch FOLDER PACKAGE...: unpacks packages into FOLDER/root.
fetch()
{
	folder=$1
	shift
	rm -rf "$folder"
	eventually download "$@" || return 1
	for deb in "$folder"/debs/*.deb; do
		dpkg -x "$deb" "$folder/root" || return 1
	done
	rm -r "$folder/debs"
}

# keeps FILE: has an earlier run completed what the file is part of?
keeps()
{
	[ -e "$1" ] && [ -z "$renew" ]
}

# not_fetched FILE WHAT: after a failure, keeps what an earlier run has completed.
not_fetched()
{
	[ -e "$1" ] || die "$2 cannot be fetched; is the archive reachable, or being updated?"
	say "$2 cannot be fetched; keeping $(cat "$1")"
}

# host NAME: fetches a host's kernel.
host()
{
	dir=$DIAG_CACHE/host-$1
	if ! keeps "$dir/release"; then
		s390x_lists "$(column 2 "$1")"
		newest=$(depends_of linux-image-s390x linux-image-)
		if [ -z "$newest" ]; then
			not_fetched "$dir/release" "a kernel of $suite for s390x"
		elif [ "$(cat "$dir/version" 2> /dev/null)" != "$(version_of "$newest")" ]; then
			fetch_newest
		fi
	fi
	say "host-$1 has the kernel $(cat "$dir/release")$(sed 's/.*/, package version &/' \
		"$dir/version" 2> /dev/null); '$0 --renew host-$1' looks for a newer one"
}

# older_than KERNEL: prints the older kernels of its release, the newest first. After an update of
# Debian, a release also has the kernel from before that update.
older_than()
{
	s390x_apt apt-cache search --names-only '^linux-image-[0-9].*-s390x$' | cut -d ' ' -f 1 |
		sort -rV | awk -v kernel="$1" 'found { print } $0 == kernel { found = 1 }'
}

# Fetches the newest kernel. If the archive does not have its files yet, keeps the kernel that
# the cache has, or fetches an older one.
fetch_newest()
{
	older=
	[ -e "$dir/release" ] || older=$(older_than "$newest")
	for image in $newest $older; do
		release=${image#linux-image-}
		say "fetching the host's kernel $release, its headers and busybox"
		if fetch_kernel; then
			use_kernel
			return
		fi
	done
	not_fetched "$dir/release" "the kernel ${newest#linux-image-}"
}

fetch_kernel()
{
	version=$(version_of "$image")
	kbuild=$(depends_of "linux-headers-$release" linux-kbuild-)
	# Newer releases divide the kernel into three packages.
	binary=$(depends_of "$image" linux-binary-)
	[ -z "$binary" ] || image="$binary linux-modules-$release linux-base-$release"
	fetch "$dir.new" $image "linux-headers-$release" "linux-headers-${release%-s390x}-common" \
		"${kbuild%:*}:amd64" busybox-static
}

use_kernel()
{
	root=$dir.new/root
	# Newer releases install below /usr. Links keep the old paths working.
	for folder in bin lib; do
		[ -e "$root/$folder" ] || ln -s "usr/$folder" "$root/$folder"
	done
	if [ ! -e "$root/boot/vmlinuz-$release" ]; then
		mkdir -p "$root/boot"
		ln -s "../lib/modules/$release/vmlinuz" "$root/boot/vmlinuz-$release"
	fi
	# The host's busybox cannot load compressed modules.
	find "$root/lib/modules/" -name '*.ko.xz' -exec xz -d {} +
	depmod -b "$root" "$release"
	# The headers' Makefile refers to the installed folders.
	sed -i "s,/usr/\(src\|lib\)/,$dir/root/usr/\1/," "$root/usr/src/linux-headers-$release/Makefile"
	ln -s "root/usr/src/linux-headers-$release" "$dir.new/build"
	echo "$version" > "$dir.new/version"
	echo "$release" > "$dir.new/release"
	rm -rf "$dir"
	mv "$dir.new" "$dir"
}

bootstrap()
{
	rm -rf "$dir"
	debootstrap --variant=minbase "$suite" "$dir" "$(archive)" > "$DIAG_CACHE/chroot.log" 2>&1
}

# chroot_with NAME PACKAGE...: makes the chroot for a host's kernel, and installs packages
# in it. Compilers and kbuild tools of newer releases do not run on Debian 12: see in-chroot.
chroot_with()
{
	host=$1
	owner=$(column 3 "$host")
	[ "$owner" != - ] || return 0
	shift
	dir=$DIAG_CACHE/chroot-$owner
	suite=$(column 2 "$owner")
	if [ ! -e "$dir/complete" ]; then
		say "making the chroot that modules for $owner are built in"
		eventually bootstrap || die "debootstrap failed, see $DIAG_CACHE/chroot.log"
		echo 'Acquire::Check-Valid-Until "false";' > "$dir/etc/apt/apt.conf.d/lab"
		touch "$dir/complete"
	fi
	[ "$host" = "$owner" ] || ln -sfn "chroot-$owner" "$DIAG_CACHE/chroot-$host"
	missing=$(missing_packages "$dir" "$@")
	[ -n "$missing" ] || return 0
	say "installing in the chroot of $owner:$missing"
	eventually "$here/in-chroot" "$host" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update
		apt-get -qq -y install --no-install-recommends "$@"
		apt-get clean' sh $missing > "$DIAG_CACHE/chroot.log" 2>&1 ||
		die "installing in the chroot failed, see $DIAG_CACHE/chroot.log"
}

# The compiler of a host's kernel, as its headers name it, and what its kbuild tools need.
host_chroot()
{
	compiler=$(sed -n 's/^CC = .*(CROSS_COMPILE)//p' "$DIAG_CACHE/host-$1/build/.kernelvariables")
	chroot_with "$1" $packages_chroot "$compiler-s390x-linux-gnu"
}

# emulator_support NAME: builds the module in the folder hercules for a host whose KVM needs
# it: one that has page tables of its own for guests, and this function to fill them.
emulator_support()
{
	dir=$DIAG_CACHE/host-$1
	kvm=$(find "$dir/root/lib/modules/" -name kvm.ko)
	grep -q kvm_s390_faultin_gfn "$kvm" || return 0
	built=$dir/hercules
	[ ! -e "$built/hercules.ko" ] || ! cmp -s "$here/hercules/hercules.c" "$built/hercules.c" ||
		return 0
	say "building the emulator support for host-$1"
	# No header defines the structure. The kernel's type information (BTF) does.
	offset=$("$here/in-chroot" "$1" pahole --btf_base "$dir/build/vmlinux" -C guest_fault "$kvm" |
		awk '$2 == "write_attempt;" { print $4 }')
	[ -n "$offset" ] || die "$kvm has no type information with struct guest_fault"
	rm -rf "$built"
	cp -r "$here/hercules" "$built"
	"$here/in-chroot" "$1" make -C "$dir/build" ARCH=s390 CROSS_COMPILE=s390x-linux-gnu- \
		M="$built" WRITE_ATTEMPT="$offset" modules > "$DIAG_CACHE/hercules.log" 2>&1 ||
		die "building the emulator support failed, see $DIAG_CACHE/hercules.log"
}

# Fetches promtool. Its package is not installed, because it would start a server.
promtool()
{
	[ ! -x "$DIAG_CACHE/promtool" ] || return 0
	say "fetching promtool"
	dir=$DIAG_CACHE/prometheus
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download prometheus)
	dpkg -x "$dir"/prometheus_*.deb "$dir/root"
	mv "$dir/root/usr/bin/promtool" "$DIAG_CACHE/promtool"
	rm -r "$dir"
}

# Fetches Python and kmod for the host.
host_tools()
{
	tar=$DIAG_CACHE/tools-s390x.tar
	[ -e "$tar" ] && return 0
	s390x_lists bookworm
	stdlib=$(depends_of libpython3-stdlib libpython)
	python=${stdlib#lib}
	python=${python%-stdlib}
	say "fetching $python and kmod for the host"
	dir=$DIAG_CACHE/tools-s390x
	fetch "$dir" kmod libc6 libexpat1 libkmod2 liblzma5 "lib$python-minimal" "$stdlib" libssl3 \
		libzstd1 "$python-minimal" zlib1g || die "the packages cannot be fetched"
	ln -s "$python" "$dir/root/usr/bin/python3"
	tar -c -f "$tar.new" -C "$dir/root" --exclude=./usr/share --exclude='*/gconv' .
	mv "$tar.new" "$tar"
	rm -r "$dir"
}

# Fetches udev for the host.
host_udev()
{
	tar=$DIAG_CACHE/udev-s390x.tar
	[ -e "$tar" ] && return 0
	s390x_lists bookworm
	say "fetching udev for the host"
	dir=$DIAG_CACHE/udev-s390x
	fetch "$dir" libacl1 libblkid1 libcap2 libpcre2-8-0 libselinux1 udev ||
		die "the packages cannot be fetched"
	tar -c -f "$tar.new" -C "$dir/root" --exclude=./usr/share ./bin ./lib ./usr
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
	s390x_lists bookworm
	say "fetching QEMU and e2fsprogs for s390x"
	closure=$(s390x_apt apt-get -s install --no-install-recommends \
		qemu-system-misc e2fsprogs | awk '$1 == "Inst" { print $2 }')
	[ -n "$closure" ] || die "apt finds no qemu-system-misc for s390x; is the archive reachable?"
	fetch "$dir" $closure || die "the packages cannot be fetched"
	collect "$dir/root" "$dir/qemu" usr/bin/qemu-system-s390x lib/ld64.so.1 \
		usr/share/qemu/s390-ccw.img
	collect "$dir/root" "$dir/tools" sbin/mke2fs sbin/e2fsck lib/ld64.so.1
	rm -r "$dir/root"
	touch "$dir/complete"
}

# source_of NAME: fetches and unpacks the source of a host's kernel. KUnit kernels are built
# from it. The kernel's own selftests and tools are those of 6.1.
source_of()
{
	dir=$DIAG_CACHE/linux-source-$1
	if ! keeps "$dir/version"; then
		s390x_lists "$(column 2 "$1")"
		package=$(depends_of linux-source linux-source-)
		version=$(version_of linux-source)
		if [ -z "$package" ]; then
			not_fetched "$dir/version" "the kernel's source of $suite"
		elif [ "$(cat "$dir/version" 2> /dev/null)" != "$version" ]; then
			fetch_source
		fi
	fi
	say "linux-source-$1 has version $(cat "$dir/version"); '$0 --renew source-$1' looks for a newer one"
}

# buildable NAME: gets all that building a host's kernel takes.
buildable()
{
	host "$1"
	host_chroot "$1"
	source_of "$1"
	chroot_with "$1" $packages_chroot_kernel
}

fetch_source()
{
	say "fetching and unpacking the kernel's source, $version"
	if ! fetch "$dir.deb" "$package"; then
		not_fetched "$dir/version" "the kernel's source $version"
		return
	fi
	rm -rf "$dir"
	mkdir "$dir"
	tar -C "$dir" --strip-components=1 -xJf "$dir.deb/root/usr/src/$package.tar.xz"
	rm -r "$dir.deb"
	echo "$version" > "$dir/version"
}

[ "$(id -u)" = 0 ] || die "run as root: it installs packages"
[ "$(dpkg --print-architecture)" = amd64 ] || die "the lab runs on amd64 machines"

mkdir -p "$DIAG_CACHE"
exec 9> "$DIAG_CACHE/lock"
flock 9

renew=
if [ "${1:-}" = --renew ]; then
	renew=1
	shift
fi
parts=${*:-host-6.1 host-6.12 host-testing kunit docs install guests prove}
for part in $parts; do
	case $part in
	host-*|source-*)
		[ -n "$(column 1 "${part#*-}")" ] || die "there is no host '${part#*-}'"
		packages="$packages $packages_host" ;;
	kunit) packages="$packages $packages_host $packages_kunit" ;;
	docs) packages="$packages $packages_docs" ;;
	prove) packages="$packages $packages_host $packages_prove" ;;
	builds) packages="$packages $packages_host" ;;
	install) packages="$packages $packages_install" ;;
	guests) packages="$packages $packages_host $packages_guests" ;;
	*) die "there is no part '$part'" ;;
	esac
done
machine_packages

# Every part but the pages needs the headers or the busybox of the 6.1 host.
[ "$parts" = docs ] || [ -e "$DIAG_CACHE/host-6.1/release" ] || host 6.1
for part in $parts; do
	name=${part#*-}
	case $part in
	host-*) host "$name"; host_chroot "$name"; emulator_support "$name"; source_of 6.1 ;;
	source-*) buildable "$name" ;;
	kunit) source_of 6.1; buildable testing ;;
	docs) source_of 6.1 ;;
	prove) host 6.12; host_chroot 6.12; chroot_with 6.12 cbmc ;;
	install) host_tools; host_udev; promtool ;;
	guests) source_of 6.1; guest_tools; host_tools ;;
	builds)
		for name in 6.12 testing; do
			host "$name"
			host_chroot "$name"
		done
		buildable testing
		chroot_with testing clang ;;
	esac
done
say "ready for $parts in $DIAG_CACHE"
