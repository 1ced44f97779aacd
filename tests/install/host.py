# SPDX-License-Identifier: GPL-2.0-only
"""Runs on the host, with the files of "make install". Tests that modprobe loads the
module, that the reader shows the values in debugfs, and that the module can be
upgraded while a guest runs. The output is TAP.
"""

import csv
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

COUNTERS = pathlib.Path("/sys/kernel/debug/kvm/kvm-s390-diag")
MODULE = pathlib.Path("/sys/module/kvm_s390_diag")
READER = "/usr/local/bin/kvm-s390-diag-stat"
RELEASE = os.uname().release
UPDATES = f"/lib/modules/{RELEASE}/updates"
PATIENCE = 120

# The tools of real hosts come before those of busybox.
os.environ["PATH"] = "/sbin:/usr/bin:/bin"
# The commands of "make upgrade".
with open("upgrade.sh", encoding="ascii") as script:
    UPGRADE = script.read()

tests = failed = 0


def report(name, good, why=""):
    global tests, failed
    tests += 1
    failed += not good
    print("ok" if good else "not ok", tests, "-", name, flush=True)
    if not good and why:
        print("#", str(why).replace("\n", "\n# "), flush=True)


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
            name, value = line.split()
            found[file.name, name] = int(value)
    return found


def loaded():
    return (MODULE / "version").read_text().strip() if MODULE.exists() else None


def installed():
    return run("modinfo", "-F", "version", "kvm-s390-diag").stdout.strip()


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]


def install(tree):
    shutil.unpack_archive(tree, "/")
    done = run("depmod", RELEASE)
    report(f"depmod accepts the files of {tree}", done.returncode == 0, done.stderr)


def test_load():
    done = run("modprobe", "--show-depends", "kvm-s390-diag")
    report("modprobe loads kvm first, and passes the installed options",
           re.search(r"insmod \S*/kvm\.ko\S* .*\ninsmod " + UPDATES +
                     r"/kvm-s390-diag\.ko claim=0x500 *$", done.stdout), done)
    report("the reader reports that the module is not loaded",
           "status 3: " in reader("-1") and "modprobe kvm-s390-diag" in reader("-1"))
    done = run("modprobe", "kvm-s390-diag")
    report("modprobe loads the module", loaded() and loaded() == installed(), done)
    claim = (MODULE / "parameters/claim").read_text().strip()
    report("the module claims the codes of the installed options", claim == "0x500", claim)


def test_reader(guest):
    report("the guest's notifications are counted",
           until(lambda: counters()["total", "served_cookie"] > 1000 and
                 counters()["total", "forwarded_no_device"] > 1000))

    # Counters can be compared only while they do not change.
    guest.send_signal(signal.SIGSTOP)
    report("the guest is stopped", until(lambda: state(guest.pid) == "T"))
    kernel = counters()
    answer = json.loads(reader("-1", "-i", "-j"))
    report("JSON has the values in debugfs",
           kernel == {(vm["vm"], name): value["total"] for vm in answer["vms"]
                      for name, value in vm["counters"].items()}, answer)
    rows = csv.DictReader(io.StringIO(reader("-1", "-i", "-c")))
    report("CSV has the values in debugfs",
           kernel == {(row["vm"], row["counter"]): int(row["total"]) for row in rows})
    report("the plain lines have the values in debugfs",
           kernel == {(vm, name): int(total) for vm, name, total, _ in
                      map(str.split, reader("-1", "-i").splitlines())})
    text = reader("--prometheus")
    samples = re.findall(r'^\w+\{(?:vm="([^"]*)".*,)?outcome="(\w+)"\} (\d+)$', text, re.M)
    report("Prometheus' format has the values in debugfs",
           kernel == {(vm or "total", name): int(value) for vm, name, value in samples}, text)
    guest.send_signal(signal.SIGCONT)

    before = counters()
    answer = json.loads(reader("-1", "-j"))
    after = counters()
    vms = {vm["vm"]: vm["counters"] for vm in answer["vms"]}
    change = vms["total"]["served_cookie"]["change"]
    report("the change within the interval is positive, and no greater than in debugfs",
           0 < change <= after["total", "served_cookie"] - before["total", "served_cookie"],
           change)


def test_upgrade(guest):
    log = subprocess.Popen([READER, "-j", "-s", "0.5", "-L", "log"], stderr=subprocess.PIPE,
                           text=True)
    report("the reader writes a log", until(lambda: os.path.exists("log") and
                                            os.path.getsize("log")))
    old = loaded()
    install("new.tar")
    new = installed()
    report("installing a new version does not replace the loaded module",
           new == f"{old}.1" and loaded() == old)
    done = run("sh", "-exc", UPGRADE)
    report("the upgrade loads the new version while guest and reader run",
           done.returncode == 0 and loaded() == new, done)
    report("the new version serves the guest",
           until(lambda: counters()["total", "served_cookie"] > 1000 and
                 counters()["total", "forwarded_no_device"] > 1000))
    size = os.path.getsize("log")
    until(lambda: os.path.getsize("log") > size + 2000)
    log.send_signal(signal.SIGINT)
    complaints = log.communicate()[1]
    with open("log", encoding="utf-8") as file:
        lines = file.readlines()
    report("the reader continues after the upgrade", log.returncode == 0 and
           any(vm["counters"]["served_cookie"]["change"]
               for vm in json.loads(lines[-1])["vms"]), complaints + lines[-1])

    done = run("sh", "-exc", UPGRADE.replace("modprobe kvm-s390-diag",
                                             "modprobe kvm-s390-diag claim=nonsense"))
    report("an upgrade that fails reports it", done.returncode != 0 and loaded() is None, done)
    ticks = cpu_time(guest.pid)
    report("the guest continues without the module",
           until(lambda: cpu_time(guest.pid) > ticks + 20))
    done = run("modprobe", "kvm-s390-diag")
    report("the module can be loaded again", loaded() == new, done)


def test_signature():
    # This setting cannot be undone, so this test is the last one.
    pathlib.Path("/sys/module/module/parameters/sig_enforce").write_text("1")
    done = run("modprobe", "kvm-s390-diag")
    report("a host that enforces signatures refuses the unsigned module",
           "Key was rejected by service" in done.stderr and loaded() is None, done)


def cpu_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def main():
    install("old.tar")
    test_load()
    guest = subprocess.Popen(["./guest"], stdout=subprocess.PIPE, text=True)
    test_reader(guest)
    test_upgrade(guest)
    guest.terminate()
    said = guest.communicate()[0].strip()
    report("no notification was lost: " + said, guest.returncode == 0)
    done = run("rmmod", "kvm_s390_diag")
    report("the module unloads", done.returncode == 0, done)
    test_signature()

    log = run("dmesg").stdout
    bad = [line for line in log.splitlines()
           if re.search("WARNING|BUG|Oops|Call Trace|Unable to handle|refcount", line)]
    report("the kernel log is clean", not bad, "\n".join(bad))
    print(f"1..{tests}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
