# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels and modules for QEMU TCG, and boots them with some commands."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("DIAG_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kvm-s390-diag")
SOURCE = CACHE / "linux-source-6.1"
KUNIT_PY = SOURCE / "tools/testing/kunit/kunit.py"

# What makes each line of the kernel's log a finding.
REPORTS = ("BUG:", "WARNING:", "UBSAN:", "KASAN", "KCSAN:", "INFO: possible", "INFO: rcu",
           "INFO: trying", "Oops", "Kernel panic", "Unable to handle", "refcount_t:",
           "suspicious RCU", "sleeping function", "illegal operation:", "addressing exception:")


def product_sources():
    return sorted(path for path in [*TOP.glob("*.[ch]"), TOP / "Kbuild", TOP / "scripts"]
                  if not path.name.endswith(".mod.c"))


def kernel(name):
    """The folder of the kernel of NAME.kunitconfig, built if it has to be."""
    done = subprocess.run([HERE / "kernel.sh", name], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{name}: the kernel could not be built")
    return pathlib.Path(done.stdout.strip())


def build_module(folder, build, sources, flags=""):
    """Builds the sources side by side as external module; the last of a name wins."""
    build.mkdir(parents=True, exist_ok=True)
    for path in sources:
        link = build / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    log = build / "build.log"
    with open(log, "w") as out:
        done = subprocess.run(["make", "-C", folder, f"M={build}", "ARCH=s390",
                               "CROSS_COMPILE=s390x-linux-gnu-", f"-j{os.cpu_count()}",
                               "W=1", f"TEST_FLAGS={flags}", "modules"], stdout=out, stderr=subprocess.STDOUT)
    text = log.read_text()
    if done.returncode or "warning:" in text:
        sys.stdout.write(text)
        sys.exit(f"{build}: the module could not be built without a warning")


def boot(folder, files, commands, console_file, cpus=1, icount=False, time_limit=900):
    """Boots the kernel with files in its root.

    Returns its console, which also goes to a file as it comes, and whether the
    commands came to their end within the time limit (seconds).
    """
    with tempfile.TemporaryDirectory(prefix="kvm-s390-diag.") as work:
        tree = pathlib.Path(work) / "tree"
        (tree / "bin").mkdir(parents=True)
        (tree / "dev").mkdir()
        for name, minor in (("console", (5, 1)), ("null", (1, 3))):
            os.mknod(tree / "dev" / name, 0o600 | stat.S_IFCHR, os.makedev(*minor))
        shutil.copy2(CACHE / "host-6.1/root/bin/busybox", tree / "bin/busybox")
        (tree / "bin/sh").symlink_to("busybox")
        shutil.copy2(HERE / "init", tree / "init")
        (tree / "init").chmod(0o755)
        (tree / "commands").write_text(commands)
        for path in files:
            shutil.copy2(path, tree / path.name)
        subprocess.run("find . | cpio --create --format=newc --quiet --owner=+0:+0 > ../initrd",
                       shell=True, cwd=tree, check=True)
        line = ("console=ttyS0 rdinit=/init log_buf_len=16M panic=-1 "
                "rcupdate.rcu_expedited=1")
        qemu = ["qemu-system-s390x", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-machine", "s390-ccw-virtio,accel=tcg", "-cpu", "qemu",
                "-smp", str(cpus), "-m", "2G", "-serial", "stdio",
                "-kernel", folder / "arch/s390/boot/bzImage",
                "-initrd", pathlib.Path(work) / "initrd", "-append", line]
        if icount:
            qemu += ["-icount", "shift=0,sleep=off"]
        with open(console_file, "wb") as out:
            try:
                subprocess.run(qemu, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=subprocess.STDOUT, timeout=time_limit)
            except subprocess.TimeoutExpired:
                out.write(f"\nlab: ended after {time_limit} s\n".encode())
    console = console_file.read_bytes().decode(errors="replace").replace("\r", "")
    return console, "lab: commands ended with" in console


# The kernel's own data races that were seen, and the only ones that are passed over:
# vcpu_is_preempted() reads flags that the machine changes, and no other CPU; the
# clock that SRCU reads is written while it is read, and read again then.
MACHINE_RACE = re.compile(r"BUG: KCSAN: data-race in arch_vcpu_is_preempted\+\S+$")
CLOCK_RACE = re.compile(r"BUG: KCSAN: data-race in ktime_get_mono_fast_ns / timekeeping_update$")


def reports(console):
    """The lines of the console that tell of something wrong in the kernel."""
    lines = console.splitlines()
    found = []
    for number, line in enumerate(lines):
        if not any(word in line for word in REPORTS):
            continue
        if CLOCK_RACE.search(line):
            continue
        # The name of the race, an empty line, and where the other access came from.
        if MACHINE_RACE.search(line) and \
                "race at unknown origin" in "".join(lines[number + 1:number + 3]):
            continue
        found.append(line)
    return found
