# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels and modules for QEMU TCG, and boots them with some commands."""

import os
import pathlib
import re
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "tests/lab"))
import lab  # noqa: E402

# The version of the source of each kernel that is not built from that of 6.1.
SOURCES = {"vendor": "testing", "newest": "testing"}

# A kernel that prints nothing for so long hangs, however busy the machine is. The
# longest silence of a test is the attach cycles': two minutes on a quiet machine.
SILENCE = 900
# A kernel that prints for ever is ended after this many seconds.
BACKSTOP = 3 * 3600


def product_sources():
    return sorted(path for path in [*TOP.glob("*.[ch]"), TOP / "Kbuild", TOP / "scripts"]
                  if not path.name.endswith(".mod.c"))


def kernel(name):
    """Returns the folder of the kernel of NAME.kunitconfig. Builds the kernel if needed."""
    done = subprocess.run([HERE / "kernel.sh", name, SOURCES.get(name, "6.1")],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{name}: the kernel could not be built")
    return pathlib.Path(done.stdout.strip())


def source(folder):
    """Returns the source of the kernel in this folder."""
    return (folder / "source").resolve()


def compiler(folder):
    """Returns the name and the version of the compiler of the kernel in this folder."""
    return re.search('^CONFIG_CC_VERSION_TEXT="(.*)"$', (folder / ".config").read_text(), re.M)[1]


def make(folder):
    """Returns the command of make for the modules of the kernel in this folder."""
    version = source(folder).name.removeprefix("linux-source-")
    chroot = [] if version == "6.1" else [lab.HERE / "in-chroot", version]
    return [*chroot, "make", f"CC={compiler(folder).split()[0]}"]


def build_module(folder, build, sources, flags=""):
    """Builds the sources as an external module, in one folder. If two files have the same
    name, the last one is used."""
    build.mkdir(parents=True, exist_ok=True)
    for path in build.iterdir():
        if path.is_symlink():
            path.unlink()
    for path in {path.name: path for path in sources}.values():
        (build / path.name).symlink_to(path)
    log = build / "build.log"
    with open(log, "w") as out:
        done = subprocess.run([*make(folder), "-C", folder, f"M={build}", "ARCH=s390",
                               "CROSS_COMPILE=s390x-linux-gnu-", f"-j{os.cpu_count()}",
                               "W=1", f"TEST_FLAGS={flags}", "modules"],
                              stdout=out, stderr=subprocess.STDOUT)
    text = log.read_text()
    if done.returncode or "warning:" in text:
        # The next build must print the same warning.
        for path in build.glob("*.o"):
            path.unlink()
        sys.stdout.write(text)
        sys.exit(f"{build}: the module could not be built without a warning")


def follow(process, out):
    """Copies the output of a process to a file until it ends.

    Ends a process that prints nothing for SILENCE seconds, or runs for BACKSTOP seconds.
    """
    start = time.monotonic()
    while select.select([process.stdout], [], [], SILENCE)[0]:
        if not (data := os.read(process.stdout.fileno(), 65536)):
            return
        out.write(data)
        out.flush()
        if time.monotonic() > start + BACKSTOP:
            break
    out.write(f"\nlab: ended after {time.monotonic() - start:.0f} s\n".encode())
    process.kill()


def boot(folder, files, commands, console_file, cpus=1, memory="2G", icount=False, parameters=""):
    """Boots the kernel with files in its root, and runs commands there.

    Returns the output of the console, which is also written to a file. Returns also whether
    the commands ended with exit status 0 and the machine was powered off.
    """
    with tempfile.TemporaryDirectory(prefix="kvm-s390-diag.") as work:
        tree = pathlib.Path(work) / "tree"
        (tree / "bin").mkdir(parents=True)
        (tree / "dev").mkdir()
        for name, minor in (("console", (5, 1)), ("null", (1, 3))):
            os.mknod(tree / "dev" / name, 0o600 | stat.S_IFCHR, os.makedev(*minor))
        shutil.copy2(lab.CACHE / "host-6.1/root/bin/busybox", tree / "bin/busybox")
        (tree / "bin/sh").symlink_to("busybox")
        shutil.copy2(HERE / "init", tree / "init")
        (tree / "init").chmod(0o755)
        (tree / "commands").write_text(commands)
        for path in files:
            shutil.copy2(path, tree / path.name)
        subprocess.run("find . | cpio --create --format=newc --quiet --owner=+0:+0 > ../initrd",
                       shell=True, cwd=tree, check=True)
        line = ("console=ttyS0 rdinit=/init log_buf_len=16M panic=-1 "
                f"rcupdate.rcu_expedited=1 {parameters}")
        qemu = ["qemu-system-s390x", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-machine", "s390-ccw-virtio,accel=tcg", "-cpu", "qemu",
                "-smp", str(cpus), "-m", memory, "-serial", "stdio",
                "-kernel", folder / "arch/s390/boot/bzImage",
                "-initrd", pathlib.Path(work) / "initrd", "-append", line]
        if icount:
            qemu += ["-icount", "shift=0,sleep=off"]
        with open(console_file, "wb") as out, \
                subprocess.Popen(qemu, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT) as process:
            try:
                follow(process, out)
            except BaseException:
                process.kill()
                raise
    console = console_file.read_bytes().decode(errors="replace").replace("\r", "")
    ended = process.returncode == 0 and \
        re.search(r"^lab: commands ended with 0$", console, re.M) is not None
    return console, ended


# A report of KCSAN, up to its closing line. In strict mode KCSAN also reports races that the
# kernel accepts in its own code, for example on a clock that SRCU reads again after a change.
KCSAN_REPORT = re.compile(r"^.*BUG: KCSAN: (?:.*\n)*?=+$", re.M)
# The function that accesses the memory, and its caller. Functions of the kernel that these call
# in turn, such as those of SRCU, are the kernel's own matter.
KCSAN_HEADER = r"(?:read|write|assert no accesses).* by (?:task|interrupt).*:\n"
KCSAN_ACCESS = re.compile(KCSAN_HEADER + r"((?: \S.*\n){1,2})")
# A function of the module, of KVM or of its ioeventfds.
CONCERNED = re.compile(r"\[kvm_s390_diag_test\]|^ \w*(?:kvm|ioeventfd)[\w.]*\+0x", re.M)


def is_concerned(report):
    """Does the module or KVM take part in a data race?

    A report that cannot be read counts. Lines of another CPU may stand in it.
    """
    accesses = KCSAN_ACCESS.findall(report)
    readable = accesses and len(accesses) == len(re.findall(KCSAN_HEADER, report))
    return not readable or any(map(CONCERNED.search, accesses))


def reports(console):
    """Returns the lines of the console that report a fault of the kernel.

    A data race counts only if the module or KVM takes part in it.
    """
    return lab.reports(KCSAN_REPORT.sub(
        lambda report: report[0] if is_concerned(report[0]) else "", console))
