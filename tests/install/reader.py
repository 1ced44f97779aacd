#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests kvm-s390-diag-stat on a made-up folder of counters. The output is TAP."""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import re
import shlex
import shutil
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
PROMTOOL = shutil.which("promtool") or lab.CACHE / "promtool"
# Makes a module's folder in sysfs.
MODULE = ("mount -t tmpfs none /sys/module; mkdir -p /sys/module/kvm_s390_diag/parameters; "
          "echo 7.8 > /sys/module/kvm_s390_diag/version; "
          "echo 0x500,0x501 > /sys/module/kvm_s390_diag/parameters/claim")
# The counters of the module, and those that the reader shows.
COUNTERS = ["served_cookie", "served_search", "bus_gone", "forwarded_no_device",
            "forwarded_no_css", "forwarded_other_subcode", "forwarded_other_code",
            "forwarded_requested", "privileged"]
NAMES = [*COUNTERS, "left_to_kvm"]
PATIENCE = 30
# A time in the format of ISO 8601, with the time zone.
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"


def run(*args, **options):
    return subprocess.run([sys.executable, READER, *map(str, args)], capture_output=True,
                          text=True, timeout=PATIENCE, **options)


class Folder(unittest.TestCase):
    """A folder of counters like the module's, in a folder like KVM's, and calls of the reader
    on it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "kvm-s390-diag"
        self.path.mkdir()
        self.put("total", served_cookie=100, forwarded_other_code=7)

    def put(self, name, extra="", **values):
        """Writes a file of counters. An existing file is overwritten, not replaced. A VM has
        KVM's own counters as well."""
        if name[0].isdecimal() and not self.path.with_name(name).exists():
            self.kvm(name)
        text = "".join(f"{counter} {values.pop(counter, 0)}\n" for counter in COUNTERS)
        text += "".join(f"{counter} {value}\n" for counter, value in values.items()) + extra
        fd = os.open(self.path / name, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, text.encode(), 0)
        os.ftruncate(fd, len(text))
        os.close(fd)

    def kvm(self, vm, **codes):
        """Writes KVM's own counters of a VM. The arguments are named code_9c and so on."""
        folder = self.path.with_name(vm)
        folder.mkdir(exist_ok=True)
        for code in ("9c", "500", "other"):
            # A reader that runs must not see a file without its number.
            new = folder / "new"
            new.write_text(f"{codes.get('code_' + code, 0)}\n")
            new.replace(folder / f"instruction_diagnose_{code}")
        (folder / "diag_9c_forward").write_text("99\n")
        (folder / "vcpu0").mkdir(exist_ok=True)

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

    def without_module(self, *args, module="", **options):
        """Calls the reader without --path where the module is not loaded. The module's
        folder in sysfs is then made by a script, if one is given."""
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /sys/kernel/debug; "
             f'{module or ":"}; exec "$@"', "sh", sys.executable, READER, *map(str, args)],
            capture_output=True, text=True, timeout=PATIENCE, check=False, **options)

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

    def test_settings(self):
        "a VM is shown with the codes that its VMM has set, in plain lines and in JSON"
        self.put("1234-11", extra="set 0x0-0x4ff to_userspace 77\nset 0x500-0x500 to_kernel 78\n")
        self.put("99-11")
        lines = [line.split() for line in self.read("-1", "-s", "0.1").splitlines()]
        self.assertEqual(len(lines), 3 * len(NAMES) + 2)
        self.assertIn(["1234-11", "set", "0x0-0x4ff", "to_userspace", "77"], lines)
        self.assertIn(["1234-11", "set", "0x500-0x500", "to_kernel", "78"], lines)
        self.assertNotIn("set", self.read("-1", "-f", "served", "-s", "0.1"))
        answer = json.loads(self.read("-1", "-j", "-s", "0.1"))
        self.assertEqual({vm["vm"]: vm.get("set") for vm in answer["vms"]}, {
            "total": None, "99-11": None, "1234-11": [
                {"codes": "0x0-0x4ff", "action": "to_userspace", "by_pid": 77},
                {"codes": "0x500-0x500", "action": "to_kernel", "by_pid": 78}]})

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

    def test_one_name(self):
        "every output shows a VM under the same name, which is its own"
        pids = [self.guest("-name", f"guest={name}") for name in ("web", "db", "db")]
        for pid in pids:
            self.put(f"{pid}-11")
        expected = {"total", "web", f"db/{pids[1]}-11", f"db/{pids[2]}-11"}
        self.assertEqual({line.split()[0] for line in self.read("-1").splitlines()}, expected)
        process = self.start("-l")
        process.stdout.readline()
        self.assertEqual({process.stdout.readline().split()[1] for _ in expected}, expected)

    def test_uuid(self):
        "the UUID that QEMU got is beside the name, and selects the VM"
        uuid = "0c1b2a39-4857-4667-8594-a3b2c1d0e9f8"
        pid = self.guest("-uuid", uuid, "-name", "guest=web")
        self.put(f"{pid}-11")
        self.put("1234-11")
        for args in (["-g", uuid], ["-g", "web"], ["-g", f"{pid}-11"]):
            answer = json.loads(self.read("-1", "-j", "-s", "0.1", *args))
            self.assertEqual([(vm["guest"], vm["uuid"]) for vm in answer["vms"]],
                             [("web", uuid)])
        rows = csv.DictReader(io.StringIO(self.read("-1", "-c", "-s", "0.1")))
        self.assertEqual({row["vm"]: row["uuid"] for row in rows},
                         {"total": "", "1234-11": "", f"{pid}-11": uuid})

    def test_no_such_counter(self):
        "-f that matches nothing has status 6 in each mode"
        for mode in (["-1"], ["-l"], ["-L", self.path.with_name("log")], ["--prometheus"]):
            with self.subTest(mode):
                self.assertIn("no counter matches 'nothing'",
                              self.read(*mode, "-f", "nothing", status=6))

    def test_time(self):
        "times are in ISO 8601 with the time zone"
        row = next(csv.DictReader(io.StringIO(self.read("-1", "-c", "-s", "0.1"))))
        self.assertRegex(row["time"], f"^{TIME}$")
        process = self.start("-l")
        process.stdout.readline()
        self.assertRegex(process.stdout.readline(), f"^{TIME} total ")
        self.assertTrue(datetime.datetime.fromisoformat(
            json.loads(self.read("-1", "-j", "-s", "0.1"))["time"]).tzinfo)

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


class LeftToKvm(Folder):
    """The module does not count a DIAGNOSE that it leaves to KVM. KVM counts each DIAGNOSE."""

    def left(self, *args):
        return {vm: value for (vm, name), value in self.records(*args).items()
                if name == "left_to_kvm"}

    def follow(self):
        log = Log(self.start("-l", "-j"))
        log.look()
        return log

    def test_left_is_the_rest(self):
        "left_to_kvm is what KVM counts and the module does not, in each format"
        self.put("1234-11", served_cookie=10, forwarded_other_code=2, privileged=5)
        self.kvm("1234-11", code_500=10, code_other=5, code_9c=4)
        self.put("1235-11", forwarded_no_device=1)
        self.kvm("1235-11", code_500=1, code_9c=1)
        self.assertEqual(self.left("-i"), {"total": 8, "1234-11": 7, "1235-11": 1})
        self.assertEqual(self.left(), {"total": 0, "1234-11": 0, "1235-11": 0})
        for args in (["-1", "-i", "-s", "0.1"], ["-1", "-i", "-c", "-s", "0.1"]):
            self.assertRegex(self.read(*args), r"(?m)1234-11.*left_to_kvm.*\b7\b")

    def test_left_of_an_older_vm(self):
        "the total of an older VM has all that KVM has answered; the changes are exact"
        self.put("1234-11", served_cookie=10)
        self.kvm("1234-11", code_500=1000, code_9c=50)
        self.assertEqual(self.left("-i")["1234-11"], 1040)
        log = self.follow()
        self.put("1234-11", served_cookie=30)
        self.kvm("1234-11", code_500=1020, code_9c=55)
        log.until(lambda: log.changes["1234-11", "left_to_kvm"])
        log.look()
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 5)
        self.assertEqual(log.changes["total", "left_to_kvm"], 5)
        self.assertEqual(log.last["total"]["left_to_kvm"]["total"], 5)

    def test_left_never_decreases(self):
        "counters that were read at different moments do not add up to more"
        self.put("1234-11")
        log = self.follow()
        # The guest has notified after KVM's counters were read.
        self.put("1234-11", served_cookie=20)
        log.until(lambda: log.changes["1234-11", "served_cookie"])
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 0)
        self.kvm("1234-11", code_500=20, code_9c=1)
        log.until(lambda: log.changes["1234-11", "left_to_kvm"])
        log.look()
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 1)

    def test_left_after_another_load(self):
        "what KVM answered while the module was not loaded counts; its earlier answers do not"
        self.put("1234-11", served_cookie=100)
        self.kvm("1234-11", code_500=100, code_9c=6)
        log = self.follow()
        aside = self.path.with_name("aside")
        os.rename(self.path, aside)
        self.kvm("1234-11", code_500=103, code_9c=6)
        self.assertIn("waiting for it", log.process.stderr.readline())
        self.path.mkdir()
        self.put("1234-11", served_cookie=2)
        self.kvm("1234-11", code_500=105, code_9c=7)
        self.put("total", served_cookie=2)
        log.until(lambda: log.changes["1234-11", "left_to_kvm"])
        log.look()
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 4)

    def test_left_of_a_new_file(self):
        "the first file of an older VM does not count what KVM answered before"
        self.kvm("1234-11", code_500=1000, code_9c=50)
        log = self.follow()
        self.put("1234-11", served_cookie=1)
        self.kvm("1234-11", code_500=1001, code_9c=52)
        log.until(lambda: log.changes.get(("1234-11", "left_to_kvm")))
        log.look()
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 2)

    def test_left_of_a_destroyed_vm(self):
        "the total keeps the changes of a VM that is destroyed"
        self.put("1234-11")
        log = self.follow()
        self.kvm("1234-11", code_9c=9)
        log.until(lambda: log.changes["total", "left_to_kvm"])
        (self.path / "1234-11").unlink()
        shutil.rmtree(self.path.with_name("1234-11"))
        log.until(lambda: "1234-11" not in log.vms)
        self.assertEqual(log.last["total"]["left_to_kvm"], {"total": 9, "change": 0,
                                                            "per_second": 0.0})

    def test_left_of_an_unreadable_file(self):
        "while one of KVM's counters cannot be read, nothing is counted twice"
        self.put("1234-11", served_cookie=10)
        self.kvm("1234-11", code_500=1010, code_9c=50)
        log = self.follow()
        (self.path.with_name("1234-11") / "instruction_diagnose_other").write_text("")
        self.put("1234-11", served_cookie=30)
        log.until(lambda: log.changes["1234-11", "served_cookie"])
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 0)
        self.kvm("1234-11", code_500=1030, code_9c=53)
        log.until(lambda: log.changes["1234-11", "left_to_kvm"])
        log.look()
        self.assertEqual(log.changes["1234-11", "left_to_kvm"], 3)
        self.assertEqual(log.changes["total", "left_to_kvm"], 3)

    def test_left_of_an_older_module(self):
        "a module that counts left_to_kvm itself is believed"
        self.put("total", left_to_kvm=3)
        self.put("1234-11", left_to_kvm=2)
        self.kvm("1234-11", code_9c=77)
        self.assertEqual(self.left("-i"), {"total": 3, "1234-11": 2})


class Prometheus(Folder):
    SAMPLE = re.compile(r'([a-z0-9_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\d+)$')

    def samples(self, *args):
        """Parses the exposition format strictly. Returns metrics, labels and values."""
        metric, samples = None, []
        text = self.read("--prometheus", *args)
        self.promtool("check", "metrics", input=text)
        for line in text.splitlines():
            if match := re.match(r"# HELP (\w+) .+", line):
                metric = match[1]
            elif line.startswith("#"):
                kind = "counter" if metric.endswith("_total") else "gauge"
                self.assertEqual(line, f"# TYPE {metric} {kind}")
            else:
                match = self.SAMPLE.match(line)
                self.assertTrue(match, line)
                self.assertEqual(match[1], metric)
                labels = {key: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)
                          for key, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"',
                                                       match[2] or "")}
                samples.append((metric, labels, int(match[3])))
        return samples

    def promtool(self, *args, **options):
        done = subprocess.run([PROMTOOL, *args], capture_output=True, text=True, timeout=PATIENCE,
                              check=False, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_format(self):
        "promtool accepts the output, which has the values of the kernel"
        self.put("1234-11", served_cookie=2**64 - 1)
        self.kvm("1234-11", code_9c=4)
        samples = self.samples()
        self.assertEqual(len(samples), 2 * len(COUNTERS) + 3 + 2)
        for code, count in (("9c", 4), ("500", 0), ("other", 0)):
            self.assertIn(("kvm_s390_diag_vm_codes_total",
                           {"vm": "1234-11", "guest": "", "uuid": "", "code": code}, count),
                          samples)
        self.assertIn(("kvm_s390_diag_intercepts_total", {"outcome": "served_cookie"}, 100),
                      samples)
        self.assertIn(("kvm_s390_diag_vm_intercepts_total",
                       {"vm": "1234-11", "guest": "", "uuid": "", "outcome": "served_cookie"},
                       2**64 - 1), samples)
        self.assertIn(("kvm_s390_diag_loaded", {}, 1), samples)

    def test_escaping(self):
        "labels are escaped"
        name = 'a\\b"c\nd\\n'
        pid = self.guest("-name", f"guest={name}")
        self.put(f"{pid}-11")
        self.assertEqual({labels["guest"] for _, labels, _ in self.samples("-g", name)
                          if "guest" in labels}, {name})

    def test_filtered(self):
        "with a filter there is no sum over all VMs"
        self.put("1234-11")
        self.put("1235-11")
        self.assertEqual({(metric, labels["vm"]) for metric, labels, _ in
                          self.samples("-p", "1234") if "outcome" in labels},
                         {("kvm_s390_diag_vm_intercepts_total", "1234-11")})

    def test_info(self):
        "a metric has the version and the parameter claim of the loaded module"
        done = self.without_module("--prometheus", "--path", self.path, module=MODULE)
        self.assertIn('kvm_s390_diag_info{version="7.8",claim="0x500,0x501"} 1\n', done.stdout)

    def test_loaded(self):
        "without the module, the only metric says that it is not loaded"
        done = self.without_module("--prometheus")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line for line in done.stdout.splitlines() if line[0] != "#"],
                         ["kvm_s390_diag_loaded 0"])
        self.promtool("check", "metrics", input=done.stdout)

    def test_not_loaded_or_not_readable(self):
        "if the module is loaded but its counters are missing, there is no metric"
        done = self.without_module("--prometheus", module=MODULE)
        self.assertEqual((done.returncode, done.stdout), (4, ""))

    def test_textfile(self):
        "--prometheus FILE replaces the file at once, and removes it if it fails"
        folder = self.path.with_name("collector")
        folder.mkdir()
        file = folder / "diag.prom"
        file.write_text("old")
        inode = file.stat().st_ino
        self.assertEqual(self.read("--prometheus", file), "")
        self.assertNotEqual(file.stat().st_ino, inode)
        self.assertEqual(file.read_text(), self.read("--prometheus"))
        self.assertEqual([(entry.name, entry.stat().st_mode & 0o777)
                          for entry in folder.iterdir()], [("diag.prom", 0o644)])
        self.read("--prometheus", file, "-p", "1", status=5)
        self.assertEqual(list(folder.iterdir()), [])
        file.write_text("old")
        (self.path / "total").unlink()
        self.read("--prometheus", file, status=3)
        self.assertEqual(list(folder.iterdir()), [])

    def unit(self, setting):
        """Returns a command of the service, or the value of another setting."""
        text = (ROOT / "dist/systemd/kvm-s390-diag-prometheus.service").read_text()
        return re.search(rf"(?m)^{setting}=(.*)$", text)[1]

    def service(self, *prefix):
        """Runs the commands of the service as systemd does. Returns the file's content, or
        None. Nothing else may be in the folder."""
        file = self.path.with_name("collector") / "kvm-s390-diag.prom"
        file.parent.mkdir(exist_ok=True)
        (self.path.with_name("kvm-s390-diag-stat")).unlink(missing_ok=True)
        (self.path.with_name("kvm-s390-diag-stat")).symlink_to(READER)
        environment = dict(os.environ, TEXTFILE=str(file),
                           PATH=f"{self.path.parent}:{os.environ['PATH']}")
        words = [word.replace("${TEXTFILE}", str(file))
                 for word in shlex.split(self.unit("ExecStart"))]
        done = subprocess.run([*prefix, *words, "--path", self.path], env=environment,
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        subprocess.run(shlex.split(self.unit("ExecStopPost")), check=True, env=dict(
            environment, SERVICE_RESULT="exit-code" if done.returncode else "success"))
        self.assertLessEqual({entry.name for entry in file.parent.iterdir()}, {file.name})
        return file.read_text() if file.exists() else None

    def test_service(self):
        "the service writes the file, and leaves none behind when it fails"
        self.assertEqual(self.service(), self.read("--prometheus"))
        # As if the program could not be started, and as if it was killed.
        self.assertIsNone(self.service("false"))
        self.assertIsNotNone(self.service())
        folder = self.path.with_name("collector")
        (folder / "kvm-s390-diag.prom.new").write_text("incomplete")
        self.assertIsNone(self.service("sh", "-c", "kill -KILL $$"))
        self.assertIsNotNone(self.service())
        self.path.rename(self.path.with_name("aside"))
        self.assertIsNone(self.service())

    def test_units(self):
        "systemd has no complaint about the service and the timer"
        done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                               *(ROOT / "dist/systemd").iterdir()], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_alerts(self):
        "promtool has no complaint about the alert rules, and they fire when they must"
        self.promtool("check", "rules", ROOT / "dist/prometheus/kvm-s390-diag.rules.yml")
        self.promtool("test", "rules", ROOT / "tests/install/alerts.yml")


class Changes(Folder):
    def log(self, *args):
        log = Log(self.start("-l", "-j", *args))
        log.look()
        return log

    def test_change(self):
        "each change between two readings is shown once"
        log = self.log()
        self.put("total", served_cookie=150, forwarded_other_code=8)
        log.until(lambda: log.changes["total", "forwarded_other_code"] >= 1)
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
        self.assertEqual([process.stdout.readline().split()[1] for _ in range(2)],
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
        self.assertEqual(lines()[0], "time,vm,guest,counter,total,change,per_second,uuid")

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
        done = self.without_module("-1")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("run modprobe kvm-s390-diag", done.stderr)


class Terminal(Folder):
    """A terminal with the functions of a VT100."""

    # What runs on the terminal, before the reader's arguments.
    command = [sys.executable, str(READER)]

    def table(self, *args, rows=24, columns=100, delay="0.1", terminal="vt100", command=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        program, *words = command or self.command
        self.reader = pexpect.spawn(
            program, [*words, "--path", str(self.path), "-s", delay, *args],
            timeout=PATIENCE, env=dict(os.environ, TERM=terminal, LC_ALL="C.UTF-8"),
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


class Live(Terminal):
    """The table."""

    def test_rates(self):
        "the table shows the rates of all VMs together and of each VM"
        self.put("1234-11")
        # An interval is no shorter than this, so an increase is not within the limits of the rate.
        self.table(delay="2")
        self.shows(r"(?m)^ +forwarded\n +served +other\nvm +all +cookie +code$")
        start, count = time.monotonic(), 0

        def work():
            nonlocal count
            count = int((time.monotonic() - start) * 10000)
            self.put("total", served_cookie=100 + count, forwarded_other_code=7)
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
        self.put("1-11", extra="set 0x0-0xffff to_userspace 77\n")
        self.shows("(?m)^1-11 set 0x0-0xffff to_userspace 77$")

    def test_delay_and_help(self):
        "h and ? list the keys, s sets the delay"
        self.table()
        self.shows("(?m)^h help, q quit$")
        for key in "h?":
            self.press(key)
            self.shows("b +a line for each VM")
            self.press(" ")
            self.shows("(?m)^total ")
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
        self.shows(r"(?m)^<(?s:.*)all +kvm$")
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


    def test_header(self):
        "the header has the version and the parameter claim of the loaded module"
        self.table(command=["unshare", "--mount", "sh", "-ec", f'{MODULE}; exec "$@"', "sh",
                            *self.command])
        self.shows(r"(?m)^kvm-s390-diag 7\.8, claim=0x500,0x501: DIAGNOSE intercepts, per second$")

    def test_uuid_column(self):
        "a terminal that is wide enough shows the UUIDs"
        uuid = "0c1b2a39-4857-4667-8594-a3b2c1d0e9f8"
        pid = self.guest("-uuid", uuid, "-name", "guest=web")
        self.put(f"{pid}-11")
        self.table()
        self.shows(rf"(?m)^vm .* uuid$(?s:.*)^web .* {uuid}$")
        self.press("q")
        self.table(columns=70)
        self.shows("(?m)^web ")
        self.never_shows("uuid")

    def test_no_counter(self):
        "-f that matches nothing ends with status 6; the key f shows a message"
        self.table("-f", "nothing")
        self.assertEqual(self.status(), 6)
        self.table()
        self.shows("total")
        self.press("fnothing\n")
        self.shows("No counter matches; press c")

    def test_terminals(self):
        "a terminal that cannot show the table is refused with a message"
        for terminal, status, text in (("dumb", 2, "cannot move its cursor"),
                                       ("no-such-terminal", 1, "cannot show the table")):
            with self.subTest(terminal):
                self.table(terminal=terminal)
                self.reader.expect(f"the terminal '{terminal}' {text}")
                self.assertEqual(self.status(), status)

    def test_no_curses(self):
        "without Python's module curses, the table is refused with a message"
        self.table(command=[sys.executable, "-c", "import runpy, sys; del sys.argv[0]; "
                            "sys.modules['curses'] = None; "
                            f"runpy.run_path('{READER}', run_name='__main__')", str(READER)])
        self.reader.expect("needs Python's module curses")
        self.assertEqual(self.status(), 1)


# Runs the reader with a folder in place of tracefs. The kernel fills a new trace instance, and
# removes it with its content. So do mkdir and rmdir here.
DRIVER = """
import importlib.machinery, importlib.util, os, shutil, sys, types
loader = importlib.machinery.SourceFileLoader("reader", sys.argv[1])
reader = importlib.util.module_from_spec(importlib.util.spec_from_loader("reader", loader))
loader.exec_module(reader)
tracefs = sys.argv[2]
reader.find_tracefs = lambda: tracefs
reader.module_claim = lambda: open(tracefs + "/claim").read()
reader.os = types.SimpleNamespace(**dict(
    vars(os), mkdir=lambda path: shutil.copytree(tracefs + "/template", path),
    rmdir=shutil.rmtree))
sys.argv[1:3] = []
sys.exit(reader.main())
"""

FORMAT = ('print fmt: "vm %d", REC->vm, __print_symbolic(REC->outcome, { 0, "served_cookie" }, '
          '{ 1, "served_search" }, { 3, "forwarded_no_device" }, { 7, "left_to_kvm" }, '
          '{ 9, "of_a_newer_module" })')


class ByQueue(Terminal):
    """--queues, on a made-up tracefs. host.py and tests/guests/run use the kernel's."""

    def setUp(self):
        super().setUp()
        self.tracefs = self.path.with_name("tracing")
        self.event = "events/kvm_s390_diag/kvm_s390_diag"
        event = self.tracefs / "template" / self.event
        event.mkdir(parents=True)
        (self.tracefs / "instances").mkdir()
        (self.tracefs / "claim").write_text("0x500")
        (event / "format").write_text(FORMAT)
        for name in ("hist", "trigger", "../../../buffer_size_kb"):
            (event / name).touch()
        self.command = [sys.executable, "-c", DRIVER, str(READER), str(self.tracefs)]
        self.pid = self.guest("-name", "guest=web")
        self.put(f"{self.pid}-11")

    def queues(self, *args, **options):
        """Starts the reader. Returns the process and its trace instance."""
        process = subprocess.Popen(
            [*self.command, "--path", str(self.path), "-s", "0.1", "--queues", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        for close in (process.stdout.close, process.stderr.close, process.wait, process.kill):
            self.addCleanup(close)
        # A reader that prints nothing must not stop the tests.
        limit = threading.Timer(PATIENCE, process.kill)
        limit.start()
        self.addCleanup(limit.cancel)
        instance = self.instance(process.pid)
        self.until(lambda: process.poll() is not None or self.triggers(instance))
        return process, instance

    def instance(self, pid):
        return self.tracefs / "instances" / f"kvm-s390-diag-stat.{pid}"

    def instances(self):
        return {entry.name for entry in (self.tracefs / "instances").iterdir()}

    def triggers(self, instance):
        """Returns the triggers that the reader has written, when they are complete."""
        try:
            text = (instance / self.event / "trigger").read_text()
        except FileNotFoundError:
            return ""
        return text if re.search("outcome == 9 .*\n", text) else ""

    def count(self, instance, *entries, dropped=0):
        """Lets the kernel's histograms show entries of outcome, subchannel, queue and count."""
        text = ""
        for outcome in (0, 1, 3, 9):
            text += ("# event histogram\n#\n# trigger info: hist:keys=vm,schid,queue:"
                     "vals=hitcount:sort=hitcount:size=4096 if outcome == "
                     f"{outcome} && code == 0x500 && subcode == 3 [active]\n#\n\n")
            text += "".join(f"{{ vm: {self.pid:10}, schid: {schid:10}, queue: {queue:10} }} "
                            f"hitcount: {number:10}\n"
                            for of, schid, queue, number in entries if of == outcome)
            text += f"\nTotals:\n    Hits: 0\n    Entries: 0\n    Dropped: {dropped}\n\n\n"
        hist = instance / self.event / "hist"
        new = hist.with_name("new")
        new.write_text(text)
        new.replace(hist)

    def test_queues_json(self):
        "JSON has each queue's notifications by outcome; none is lost between two readings"
        process, instance = self.queues("-l", "-j")
        self.count(instance, (0, 0x00010005, 0, 40), (3, 0x00010005, 0, 2), (1, 0x00070006, 3, 5),
                   (9, 0x00010005, 0, 6), (3, 0x12345678, 2**64 - 1, 1))
        found = {}
        while len(found) < 3:
            answer = json.loads(process.stdout.readline())
            for queue in answer["queues"]:
                self.assertEqual((queue["vm"], queue["guest"]), (f"{self.pid}-11", "web"))
                found.setdefault((queue["subchannel"], queue["queue"]), queue["counters"])
        self.assertEqual({key: {name: value["change"] for name, value in counters.items()
                                if value["change"]} for key, counters in found.items()},
                         {("0.0.0005", 0): {"served_cookie": 40, "forwarded_no_device": 2,
                                            "of_a_newer_module": 6},
                          ("0.3.0006", 3): {"served_search": 5},
                          ("0x12345678", 2**64 - 1): {"forwarded_no_device": 1}})
        # Each first change is that of one reading, whose length the record has.
        self.count(instance, (0, 0x00010005, 0, 140))
        while (change := answer["queues"][0]["counters"]["served_cookie"])["total"] != 140:
            answer = json.loads(process.stdout.readline())
        self.assertEqual(change["change"], 100)
        # Rates are rounded to 0.001, and seconds to 0.000001.
        rate, seconds = change["per_second"], answer["seconds"]
        self.assertAlmostEqual(rate * seconds, 100, delta=seconds * 0.001 + rate * 0.000001)

    def test_queues_triggers(self):
        "there is a histogram of each outcome that a notification can have"
        _, instance = self.queues("-l")
        self.assertEqual(self.triggers(instance).splitlines(),
                         ["disable_event:kvm_s390_diag:kvm_s390_diag:0"] +
                         [f"hist:keys=vm,schid,queue:size=4096 if outcome == {outcome} && "
                          "code == 0x500 && subcode == 3" for outcome in (0, 1, 3, 9)])

    def test_queues_csv(self):
        "CSV has a line for each queue and outcome"
        process, instance = self.queues("-l", "-c", "-z")
        self.count(instance, (0, 0x00010005, 1, 40))
        head = process.stdout.readline().strip()
        self.assertEqual(head, "time,vm,guest,counter,total,change,per_second,uuid,"
                               "subchannel,queue")
        row = dict(zip(head.split(","), process.stdout.readline().strip().split(",")))
        self.assertEqual([row[name] for name in ("vm", "guest", "counter", "total", "change",
                                                 "subchannel", "queue")],
                         [f"{self.pid}-11", "web", "served_cookie", "40", "40", "0.0.0005", "1"])

    def test_queues_table(self):
        "the table has a line for each queue, the busiest first"
        self.table("--queues")
        self.shows("(?m)^No notification yet")
        instance = self.instance(self.reader.pid)
        self.count(instance, (0, 0x00010005, 0, 1), (3, 0x00010006, 1, 3))
        self.press("t")
        self.shows(r"(?m)^vm +subchannel +queue +all +cookie +device$")
        self.shows(r"(?m)^web +0\.0\.0005 +0 +1 +1 +0$")
        self.shows(r"(?m)^web +0\.0\.0006 +1 +3 +0 +3$")
        self.press("o")
        self.shows(r"(?m)^web +0\.0\.0006 .*\nweb +0\.0\.0005 ")
        self.press("q")
        self.assertEqual(self.status(), 0)
        self.assertEqual(self.instances(), set())

    def test_queues_of_one_vm(self):
        "for one VM, the kernel counts only the notifications of its process"
        self.put("1-11")
        for which in ("web", str(self.pid), f"{self.pid}-11"):
            with self.subTest(which):
                process, instance = self.queues(which, "-l")
                self.assertEqual(self.triggers(instance).count(f" && (vm == {self.pid})\n"), 4)
        _, instance = self.queues("-l")
        self.assertNotIn("vm ==", self.triggers(instance))
        process, _ = self.queues("mail", "-1")
        self.assertEqual(process.wait(PATIENCE), 5)

    def test_queues_new_filter(self):
        "a filter that is set in the table becomes the kernel's"
        self.put("1-11")
        self.table("--queues")
        self.shows("No notification")
        instance = self.instance(self.reader.pid)
        self.press("p1\n")
        self.until(lambda: "(vm == 1)" in self.triggers(instance))
        self.press("c")
        self.until(lambda: "vm ==" not in (self.triggers(instance) or "vm =="))

    def test_queues_restart(self):
        "a queue is idle, and stays in the table, when the kernel has started to count anew"
        self.put("1-11")
        self.table("--queues", "-f", "served")
        self.shows("No notification")
        instance = self.instance(self.reader.pid)
        self.press("t")
        self.count(instance, (0, 0x00010005, 0, 7))
        self.shows(r"(?m)^web +0\.0\.0005 +0 +7 +7 +0$")
        self.press(f"p{self.pid}\n")
        self.until(lambda: f"(vm == {self.pid})" in self.triggers(instance))
        self.press("t")
        self.shows(r"(?m)^web +0\.0\.0005 +0 +0 +0 +0$")
        self.count(instance, (0, 0x00010005, 0, 2))
        self.press("t")
        self.shows(r"(?m)^web +0\.0\.0005 +0 +9 +9 +0$")
        # As if all of these came between the new start and the first reading after it.
        self.count(self.tracefs / "template", (0, 0x00010005, 0, 30))
        self.press("c")
        self.shows(r"(?m)^web +0\.0\.0005 +0 +39 +39$")

    def test_queues_dropped(self):
        "notifications that found no room in the histograms are reported"
        process, instance = self.queues("-l")
        self.count(instance, dropped=7)
        self.assertIn("28 notifications had no room", process.stderr.readline())

    def test_queues_stopped(self):
        "each signal that ends the reader also removes its trace instance"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(number):
                process, _ = self.queues("-l")
                process.send_signal(number)
                self.assertEqual(process.wait(PATIENCE), 0 if number == signal.SIGINT else -number)
                self.assertEqual(self.instances(), set())

    def test_queues_killed(self):
        "the next start removes the trace instance of a killed reader, and no other one"
        killed, _ = self.queues("-l")
        running, instance = self.queues("-l")
        (self.tracefs / "instances/other").mkdir()
        killed.kill()
        killed.wait()
        self.assertEqual(len(self.instances()), 3)
        subprocess.run([*self.command, "--path", self.path, "-1", "-s", "0.1"], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.instances(), {"other", instance.name})

    def test_queues_impossible(self):
        "if the kernel or the module cannot count, a message says why, and nothing stays behind"
        (self.tracefs / "template" / self.event / "hist").unlink()
        self.assertIn("CONFIG_HIST_TRIGGERS", self.queues("-1")[0].stderr.readline())
        (self.tracefs / "claim").write_text("0x501")
        self.assertIn("claim=0x501 leaves", self.queues("-1")[0].stderr.readline())
        (self.tracefs / "claim").write_text("all")
        shutil.rmtree(self.tracefs / "template/events")
        (self.tracefs / "template").mkdir(exist_ok=True)
        self.assertIn("does not have the module's trace event",
                      self.queues("-1")[0].stderr.readline())
        self.until(lambda: self.instances() == set())


class Completion(Folder):
    def complete(self, *words):
        """Returns what bash offers for the last word."""
        script = f"""
            compopt() {{ :; }}
            source {ROOT}/tools/kvm-s390-diag-stat.bash
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _kvm_s390_diag_stat "$1"
            [ ${{#COMPREPLY[@]}} = 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        program = self.path.with_name("program")
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {READER} --path {self.path} "$@"\n')
        program.chmod(0o755)
        done = subprocess.run(["bash", "-c", script, "bash", program, *words], check=True,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_completion_options(self):
        "bash completes every option that --help lists"
        self.assertEqual(set(self.complete("-")), listed_options())
        self.assertEqual(self.complete("--qu"), ["--queues"])

    def test_completion_values(self):
        "bash completes counters, guests and processes, and runs nothing of a guest's name"
        pid = self.guest("-name", "guest=a$(touch owned)")
        self.put(f"{pid}-11")
        self.assertEqual(self.complete("-f", "forwarded_no"),
                         ["forwarded_no_device", "forwarded_no_css"])
        self.assertEqual(self.complete("-g", ""), [r"a\$\(touch\ owned\)"])
        self.assertFalse(pathlib.Path("owned").exists())
        self.assertEqual(self.complete("-p", ""), [str(pid)])
        self.assertEqual(self.complete("--queues", str(pid)), [f"{pid}-11"])
        self.assertEqual(self.complete("-s", ""), [])

    def test_completion_in_bash(self):
        "bash uses this completion for the program's name"
        shell = pexpect.spawn("bash", ["--norc", "--noprofile"], encoding="utf-8",
                              timeout=PATIENCE, env=dict(os.environ, TERM="dumb"))
        self.addCleanup(shell.close)
        shell.sendline(f"source {ROOT}/tools/kvm-s390-diag-stat.bash")
        shell.send("kvm-s390-diag-stat --prom\t")
        shell.expect("kvm-s390-diag-stat --prometheus ")


def listed_options():
    return {option for line in run("--help").stdout.splitlines() if line.startswith("  -")
            for option in re.findall(r"(?:^  |, )(--?[\w-]+)", line)}


class Manual(unittest.TestCase):
    def test_options(self):
        "the manual lists the options that --help lists"
        manual = (ROOT / "tools/kvm-s390-diag-stat.1").read_text()
        described = {option.lstrip("-") for line in re.findall(r"(?m)^\.It (Fl .*)$", manual)
                     for option in re.findall(r"Fl (\S+)", line)}
        self.assertEqual(described, {option.lstrip("-") for option in listed_options()})


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
    # The readers that are started here would inherit signals that are ignored.
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
