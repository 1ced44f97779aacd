# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Runs on the host. Offers shells to the driver on the lab's machine, until the driver ends.
# Newer kernels have no crc32c_generic, and need none for ext4.
modprobe -q crc32c_generic
for module in kvm vhost_net vhost_vsock tun loop ext4; do
	modprobe "$module"
done
. ./first-guests.sh
ln -s "$(find /lib/modules -name dummy.ko)" dummy.ko
insmod dummy.ko
mkdir -p /images /mnt /dev/pts
mount -t devpts devpts /dev/pts
# Programs that the shell starts with "&", and their children, ignore SIGINT.
# start-stop-daemon avoids that.
start-stop-daemon -S -b -m -p /tmp/shells.pid -x /bin/nc -- -ll -p 7100 -e /bin/sh
exit "$(nc 192.0.2.1 7002)"
