#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests kvm-s390-diag-stat on a made-up folder of counters. The output is TAP."""

import argparse
import csv
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pexpect
import pyte

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lab"))
import lab  # noqa: E402

READER = pathlib.Path(os.environ.get("READER", ROOT / "tools/kvm-s390-diag-stat"))
NAMES = ["served_cookie", "served_search", "bus_gone", "forwarded_no_device",
         "forwarded_no_css", "forwarded_other_subcode", "forwarded_other_code",
         "left_to_kvm", "privileged"]
PATIENCE = 30


def run(*args, **options):
    return subprocess.run([sys.executable, READER, *map(str, args)], capture_output=True,
                          text=True, timeout=PATIENCE, **options)


class Folder(unittest.TestCase):
    """A folder of counters like the module's, and calls of the reader on it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "kvm-s390-diag"
        self.path.mkdir()
        self.put("total", served_cookie=100, left_to_kvm=7)

    def put(self, name, extra="", **values):
        """Writes a file of counters. An existing file is overwritten, not replaced."""
        text = "".join(f"{counter} {values.pop(counter, 0)}\n" for counter in NAMES)
        text += "".join(f"{counter} {value}\n" for counter, value in values.items()) + extra
        fd = os.open(self.path / name, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, text.encode(), 0)
        os.ftruncate(fd, len(text))
        os.close(fd)

    def read(self, *args, status=0):
        """Calls the reader once on the folder, and returns its output."""
        done = run("--path", self.path, *args)
        self.assertEqual(done.returncode, status, done.stderr)
        if status == 0:
            self.assertEqual(done.stderr, "")
        return done.stderr if status else done.stdout

    def records(self, *args):
        """Calls the reader once, and returns each total by VM and counter."""
        answer = json.loads(self.read("-1", "-j", "-s", "0.1", *args))
        return {(vm["vm"], name): value["total"] for vm in answer["vms"]
                for name, value in vm["counters"].items()}

    def start(self, *args, path=None, **options):
        process = subprocess.Popen([sys.executable, READER, "--path", path or self.path,
                                    "-s", "0.1", *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def guest(self, *words):
        """Starts a process with arguments like QEMU's. It ends with the test."""
        process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", *words],
                                   stdin=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        self.until(lambda: words[-1].encode() in
                   pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return process.pid

    def until(self, condition):
        limit = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), limit, "the condition stays false")
            time.sleep(0.01)


class Log:
    """The changes that "-l -j" prints, summed up over all of its readings."""

    def __init__(self, process):
        self.process = process
        self.changes = {}
        self.vms = set()
        self.last = {}

    def look(self):
        answer = json.loads(self.process.stdout.readline())
        self.vms = {vm["vm"] for vm in answer["vms"]}
        self.last = {vm["vm"]: vm["counters"] for vm in answer["vms"]}
        for vm in answer["vms"]:
            for name, value in vm["counters"].items():
                key = vm["vm"], name
                self.changes[key] = self.changes.get(key, 0) + value["change"]

    def until(self, condition):
        for _ in range(PATIENCE * 10):
            self.look()
            if condition():
                return
        raise AssertionError(f"the condition stays false: {self.changes}")


class Once(Folder):
    def test_total_as_the_kernel_has_it(self):
        "-1 -i prints every counter with the value in its file"
        self.put("1234-11", served_cookie=2**64 - 1)
        lines = [line.split() for line in self.read("-1", "-i", "-s", "0.1").splitlines()]
        self.assertEqual(len(lines), 2 * len(NAMES))
        self.assertIn(["total", "served_cookie", "100", "0"], lines)
        self.assertIn(["1234-11", "served_cookie", str(2**64 - 1), "0"], lines)

    def test_total_since_the_start(self):
        "without -i the totals start from zero"
        self.assertEqual(set(self.records().values()), {0})

    def test_unknown_counter(self):
        "counters of a newer module are shown in every format"
        self.put("total", served_otherwise=5)
        self.put("1234-11", served_here_only=6)
        self.assertEqual(self.records("-i")["total", "served_otherwise"], 5)
        for args in (["-1", "-i", "-s", "0.1"], ["-1", "-i", "-c", "-s", "0.1"], ["--prometheus"]):
            output = self.read(*args)
            self.assertRegex(output, r"(?m)served_otherwise.*\b5\b")
            self.assertRegex(output, r"(?m)served_here_only.*\b6\b")
        self.assertIn("served_here_only", self.read("-f", "help"))

    def test_unknown_lines_and_files(self):
        "lines and files that are not counters are ignored"
        self.put("total", extra="# comment\nhistogram 1 2 3\nnegative -5\n")
        (self.path / "README").write_text("served_cookie 1\n")
        (self.path / "12-34-56").write_text("served_cookie 1\n")
        self.assertEqual(set(self.records("-i")), {("total", name) for name in NAMES})

    def test_skip_zero(self):
        "-z omits counters that have not changed"
        self.assertEqual(self.read("-1", "-z", "-s", "0.1"), "")
        self.assertEqual(self.records("-z"), {})

    def test_fields(self):
        "-f shows the counters that match; -f help lists all"
        self.assertEqual({name for _, name in self.records("-f", "^served")},
                         {"served_cookie", "served_search"})
        self.assertEqual(self.read("-f", "help").split(), NAMES)

    def test_pid(self):
        "-p shows the VMs of one process; status 5 means that it has none"
        for name in ("1234-11", "1234-12", "12345-11", "99-1234"):
            self.put(name)
        self.assertEqual({vm for vm, _ in self.records("-p", "1234")}, {"1234-11", "1234-12"})
        self.assertIn("no VM of the process 1\n".rstrip(), self.read("-1", "-p", "1", status=5))
        self.assertIn("no VM", self.read("--prometheus", "-p", "1", status=5))

    def test_guest(self):
        "-g shows the VMs to which QEMU gives this name"
        for words in (["-name", "guest=web,debug-threads=on"], ["-name", "db,process=x"],
                      ["--name", "a,,b"], ["-name", "guest=x,,y=z"]):
            self.put(f"{self.guest(*words)}-11")
        for name in ("web", "db", "a,b", "x,y=z"):
            with self.subTest(name):
                found = json.loads(self.read("-1", "-j", "-s", "0.1", "-g", name))["vms"]
                self.assertEqual([vm["guest"] for vm in found], [name])
        self.assertIn("no VM of the name 'mail'", self.read("-1", "-g", "mail", status=5))

    def test_csv(self):
        "CSV can be parsed, with any guest name"
        pid = self.guest("-name", 'guest=a,,"b"\nc')
        self.put(f"{pid}-11", served_search=3)
        rows = list(csv.DictReader(io.StringIO(self.read("-1", "-c", "-i", "-s", "0.1"),
                                               newline="")))
        row = [row for row in rows if row["vm"] == f"{pid}-11" and
               row["counter"] == "served_search"]
        self.assertEqual([(r["guest"], r["total"], r["change"]) for r in row],
                         [('a,"b"\nc', "3", "0")])
        self.assertEqual(len(rows), 2 * len(NAMES))

    def test_escape_sequences(self):
        "a guest's name cannot send control characters to the terminal"
        pid = self.guest("-name", "guest=\x1b]0;x\x07\x9b31m")
        self.put(f"{pid}-11")
        process = self.start("-l")
        lines = [process.stdout.readline() for _ in range(4)]
        self.assertTrue(any("?]0;x??31m" in line for line in lines), lines)
        self.assertFalse(re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "".join(lines)))


class Prometheus(Folder):
    SAMPLE = re.compile(r'([a-z0-9_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (\d+)$')

    def samples(self, *args):
        """Parses the exposition format strictly. Returns metrics, labels and values."""
        metric, samples = None, []
        for line in self.read("--prometheus", *args).splitlines():
            if match := re.match(r"# HELP (\w+) .+", line):
                metric = match[1]
                self.assertTrue(metric.endswith("_total"))
            elif line.startswith("#"):
                self.assertEqual(line, f"# TYPE {metric} counter")
            else:
                match = self.SAMPLE.match(line)
                self.assertTrue(match, line)
                self.assertEqual(match[1], metric)
                labels = {key: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)
                          for key, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2])}
                samples.append((metric, labels, int(match[3])))
        return samples

    def test_format(self):
        "the output has the exposition format, and the values of the kernel"
        self.put("1234-11", served_cookie=2**64 - 1)
        samples = self.samples()
        self.assertEqual(len(samples), 2 * len(NAMES))
        self.assertIn(("kvm_s390_diag_intercepts_total", {"outcome": "served_cookie"}, 100),
                      samples)
        self.assertIn(("kvm_s390_diag_vm_intercepts_total",
                       {"vm": "1234-11", "pid": "1234", "guest": "",
                        "outcome": "served_cookie"}, 2**64 - 1), samples)

    def test_escaping(self):
        "labels are escaped"
        name = 'a\\b"c\nd\\n'
        pid = self.guest("-name", f"guest={name}")
        self.put(f"{pid}-11")
        self.assertEqual({labels["guest"] for _, labels, _ in self.samples("-g", name)}, {name})

    def test_filtered(self):
        "with a filter there is no sum over all VMs"
        self.put("1234-11")
        self.put("1235-11")
        self.assertEqual({labels.get("pid") for _, labels, _ in self.samples("-p", "1234")},
                         {"1234"})


class Changes(Folder):
    def log(self, *args):
        log = Log(self.start("-l", "-j", *args))
        log.look()
        return log

    def test_change(self):
        "each change between two readings is shown once"
        log = self.log()
        self.put("total", served_cookie=150, left_to_kvm=8)
        log.until(lambda: log.changes["total", "left_to_kvm"] >= 1)
        log.look()
        self.assertEqual(log.changes["total", "served_cookie"], 50)
        self.assertEqual(log.last["total"]["served_cookie"]["total"], 50)

    def test_wrap(self):
        "a counter that wraps continues"
        self.put("total", served_cookie=2**64 - 10)
        log = self.log()
        self.put("total", served_cookie=5)
        log.until(lambda: log.changes["total", "served_cookie"])
        self.assertEqual(log.changes["total", "served_cookie"], 15)

    def test_smaller(self):
        "a counter that is smaller, but has not wrapped, has started from zero"
        log = self.log()
        self.put("total", served_cookie=3)
        log.until(lambda: log.changes["total", "served_cookie"])
        self.assertEqual(log.changes["total", "served_cookie"], 3)

    def test_another_file(self):
        "another file with the same name counts from zero, even if its values are greater"
        log = self.log()
        self.put("new", served_cookie=150)
        os.replace(self.path / "new", self.path / "total")
        log.until(lambda: log.changes["total", "served_cookie"])
        self.assertEqual(log.changes["total", "served_cookie"], 150)

    def test_loaded_again(self):
        "the reader waits until the module is loaded again, and counts from zero"
        process = self.start("-l", "-j")
        log = Log(process)
        log.look()
        aside = self.path.with_name("aside")
        os.rename(self.path, aside)
        self.assertIn("waiting for it", process.stderr.readline())
        self.path.mkdir()
        self.put("total", served_cookie=3)
        log.until(lambda: log.changes["total", "served_cookie"])
        self.assertEqual(log.changes["total", "served_cookie"], 3)

    def test_new_vm(self):
        "a new VM counts from zero, and a destroyed VM disappears"
        log = self.log()
        self.put("1234-11", served_cookie=9)
        log.until(lambda: "1234-11" in log.vms)
        self.assertEqual(log.changes["1234-11", "served_cookie"], 9)
        (self.path / "1234-11").unlink()
        log.until(lambda: "1234-11" not in log.vms)

    def test_come_and_go(self):
        "files that appear or disappear while the reader runs are no error"
        # This file fails like one that disappears before it is read.
        (self.path / "99-1").symlink_to("nowhere")
        # This file fails with ENXIO, as while the module is being unloaded.
        with socket.socket(socket.AF_UNIX) as unloading:
            unloading.bind(str(self.path / "98-1"))
        stop = threading.Event()

        def churn():
            number = 0
            while not stop.is_set():
                number += 1
                self.put(f"{number % 50}-1", served_cookie=number)
                if number > 25:
                    (self.path / f"{(number - 25) % 50}-1").unlink()
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            log = self.log()
            for _ in range(20):
                log.look()
                self.assertIn("total", log.vms)
        finally:
            stop.set()
            thread.join()

    def test_no_open_files(self):
        "no file of counters is open between two readings"
        self.put("1234-11")
        process = self.start("-l", "-j", "-s", "86400")
        fds = pathlib.Path(f"/proc/{process.pid}/fd")

        def asleep():
            state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1][0]
            where = pathlib.Path(f"/proc/{process.pid}/wchan").read_text()
            return state == "S" and "nanosleep" in where
        self.until(asleep)
        held = [os.readlink(fd) for fd in fds.iterdir()]
        self.assertFalse([path for path in held if path.startswith(str(self.path))])

    def test_text(self):
        "the log has a line for each VM, below a banner"
        self.put("1234-11")
        process = self.start("-l")
        banner = process.stdout.readline().split()
        self.assertEqual(banner, ["time", "vm"] + NAMES)
        self.assertEqual([process.stdout.readline().split()[2] for _ in range(2)],
                         ["total", "1234-11"])
        lines = [process.stdout.readline() for _ in range(20)]
        self.assertEqual(sum(line.startswith("time") for line in lines), 1)

    def test_file(self):
        "-L writes one header and appends to it; SIGHUP reopens the file"
        file = self.path.with_name("log.csv")

        def lines():
            return file.read_text().splitlines() if file.exists() else []
        for _ in range(2):
            process = self.start("-c", "-L", file)
            before = len(lines())
            self.until(lambda: len(lines()) >= before + 2 * len(NAMES))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual([line for line in lines() if line.startswith("time")], lines()[:1])

        process = self.start("-c", "-L", file)
        before = len(lines())
        self.until(lambda: len(lines()) > before)
        file.rename(file.with_suffix(".1"))
        process.send_signal(signal.SIGHUP)
        self.until(lambda: len(lines()) > len(NAMES))
        self.assertEqual(lines()[0], "time,vm,guest,counter,total,change")

    def test_reader_gone(self):
        "the reader ends quietly when its output pipe is closed"
        process = self.start("-l")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(process.stderr.read(), "")


class Errors(Folder):
    def test_usage(self):
        "wrong usage has status 2 and a message"
        for args, text in ((["-c"], "-c, -j and -z go with"), (["-1", "-f", "("], "no regular"),
                           (["-1", "-s", "0"], "no delay of 0.1"), (["-1", "-s", "x"], "no delay"),
                           (["-1", "-l"], "not allowed with"), (["-x"], "unrecognized"),
                           ([], "needs a terminal"), (["-1", "-p", "x"], "invalid int")):
            with self.subTest(args):
                self.assertIn(text, self.read(*args, status=2))

    def test_no_counters(self):
        "the status is 3 if the folder has no counters"
        (self.path / "total").unlink()
        self.assertIn("there are no counters in", self.read("-1", status=3))

    def test_not_readable(self):
        "the status is 4 if the counters may not be read"
        self.path.chmod(0o700)
        os.chown(self.path, 65534, 65534)
        done = subprocess.run(["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                               sys.executable, READER, "--path", self.path, "-1"],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn("run this as root", done.stderr)

    def test_log_not_writable(self):
        "a log that cannot be written has status 1"
        self.assertIn("Is a directory", self.read("-L", self.path, status=1))

    def outside(self, script):
        """Runs the reader without --path, in a mount namespace that a script prepares."""
        return subprocess.run(["unshare", "--mount", "sh", "-ec",
                               script + '; exec "$@"', "sh", sys.executable, READER, "-1"],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)

    def test_debugfs_not_mounted(self):
        "without debugfs the reader shows how to mount it, with status 4"
        done = self.outside("! mountpoint -q /sys/kernel/debug || umount -R /sys/kernel/debug")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("run mount -t debugfs debugfs /sys/kernel/debug", done.stderr)

    def test_module_not_loaded(self):
        "without the module the reader shows how to load it, with status 3"
        done = self.outside("mount -t tmpfs none /sys/kernel/debug")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("run modprobe kvm-s390-diag", done.stderr)


class Live(Folder):
    """The table, on a terminal with the functions of a VT100."""

    def table(self, *args, rows=24, columns=100, delay="0.1"):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.reader = pexpect.spawn(
            sys.executable, [str(READER), "--path", str(self.path), "-s", delay, *args],
            timeout=PATIENCE, env=dict(os.environ, TERM="vt100", LC_ALL="C.UTF-8"),
            encoding="utf-8", dimensions=(rows, columns))
        self.addCleanup(self.reader.close)
        self.addCleanup(self.reader.wait)
        self.addCleanup(self.reader.kill, signal.SIGKILL)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def shows(self, pattern, each=lambda: None):
        """Waits until the screen matches. Calls each() again and again while it waits."""
        limit = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text()):
            self.assertLess(time.monotonic(), limit,
                            f"'{pattern}' does not appear on\n{self.text()}")
            each()
            try:
                self.stream.feed(self.reader.read_nonblocking(65536, timeout=0.02))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                self.fail(f"the reader ended; the screen:\n{self.text()}")

    def never_shows(self, pattern):
        self.assertNotRegex(self.text(), pattern)

    def press(self, keys):
        self.reader.send(keys)

    def status(self):
        """Waits until the program has ended. Returns its exit status."""
        self.reader.expect(pexpect.EOF)
        return self.reader.wait()

    def test_rates(self):
        "the table shows the rates of all VMs together and of each VM"
        self.put("1234-11")
        self.table(delay="0.5")
        self.shows(r"(?m)^ +left\n +served +to\nvm +all +cookie +kvm$")
        start, count = time.monotonic(), 0

        def work():
            nonlocal count
            count = int((time.monotonic() - start) * 10000)
            self.put("total", served_cookie=100 + count, left_to_kvm=7)
            self.put("1234-11", served_cookie=count)
        for name in ("total", "1234-11"):
            self.shows(rf"(?m)^{name} +((?:8|9|10|11|12)\d\d\d) +\1 +0$", work)
        self.press("q")
        self.assertEqual(self.status(), 0)

    def test_totals(self):
        "t shows totals, r restarts them from zero"
        self.table("-i")
        self.press("t")
        self.shows(r"(?m)^kvm-s390-diag: .* in all$")
        self.shows(r"(?m)^total +107 +100 +7$")
        self.press("r")
        self.shows(r"(?m)^total +0 +0 +0$")

    def test_vms_come_and_go(self):
        "VMs appear and disappear, and the busiest is first"
        self.put("1-11", served_cookie=1)
        self.put("2-11", served_cookie=5)
        self.table("-i")
        self.press("to")
        self.shows(r"(?m)^total .*\n2-11 .*\n1-11 ")
        (self.path / "2-11").unlink()
        self.shows(r"(?m)^total .*\n1-11 .*\n\n")
        self.press("b")
        self.shows(r"(?m)^total .*\n\n")

    def test_filters(self):
        "f and p set filters, c clears them; a bad expression can be corrected"
        self.put("1-11", served_search=1)
        self.put("2-11")
        self.table("-i")
        self.press("f")
        self.shows("regular expression")
        self.press("(\n")
        self.shows("is no regular expression")
        self.press("forwarded\n")
        self.shows(r"counters forwarded\n(?s:.*)no +other")
        self.never_shows("cookie")
        self.press("c")
        self.shows("cookie")
        self.press("p")
        self.shows("Show which guest")
        self.press("1\n")
        self.shows(r"(?m)process 1\n(?s:.*)^1-11 ")
        self.never_shows("(?m)^(2-11|total)")

    def test_delay_and_help(self):
        "h lists the keys, s sets the delay"
        self.table()
        self.shows("total")
        self.press("h")
        self.shows("b +a line for each VM")
        self.press(" ")
        self.shows("total")
        self.press("s")
        self.shows(r"now 0\.1")
        self.press("0\n")
        self.shows(r"no delay of 0\.1")
        self.press("0.2\n")
        self.shows("total")
        self.press("s")
        self.shows(r"now 0\.2")

    def test_narrow(self):
        "the table marks columns and lines that do not fit; keys show the columns"
        self.put("total", **{name: 1 for name in NAMES})
        for number in range(30):
            self.put(f"{number + 1}-11")
        self.table("-i", rows=12, columns=40)
        self.shows(r"(?m)^.{38}>")
        self.shows(r"and 26 more")
        self.shows(r"cookie")
        self.press(">" * 20)
        self.shows(r"(?m)^<(?s:.*)privileged")
        self.never_shows("cookie")

    def test_upgrade(self):
        "the table waits while the module is replaced"
        self.table("-i")
        self.press("t")
        self.shows(r"(?m)^total +107 ")
        self.path.rename(self.path.with_name("aside"))
        self.shows("(?m)^Waiting: there are no counters in")
        self.path.mkdir()
        self.put("total", served_cookie=3)
        self.shows(r"(?m)^total +3 +3$")

    def test_interrupt(self):
        "an interrupt ends the table with status 0"
        self.table()
        self.shows("total")
        self.press("\x03")
        self.assertEqual(self.status(), 0)


class Manual(unittest.TestCase):
    def test_options(self):
        "the manual lists the options that --help lists"
        manual = (ROOT / "tools/kvm-s390-diag-stat.1").read_text()
        described = {option.lstrip("-") for line in re.findall(r"(?m)^\.It (Fl .*)$", manual)
                     for option in re.findall(r"Fl (\S+)", line)}
        listed = {option.lstrip("-") for line in run("--help").stdout.splitlines()
                  if line.startswith("  -")
                  for option in re.findall(r"(?:^  |, )--?([\w-]+)", line)}
        self.assertEqual(described, listed)


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.tap = lab.Tap("reader: ")

    def stopTest(self, test):
        super().stopTest(test)
        why = [why for _, why in self.errors + self.failures]
        self.tap.result(not why, test.shortDescription(), "".join(why))
        self.errors.clear()
        self.failures.clear()


def main():
    tests = [(test.id().split(".test_")[1], test)
             for group in unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
             for test in group]
    names = [name for name, _ in tests]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", nargs="*", help="tests to run (default: all)")
    parser.add_argument("--list", action="store_true", help="list the names of the tests")
    args = parser.parse_args()
    if args.list:
        print(*names, sep="\n")
        return 0
    if unknown := set(args.test).difference(names):
        parser.error(f"no test has the name {unknown.pop()}; these are the names: "
                     f"{' '.join(names)}")

    # In the background of a shell, SIGINT is ignored; undo that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    result = TapResult()
    unittest.TestSuite(test for name, test in tests if name in (args.test or names)).run(result)
    return result.tap.end()


if __name__ == "__main__":
    sys.exit(main())
