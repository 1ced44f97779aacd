# SPDX-License-Identifier: GPL-2.0-only
"""The parts that the tests' Python programs share.

The path of the cache, the output in TAP, and the list of the lines by which a kernel
reports a fault. Runs on the lab's machine and on its hosts.
"""

import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("DIAG_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kvm-s390-diag")
SOURCE = CACHE / "linux-source-6.1"

# Parameters by which Debian's kernels do not test their cryptography and load no certificates.
# Both take long in an emulator. The modules that the lab loads have no signatures.
QUICK_BOOT = "cryptomgr.notests=1 initcall_blacklist=load_system_certificate_list"


class Tap:
    """Numbers and prints the results of tests, and the plan after the last one."""

    def __init__(self, prefix=""):
        self.number = self.failed = 0
        self.prefix = prefix

    def result(self, ok, name, why=()):
        """Prints one result, and below a failure its reason: a text or lines."""
        self.number += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} - {self.prefix}{name}", flush=True)
        if not ok:
            for line in why.splitlines() if isinstance(why, str) else why:
                self.note(line)

    def equal(self, name, *values):
        self.result(len(set(values)) == 1, name, f"not equal: {values}")

    def skip(self, name, why):
        self.number += 1
        print(f"ok {self.number} - {self.prefix}{name} # SKIP {why}", flush=True)

    @staticmethod
    def note(text):
        print(f"# {text}", flush=True)

    def end(self):
        """Prints the plan and returns the exit status."""
        print(f"1..{self.number}", flush=True)
        return int(self.failed != 0 or not self.number)


def _patterns():
    lines = (HERE / "reports.txt").read_text().splitlines()
    if not all(lines):
        sys.exit("reports.txt: an empty line matches everything")
    return re.compile("|".join(f"(?:{line})" for line in lines if not line.startswith("#")))


_PATTERNS = _patterns()


def reports(log):
    """Returns the lines of a kernel log that report a fault."""
    return [line for line in log.splitlines() if _PATTERNS.search(line)]
