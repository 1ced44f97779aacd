# SPDX-License-Identifier: GPL-2.0-only
"""Guests under QEMU, on the lab's host or here, driven from this side.

A guest's console is the SCLP one and QEMU is spoken to over the lab's network link:
neither issues a DIAGNOSE, so what a guest counts is what its devices do.
"""

import json
import os
import re
import select
import shlex
import socket
import subprocess

# Nothing in here takes longer, however slow the machine, unless it hangs.
LIMIT = 300

# What a guest's kernel remarks about the speed of the emulator, now and then.
SLOW = "hrtimer: interrupt took"

HOST_ADDRESS = os.environ.get("HOST_ADDRESS")
PORT_SHELL = 7100

# Ends of the link between the host and a guest.
TAP, GUEST = "198.51.100.1", "198.51.100.2"


class Trouble(Exception):
    """Something did not do what it was asked for."""


def numbers(text):
    """Lines "name value" as a dictionary."""
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def in_shell(script):
    return f"sh -c {shlex.quote(script)} < /dev/null 2>&1; echo @@exit $?; exit\n"


class Stream:
    """A connection of which one reads up to a pattern."""

    def __init__(self, connection):
        self.connection = connection
        self.text = ""
        self.done = ""

    def send(self, text):
        self.connection.sendall(text.encode())

    def expect(self, pattern, limit=LIMIT):
        """What came before the pattern, and the match."""
        self.connection.settimeout(limit)
        while not (match := re.search(pattern, self.text)):
            try:
                data = self.connection.recv(65536)
            except TimeoutError:
                raise Trouble(f"nothing like '{pattern}' within {limit} s after: "
                              f"{self.done[-200:]}{self.text[-500:]!r}") from None
            except ConnectionResetError:
                data = b""
            if not data:
                raise Trouble(f"closed without '{pattern}' after: "
                              f"{self.done[-200:]}{self.text[-1500:]!r}")
            self.text += data.decode(errors="replace").replace("\r", "")
        before, self.text = self.text[:match.start()], self.text[match.end():]
        self.done = (self.done + before + match[0])[-5000:]
        return before, match


class Place:
    """Where QEMU runs: a shell can be had there, and it can connect to here."""

    def run(self, script, check=True, limit=LIMIT):
        """Output of a script, which has to succeed unless check is False."""
        output, match = self.start(script).expect(r"@@exit (\d+)\n", limit)
        if check and match[1] != "0":
            raise Trouble(f"'{script}' exits with {match[1]}: {output[-500:]}")
        return output

    def status(self, script):
        """Exit status of a script."""
        return int(self.start(script).expect(r"@@exit (\d+)\n")[1][1])


class Host(Place):
    """The lab's host, which hands out shells over its network link."""

    here = os.environ.get("LAB_ADDRESS")
    accel = "kvm"
    qemu = "exec env LD_PRELOAD=/lab/cow.so /usr/bin/qemu-system-s390x -L /usr/share/qemu"
    files = "/lab"
    images = "/images"
    counters_dir = "/sys/kernel/debug/kvm/kvm-s390-diag"

    def start(self, script):
        stream = Stream(socket.create_connection((HOST_ADDRESS, PORT_SHELL), LIMIT))
        stream.send(in_shell(script))
        return stream

    def terminal(self):
        """Connection to a shell with a terminal of its own, by the rules of telnet."""
        connection = socket.create_connection((HOST_ADDRESS, PORT_SHELL), LIMIT)
        connection.sendall(b"exec telnetd -i -l /bin/sh\n")
        return connection

    def image(self, name, megabytes=16):
        self.run(f"truncate -s {megabytes}M {self.images}/{name}.img")

    def blk(self, name, megabytes=16, **kwargs):
        """A disk with a new image."""
        self.image(name, megabytes)
        return blk(self, name, **kwargs)

    def net(self):
        """A network device whose queues vhost serves, and the host's end of its link."""
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
        """What the module has counted since it was loaded."""
        return numbers(self.run(f"cat {self.counters_dir}/total"))

    def kvm_stat(self, guest, name):
        """One of KVM's statistics of one guest."""
        return int(self.run(f"cat /sys/kernel/debug/kvm/{guest.pid}-*/{name}"))


class Here(Place):
    """This machine, without KVM."""

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
    """A port that QEMU connects to."""

    def __init__(self, place):
        self.server = socket.create_server((place.here, 0))
        self.chardev = f"socket,host={place.here},port={self.server.getsockname()[1]}"

    def accept(self, qemu):
        # QEMU that does not come up says why, and does not connect.
        while self.server not in (ready := select.select([self.server, qemu.connection], [], [],
                                                         LIMIT)[0]):
            data = ready and qemu.connection.recv(65536)
            qemu.text += data.decode(errors="replace") if data else ""
            if not data or "@@exit" in qemu.text:
                raise Trouble(f"QEMU does not start: {qemu.text}")
        connection, _ = self.server.accept()
        self.server.close()
        return Stream(connection)


class Guest:
    """One QEMU, from its start to its end."""

    def __init__(self, place, devices=(), cpus=1, memory=192, kernel="kernel",
                 initrd="guest.cpio", parameters="", ready="@@ready\n", limit=LIMIT):
        self.place = place
        self.loads = 0
        console, monitor = Listener(place), Listener(place)
        arguments = [
            "-nodefaults", "-no-user-config", "-display", "none", "-name", "guest",
            "-machine", f"s390-ccw-virtio,accel={place.accel}",
            "-smp", str(cpus), "-m", f"{memory}M",
            "-kernel", f"{place.files}/{kernel}", "-initrd", f"{place.files}/{initrd}",
            "-append", f"rdinit=/init loglevel=1 panic=-1 {parameters}",
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
        self.console.expect(ready, limit)

    def answer(self):
        """The next message of QEMU that is no event."""
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
        """Wait for an event, which may have come already."""
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event["data"]
            message = json.loads(self.monitor.expect(r"(.*)\n")[1][1])
            if "event" in message:
                self.events.append(message)

    def run(self, script, check=True, limit=LIMIT):
        """Output of a script in the guest, which has to succeed unless check is False."""
        self.console.send(f"({script}) < /dev/null 2>&1; echo @@exit $?\n")
        output, match = self.console.expect(r"@@exit (\d+)\n", limit)
        if check and match[1] != "0":
            raise Trouble(f"guest: '{script}' exits with {match[1]}: {output[-500:]}")
        return output

    def disk(self, name):
        """Its device file: the order in which they are found is not always the same."""
        found = self.run(f"grep -lx {name} /sys/block/vd*/serial")
        return f"/dev/{found.split('/')[3]}"

    def diag_stat(self):
        """How many DIAGNOSE the guest has counted, by function code."""
        text = self.run("cat /sys/kernel/debug/diag_stat")
        return {int(code, 16): sum(map(int, counts.split())) for code, counts in
                re.findall(r"^diag ([0-9a-f]+):((?: +\d+)+) ", text, re.M)}

    def complaints(self):
        """Its kernel log from warnings upwards, without times and numbers."""
        lines = self.run("dmesg -r").splitlines()
        return {re.sub(r"\d+", "N", line.split("] ", 1)[-1]) for line in lines
                if re.match(r"<[0-4]>", line) and SLOW not in line}

    def end(self, limit=LIMIT):
        """Exit status of QEMU."""
        status = int(self.qemu.expect(r"@@exit (\d+)\n", limit)[1][1])
        self.pid = None
        return status

    def poweroff(self):
        """Power off from inside; the reason that QEMU gives, and its exit status."""
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
    """A load that runs in a guest until it is told to end."""

    def __init__(self, guest, what):
        self.guest = guest
        guest.loads += 1
        self.out = f"/tmp/load.{guest.loads}"
        guest.run(f"load 0 {what} > {self.out} 2>&1 & echo $! > {self.out}.pid; "
                  f"until [ -s {self.out} ]; do usleep 10000; done")

    def report(self, signal="USR1"):
        """How many rounds since the last report, and the largest gap in seconds."""
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
    """Arguments for a disk whose image is called NAME."""
    arguments = ["-blockdev", f"driver=raw,node-name=image-{name},file.driver=file,"
                              f"file.filename={place.images}/{name}.img"]
    device = f"virtio-blk-ccw,id={name},drive=image-{name},serial={name}," \
             f"num-queues={queues}"
    if iothread:
        # A thread that polls finds what it was not notified of.
        arguments += ["-object", f"iothread,id=thread-{name},poll-max-ns=0"]
        device += f",iothread=thread-{name}"
    if not ioeventfd:
        device += ",ioeventfd=off"
    if devno:
        device += f",devno={devno}"
    return [*arguments, "-device", device]
