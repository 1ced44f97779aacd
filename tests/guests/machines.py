# SPDX-License-Identifier: GPL-2.0-only
"""Guests under QEMU, on the lab's host or on this machine, controlled from this machine.

A guest's console is the SCLP console, and QEMU is controlled over the lab's network
link. Neither issues a DIAGNOSE, so the guest counts only those of its devices.
"""

import io
import json
import os
import re
import select
import shlex
import socket
import subprocess
import time

import pexpect
import pexpect.fdpexpect

# Seconds. A step that is silent for longer hangs. tests/lab/host sets the factor: 1 where
# the host boots as fast as on a quiet machine, more where it boots more slowly.
LIMIT = 300 * float(os.environ.get("HOST_SLOWNESS", 1))

# A guest's kernel may log this, because the emulator is slow.
SLOW = "hrtimer: interrupt took"

HOST_ADDRESS = os.environ.get("HOST_ADDRESS")
PORT_SHELL = 7100

# The two addresses of the link between the host and a guest.
TAP, GUEST = "198.51.100.1", "198.51.100.2"


class Trouble(Exception):
    """A step of a test failed."""


def numbers(text):
    """Returns lines "name value" as a dictionary."""
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def in_shell(script):
    return f"sh -c {shlex.quote(script)} < /dev/null 2>&1; echo @@exit $?; exit\n"


class Stream(pexpect.fdpexpect.fdspawn):
    """A connection that is read up to a pattern."""

    def __init__(self, connection):
        super().__init__(connection, encoding="utf-8", codec_errors="replace", maxread=65536)
        connection.settimeout(LIMIT)
        self.connection = connection
        self.logfile_read = io.StringIO()

    def send(self, text):
        self.connection.sendall(text.encode())

    def read_nonblocking(self, size=1, timeout=-1):
        # The limit is that of each read: a step that goes on printing does not hang.
        return super().read_nonblocking(size).replace("\r", "")

    def expect(self, pattern, limit=LIMIT):
        """Reads up to the pattern. Returns the text before it, and the match."""
        self.timeout = limit
        try:
            super().expect(re.compile(pattern), None)
        except (pexpect.EOF, pexpect.TIMEOUT, OSError) as error:
            raise Trouble(f"'{pattern}' did not come: {type(error).__name__} (limit {limit:.0f} s) "
                          f"after: {self.said()}") from None
        return self.before, self.match

    def said(self):
        return repr(self.logfile_read.getvalue()[-1500:])


class Place:
    """A machine on which QEMU runs. It offers shells, and can connect to this machine."""

    def run(self, script, check=True, limit=LIMIT):
        """Runs a script and returns its output. The script must succeed, unless check is False."""
        output, match = self.start(script).expect(r"@@exit (\d+)\n", limit)
        if check and match[1] != "0":
            raise Trouble(f"'{script}' exits with {match[1]}: {output[-500:]}")
        return output

    def status(self, script):
        """Runs a script and returns its exit status."""
        return int(self.start(script).expect(r"@@exit (\d+)\n")[1][1])


class Host(Place):
    """The lab's host, which offers shells over its network link."""

    here = os.environ.get("LAB_ADDRESS")
    accel = "kvm"
    qemu = "exec env LD_PRELOAD=/lab/cow.so /usr/bin/qemu-system-s390x -L /usr/share/qemu"
    files = "/lab"
    images = "/images"
    counters_dir = "/sys/kernel/debug/kvm/kvm-s390-diag"

    @staticmethod
    def connect():
        """Connects to a new shell. The host may not listen yet: agent.sh does not wait for nc."""
        limit = time.monotonic() + LIMIT
        while True:
            try:
                return socket.create_connection((HOST_ADDRESS, PORT_SHELL), LIMIT)
            except ConnectionRefusedError:
                if time.monotonic() > limit:
                    raise
            time.sleep(0.1)

    def start(self, script):
        stream = Stream(self.connect())
        stream.send(in_shell(script))
        return stream

    def terminal(self):
        """Returns a telnet connection to a shell with its own terminal."""
        connection = self.connect()
        connection.sendall(b"exec telnetd -i -l /bin/sh\n")
        return connection

    def image(self, name, megabytes=8):
        self.run(f"truncate -s {megabytes}M {self.images}/{name}.img")

    def blk(self, name, megabytes=8, **kwargs):
        """Creates an image. Returns QEMU's arguments for a disk with it."""
        self.image(name, megabytes)
        return blk(self, name, **kwargs)

    def net(self):
        """Sets up the host's end of the link. Returns QEMU's arguments for a network
        device behind vhost."""
        self.run("ifconfig net 2> /dev/null || tunctl -t net; "
                 "echo 1 > /proc/sys/net/ipv6/conf/net/disable_ipv6; "
                 f"ifconfig net {TAP} netmask 255.255.255.0 up")
        return ["-netdev", "tap,id=net,ifname=net,script=no,downscript=no,vhost=on",
                "-device", "virtio-net-ccw,id=net,netdev=net"]

    def attach(self, claim):
        self.run(f"insmod /lab/kvm-s390-diag.ko claim={claim}")

    def detach(self):
        self.run("rmmod kvm_s390_diag")

    def counters(self):
        """Returns the module's counts since it was loaded."""
        return numbers(self.run(f"cat {self.counters_dir}/total"))

    def kvm_stat(self, guest, name):
        """Returns one of KVM's statistics of a guest."""
        return int(self.run(f"cat /sys/kernel/debug/kvm/{guest.pid}-*/{name}"))


class Here(Place):
    """This machine, on which QEMU runs without KVM."""

    here = "127.0.0.1"
    accel = "tcg"
    qemu = "exec qemu-system-s390x"

    def __init__(self, files, images):
        self.files, self.images = files, images

    def start(self, script):
        ours, theirs = socket.socketpair()
        subprocess.Popen(["sh", "-c", in_shell(script)],
                         stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        theirs.close()
        return Stream(ours)


class Listener:
    """A port to which QEMU connects."""

    def __init__(self, place):
        self.server = socket.create_server((place.here, 0))
        self.chardev = f"socket,host={place.here},port={self.server.getsockname()[1]}"

    def accept(self, qemu):
        while self.server not in select.select([self.server, qemu], [], [], LIMIT)[0]:
            # If QEMU cannot start, it prints why and does not connect.
            if qemu.expect("(@@exit)|\n")[1][1]:
                raise Trouble(f"QEMU does not start: {qemu.said()}")
        connection, _ = self.server.accept()
        self.server.close()
        return Stream(connection)


class Guest:
    """One QEMU process with its guest. Without a kernel, the guest boots from a disk."""

    def __init__(self, place, devices=(), cpus=1, memory=192, kernel="kernel",
                 initrd="guest.cpio", parameters="", ready="@@ready\n", limit=LIMIT):
        self.place = place
        self.loads = 0
        console, monitor = Listener(place), Listener(place)
        arguments = [
            "-nodefaults", "-no-user-config", "-display", "none", "-name", "guest",
            "-machine", f"s390-ccw-virtio,accel={place.accel}",
            "-smp", str(cpus), "-m", f"{memory}M",
            *([] if kernel is None else [
                "-kernel", f"{place.files}/{kernel}", "-initrd", f"{place.files}/{initrd}",
                "-append", f"rdinit=/init loglevel=1 panic=-1 {parameters}"]),
            "-chardev", f"{console.chardev},id=console", "-device", "sclpconsole,chardev=console",
            "-chardev", f"{monitor.chardev},id=monitor", "-mon", "chardev=monitor,mode=control",
            *devices]
        self.qemu = place.start(f"echo $$; {place.qemu} {shlex.join(arguments)}")
        self.pid = int(self.qemu.expect(r"(\d+)\n")[1][1])
        self.console = console.accept(self.qemu)
        self.monitor = monitor.accept(self.qemu)
        self.events = []
        self.rebooted = 0
        try:
            self.answer()
            self.qmp("qmp_capabilities")
        except Trouble:
            raise Trouble(f"QEMU does not start: {self.qemu.expect('@@exit')[0]}") from None
        try:
            self.console.expect(ready, limit)
        except Trouble as trouble:
            raise Trouble(f"{trouble}; QEMU: {self.qemu.expect('@@exit')[0]}") from None

    def answer(self):
        """Returns QEMU's next message that is not an event."""
        while True:
            message = json.loads(self.monitor.expect(r"(.*)\n")[1][1])
            if "event" not in message:
                return message
            self.events.append(message)

    def qmp(self, command, **arguments):
        self.monitor.send(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        answer = self.answer()
        if "error" in answer:
            raise Trouble(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def event(self, name):
        """Waits for an event, which may have arrived already. Returns its data."""
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event["data"]
            message = json.loads(self.monitor.expect(r"(.*)\n")[1][1])
            if "event" in message:
                self.events.append(message)

    def run(self, script, check=True, limit=LIMIT):
        """Runs a script in the guest and returns its output. The script must succeed,
        unless check is False."""
        self.console.send(f"({script}) < /dev/null 2>&1; echo @@exit $?\n")
        output, match = self.console.expect(r"@@exit (\d+)\n", limit)
        if check and match[1] != "0":
            raise Trouble(f"guest: '{script}' exits with {match[1]}: {output[-500:]}")
        return output

    def disk(self, name):
        """Returns the device file of a disk. The order of detection varies, so the disk
        is found by its serial number."""
        found = self.run(f"grep -lx {name} /sys/block/vd*/serial")
        return f"/dev/{found.split('/')[3]}"

    def diag_stat(self):
        """Returns the guest's own counts of DIAGNOSEs, by function code."""
        text = self.run("cat /sys/kernel/debug/diag_stat")
        return {int(code, 16): sum(map(int, counts.split())) for code, counts in
                re.findall(r"^diag ([0-9a-f]+):((?: +\d+)+) ", text, re.M)}

    def complaints(self):
        """Returns the guest's kernel messages of level warning and worse, without times
        and numbers."""
        lines = self.run("dmesg -r").splitlines()
        return {re.sub(r"\d+", "N", line.split("] ", 1)[-1]) for line in lines
                if re.match(r"<[0-4]>", line) and SLOW not in line}

    def end(self, limit=LIMIT):
        """Waits until QEMU has ended. Returns its exit status."""
        status = int(self.qemu.expect(r"@@exit (\d+)\n", limit)[1][1])
        self.pid = None
        return status

    def poweroff(self):
        """Powers the guest off from inside. Returns the reason that QEMU reports, and
        its exit status."""
        self.console.send("poweroff -f\n")
        reason = self.event("SHUTDOWN")["reason"]
        return reason, self.end()

    def reboot(self):
        self.console.send("reboot -f\n")
        reason = self.event("RESET")["reason"]
        self.console.expect("@@ready\n")
        return reason

    def kill(self):
        if self.pid:
            self.place.run(f"kill -KILL {self.pid}", check=False)
            self.end()


class Load:
    """A load that runs in a guest, on one CPU or on any, until end() is called."""

    def __init__(self, guest, what, cpu=None):
        self.guest = guest
        guest.loads += 1
        self.out = f"/tmp/load.{guest.loads}"
        pinned = "" if cpu is None else f"taskset {1 << cpu:x} "
        guest.run(f"{pinned}load 0 {what} > {self.out} 2>&1 & echo $! > {self.out}.pid; "
                  f"until [ -s {self.out} ]; do usleep 10000; done")

    def report(self, signal="USR1"):
        """Returns the number of rounds since the last report, and the largest gap in
        seconds."""
        line = self.guest.run(
            f"before=$(wc -l < {self.out}); pid=$(cat {self.out}.pid); kill -{signal} $pid; "
            f"while [ $(wc -l < {self.out}) = $before ] && kill -0 $pid; do usleep 20000; done; "
            f"tail -n 1 {self.out}")
        match = re.search(r"^rounds (\d+) gap_us (\d+)$", line, re.M)
        if not match:
            raise Trouble(f"the load has ended: {line}")
        return int(match[1]), int(match[2]) / 1e6

    def end(self):
        return self.report("TERM")


def blk(place, name, queues=1, iothread=True, ioeventfd=True, devno=None):
    """Returns QEMU's arguments for a disk with the image NAME.img."""
    arguments = ["-blockdev", f"driver=raw,node-name=image-{name},file.driver=file,"
                              f"file.filename={place.images}/{name}.img"]
    device = f"virtio-blk-ccw,id={name},drive=image-{name},serial={name}," \
             f"num-queues={queues}"
    if iothread:
        # Polling is off, because a thread that polls also finds requests whose
        # notification was lost.
        arguments += ["-object", f"iothread,id=thread-{name},poll-max-ns=0"]
        device += f",iothread=thread-{name}"
    if not ioeventfd:
        device += ",ioeventfd=off"
    if devno:
        device += f",devno={devno}"
    return [*arguments, "-device", device]
