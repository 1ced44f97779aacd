# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What "make check-upgrade" runs on the host: puts in place what an administrator
# of a real one has, and hands over to Python.
modprobe kvm
. ./first-guests.sh
rmmod kvm
tar -x -f tools-s390x.tar -C /
exec /usr/bin/python3 host.py
