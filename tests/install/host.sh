# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# "make check-upgrade" runs this on the host. It installs the tools that a real host
# has, and starts host.py.
modprobe kvm
. ./first-guests.sh
rmmod kvm
tar -x -f tools-s390x.tar -C /
tar -x -f udev-s390x.tar -C /
# modprobe reads /lib/modprobe.d. On a real host /lib is a link to /usr/lib.
mkdir -p /usr/lib
mv /lib/modprobe.d /usr/lib/modprobe.d
ln -s /usr/lib/modprobe.d /lib/modprobe.d
mount -t securityfs security /sys/kernel/security
# udev has only the rules of this project. Debian's udev creates the group of /dev/kvm.
rm -r /lib/udev/rules.d
mkdir -p /run
echo kvm:x:104: >> /etc/group
/lib/systemd/systemd-udevd --daemon
exec /usr/bin/python3 host.py
