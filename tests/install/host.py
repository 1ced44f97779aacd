# SPDX-License-Identifier: GPL-2.0-only
"""Runs on the host, with the files of "make install". Tests that modprobe loads the
module, that the reader shows the values in debugfs, and that the module can be
upgraded while a guest runs. The output is TAP.
"""

import csv
import datetime
import grp
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import lab

COUNTERS = pathlib.Path("/sys/kernel/debug/kvm/kvm-s390-diag")
MODULE = pathlib.Path("/sys/module/kvm_s390_diag")
READER = "/usr/local/bin/kvm-s390-diag-stat"
EVENT = pathlib.Path("/sys/kernel/tracing/events/kvm_s390_diag/kvm_s390_diag")
RELEASE = os.uname().release
UPDATES = f"/lib/modules/{RELEASE}/updates"
INSTANCES = pathlib.Path("/sys/kernel/tracing/instances")
PATIENCE = 120

# kmod and Python come before the commands of busybox.
os.environ["PATH"] = "/sbin:/usr/bin:/bin"
# The commands of "make upgrade".
with open("upgrade.sh", encoding="ascii") as script:
    UPGRADE = script.read()

tap = lab.Tap()


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def reader(*args):
    done = run(READER, *args)
    return done.stdout if done.returncode == 0 else f"status {done.returncode}: {done.stderr}"


def until(condition):
    limit = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def counters():
    """Returns the values in debugfs, by VM and counter."""
    found = {}
    for file in COUNTERS.iterdir():
        for line in file.read_text().splitlines():
            if not line.startswith("set "):
                name, value = line.split()
                found[file.name, name] = int(value)
    return found


def left_to_kvm(counted):
    """Returns what the reader derives from KVM's own counters, by VM."""
    left = {}
    for vm in {vm for vm, _ in counted} - {"total"}:
        left[vm, "left_to_kvm"] = sum(
            int(file.read_text()) for file in (COUNTERS.parent / vm).glob("instruction_diagnose_*")
        ) - sum(value for (name, counter), value in counted.items()
                if name == vm and counter != "privileged")
    return {**left, ("total", "left_to_kvm"): sum(left.values())}


def loaded():
    return (MODULE / "version").read_text().strip() if MODULE.exists() else None


def installed():
    return run("modinfo", "-F", "version", "kvm-s390-diag").stdout.strip()


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]


def install(tree):
    shutil.unpack_archive(tree, "/")
    done = run("depmod", RELEASE)
    tap.result(done.returncode == 0, f"depmod accepts the files of {tree}", done.stderr)


def test_load():
    done = run("modprobe", "--show-depends", "kvm-s390-diag")
    tap.result(re.search(r"insmod \S*/kvm\.ko\S* .*\ninsmod " + re.escape(UPDATES) +
                         r"/kvm-s390-diag\.ko\S* claim=0x500 *$", done.stdout),
               "modprobe loads kvm first, and passes the installed options", str(done))
    tap.result("status 3: " in reader("-1") and "modprobe kvm-s390-diag" in reader("-1"),
               "the reader reports that the module is not loaded")
    tap.equal("Prometheus' format has the metric for it",
              reader("--prometheus").splitlines()[-1], "kvm_s390_diag_loaded 0")
    done = run("modprobe", "kvm-s390-diag")
    tap.result(loaded() and loaded() == installed(), "modprobe loads the module", str(done))
    tap.result(until(lambda: os.stat("/dev/kvm-s390-diag").st_gid == grp.getgrnam("kvm").gr_gid),
               "udev gives the device the group of /dev/kvm")
    tap.equal("its mode lets only that group use it",
              oct(os.stat("/dev/kvm-s390-diag").st_mode & 0o777), "0o660")
    tap.equal("the module claims the codes of the installed options",
              (MODULE / "parameters/claim").read_text().strip(), "0x500")


def counts():
    """Waits until many notifications are counted, of both kinds that the guest issues."""
    return until(lambda: counters()["total", "served_cookie"] > 1000 and
                 counters()["total", "forwarded_no_device"] > 1000)


def test_reader(guest):
    tap.result(counts(), "the guest's notifications are counted")

    # Counters can be compared only while they do not change.
    stop(guest)
    tap.equal("the guest is stopped", state(guest.pid), "T")
    kernel = counters()
    shown = {**kernel, **left_to_kvm(kernel)}
    answer = json.loads(reader("-1", "-i", "-j"))
    tap.result(shown == {(vm["vm"], name): value["total"] for vm in answer["vms"]
                         for name, value in vm["counters"].items()},
               "JSON has the values in debugfs", str(answer))
    rows = csv.DictReader(io.StringIO(reader("-1", "-i", "-c")))
    tap.result(shown == {(row["vm"], row["counter"]): int(row["total"]) for row in rows},
               "CSV has the values in debugfs")
    tap.result(shown == {(vm, name): int(total) for vm, name, total, _ in
                         map(str.split, reader("-1", "-i").splitlines())},
               "the plain lines have the values in debugfs")
    text = reader("--prometheus")
    samples = re.findall(r'^\w+\{(?:vm="([^"]*)".*,)?outcome="(\w+)"\} (\d+)$', text, re.M)
    tap.result(kernel == {(vm or "total", name): int(value) for vm, name, value in samples},
               "Prometheus' format has the values in debugfs", text)
    tap.result(f'\nkvm_s390_diag_info{{version="{loaded()}",claim="0x500"}} 1\n' in text and
               "\nkvm_s390_diag_loaded 1\n" in text,
               "Prometheus' format has the module's version and claim", text)
    guest.send_signal(signal.SIGCONT)

    # On a busy machine, the guest may not notify for seconds.
    before = counters()
    answer = json.loads(reader("-1", "-j", "-s", "10"))
    after = counters()
    vms = {vm["vm"]: vm["counters"] for vm in answer["vms"]}
    change = vms["total"]["served_cookie"]["change"]
    tap.result(0 < change <= after["total", "served_cookie"] - before["total", "served_cookie"],
               "the change within the interval is positive, and no greater than in debugfs",
               str(change))


def start_queues(*args):
    """Starts "--queues -l". Returns the process and its trace instance, when the kernel counts."""
    process = subprocess.Popen([READER, "--queues", "-l", *args], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    instance = INSTANCES / f"kvm-s390-diag-stat.{process.pid}"
    event = instance / "events/kvm_s390_diag/kvm_s390_diag"

    def counting():
        try:
            # A notification has one of five outcomes, and each has a histogram.
            return (event / "hist").read_text().count("Totals:") == 5
        except FileNotFoundError:
            # The instance appears before its files.
            return False

    until(lambda: process.poll() is not None or counting())
    return process, instance


def stop(guest):
    guest.send_signal(signal.SIGSTOP)
    until(lambda: state(guest.pid) == "T")


def test_queues(guest):
    """The guest notifies queue 0, which has an ioeventfd, and queue 1, which has none."""
    stop(guest)
    before = counters()
    process, instance = start_queues("-j", "-s", "0.5")
    guest.send_signal(signal.SIGCONT)
    until(lambda: counters()["total", "served_cookie"] > before["total", "served_cookie"] + 1000)
    stop(guest)
    stopped = time.time()
    after = counters()
    expected = {(queue, name): after["total", name] - before["total", name]
                for queue, name in ((0, "served_cookie"), (1, "forwarded_no_device"))}
    # The first reading that ends after the stop may have begun before it.
    late = 0
    for line in process.stdout:
        answer = json.loads(line)
        late += datetime.datetime.fromisoformat(answer["time"]).timestamp() > stopped
        if late == 2:
            break
    found = {(queue["queue"], name): value["total"] for queue in answer["queues"]
             for name, value in queue["counters"].items() if value["total"]}
    tap.equal("--queues counts each notification of each queue", str(sorted(expected.items())),
              str(sorted(found.items())))
    tap.equal("--queues shows the subchannel",
              *{queue["subchannel"] for queue in answer["queues"]}, "0.0.0005")
    guest.send_signal(signal.SIGCONT)

    done = run("rmmod", "kvm_s390_diag")
    tap.result(done.returncode != 0 and "in use" in done.stderr and loaded(),
               "rmmod is refused while --queues runs", str(done))
    process.kill()
    process.communicate()
    tap.result(instance.exists(), "a killed reader leaves its trace instance behind")
    others = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        others.append((number, *start_queues()))
    tap.equal("the next start has removed the instance, and none of a reader that runs",
              str(sorted(INSTANCES.iterdir())), str(sorted(path for _, _, path in others)))
    for number, process, _ in others:
        process.send_signal(number)
        process.communicate()
    tap.equal("no reader leaves a trace instance behind", str(list(INSTANCES.iterdir())), "[]")


def test_cost(guest):
    """Notes how long a notification takes while nobody looks and while --queues runs."""
    def microseconds():
        before, start = counters(), time.monotonic()
        time.sleep(4)
        after, took = counters(), time.monotonic() - start
        return took * 1e6 / sum(after[key] - before[key] for key in before if key[0] == "total")

    off = microseconds()
    process, _ = start_queues("-s", "60")
    on = microseconds()
    process.terminate()
    process.communicate()
    tap.note(f"a notification takes {off:.1f} us, and {on:.1f} us while --queues runs")


# A VMM that sets codes for its VM: KVM_CREATE_VM and KVM_S390_DIAG_SET. It ends with its input.
VMM = """
import fcntl, os, struct, sys
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 0)
device = os.open("/dev/kvm-s390-diag", os.O_RDWR)
fcntl.ioctl(device, 0x4020d101, struct.pack("=iIIIIIII", vm, 0, 0xffff, 1, 0, 0, 0, 0))
print(vm, flush=True)
sys.stdin.read()
"""


def test_upgrade_in_use():
    # KVM of older kernels needs page tables with PGSTEs, which Python's executable does not
    # request. Newer kernels do not have this file.
    pgste = pathlib.Path("/proc/sys/vm/allocate_pgste")
    if pgste.exists():
        pgste.write_text("1")
    vmm = subprocess.Popen([sys.executable, "-c", VMM], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    file = f"{vmm.pid}-{vmm.stdout.readline().strip()}"
    shown = f"set 0x0-0xffff to_userspace {vmm.pid}\n"
    tap.result(until(lambda: (COUNTERS / file).exists()) and
               shown in (COUNTERS / file).read_text(), "a VMM sets codes for its VM",
               str(sorted(COUNTERS.iterdir())))
    tap.result(f"{file} {shown}" in re.sub(" +", " ", reader("-1", "-s", "0.1")),
               "the reader shows them", reader("-1", "-s", "0.1"))
    old = loaded()
    done = run("sh", "-exc", UPGRADE)
    tap.result(done.returncode != 0 and loaded() == old and
               f"process {vmm.pid} (python" in done.stderr and f" VM {file}," in done.stderr,
               "the upgrade names the process and the VM that are in the way, and the old module "
               "stays loaded", str(done))
    vmm.communicate()
    before = counters()["total", "served_cookie"]
    tap.result(until(lambda: counters()["total", "served_cookie"] > before + 100),
               "the old version serves the guest")


def complete_lines(path):
    with open(path, encoding="utf-8") as file:
        return [line for line in file if line.endswith("\n")]


def test_upgrade(guest):
    log = subprocess.Popen([READER, "-j", "-s", "0.5", "-L", "log"], stderr=subprocess.PIPE,
                           text=True)
    tap.result(until(lambda: os.path.exists("log") and os.path.getsize("log")),
               "the reader writes a log")
    old = loaded()
    install("new.tar")
    new = installed()
    tap.result(new == f"{old}.1" and loaded() == old,
               "installing a new version does not replace the loaded module")
    done = run("sh", "-exc", UPGRADE)
    tap.result(done.returncode == 0 and loaded() == new,
               "the upgrade loads the new version while guest and reader run", str(done))
    tap.result(counts(), "the new version serves the guest")
    past = len(complete_lines("log"))
    continues = until(lambda: any(vm["counters"]["served_cookie"]["change"]
                                  for line in complete_lines("log")[past:]
                                  for vm in json.loads(line)["vms"]))
    log.send_signal(signal.SIGINT)
    complaints = log.communicate()[1]
    tap.result(continues and log.returncode == 0, "the reader continues after the upgrade",
               complaints + "".join(complete_lines("log")[past:]))

    done = run("sh", "-exc", UPGRADE.replace("modprobe kvm-s390-diag",
                                             "modprobe kvm-s390-diag claim=nonsense"))
    tap.result(done.returncode != 0 and loaded() is None, "an upgrade that fails reports it",
               str(done))
    ticks = cpu_time(guest.pid)
    tap.result(until(lambda: cpu_time(guest.pid) > ticks + 20),
               "the guest continues without the module")
    done = run("modprobe", "kvm-s390-diag")
    tap.result(loaded() == new, "the module can be loaded again", str(done))


def lock_down(level):
    pathlib.Path("/sys/kernel/security/lockdown").write_text(level)


def readable(path):
    try:
        return bool(pathlib.Path(path).read_text())
    except PermissionError:
        return False


def test_observing_locked_down():
    """A lockdown cannot be undone, so this is one of the last tests."""
    for level, traces in (("integrity", True), ("confidentiality", False)):
        lock_down(level)
        found = {"counters": '"vms"' in reader("-1", "-j"),
                 "claim": readable(MODULE / "parameters/claim"),
                 "KVM's statistics": readable("/sys/kernel/debug/kvm/exit_userspace"),
                 "trace event": readable(EVENT / "enable"),
                 "trace": readable("/sys/kernel/tracing/trace")}
        tap.result(found == {"counters": True, "claim": True, "KVM's statistics": False,
                             "trace event": traces, "trace": traces},
                   f"lockdown={level}: the files that can be read are those of the page",
                   str(found))


def test_signature():
    # These settings cannot be undone, so this test is the last one.
    done = run("modprobe", "kvm-s390-diag")
    tap.result("Operation not permitted" in done.stderr and loaded() is None,
               "a host that is locked down refuses the unsigned module", str(done))
    pathlib.Path("/sys/module/module/parameters/sig_enforce").write_text("1")
    done = run("modprobe", "kvm-s390-diag")
    tap.result("Key was rejected by service" in done.stderr and loaded() is None,
               "a host that enforces signatures refuses the unsigned module", str(done))


def cpu_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def main():
    install("old.tar")
    test_load()
    # It notifies all the time. The programs that are tested go first.
    guest = subprocess.Popen(["./guest"], preexec_fn=lambda: os.nice(19),
                             stdout=subprocess.PIPE, text=True)
    try:
        test_reader(guest)
        test_queues(guest)
        test_cost(guest)
        test_upgrade_in_use()
        test_upgrade(guest)
    except BaseException:
        # The host ends when nobody can write to its output any more.
        guest.kill()
        raise
    guest.terminate()
    said = guest.communicate()[0].strip()
    tap.result(guest.returncode == 0, "no notification was lost: " + said)
    test_observing_locked_down()
    done = run("rmmod", "kvm_s390_diag")
    tap.result(done.returncode == 0, "the module unloads", str(done))
    test_signature()

    done = run("dmesg")
    bad = lab.reports(done.stdout)
    tap.result(done.stdout and not bad, "the kernel log is clean", bad or str(done))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
