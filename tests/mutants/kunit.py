#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""kunit.py SECONDS ARGUMENT...: runs tests/kunit/run for a module that may be broken.

A kernel that prints nothing for so many seconds is ended. A kernel that has an oops ends at
once; KUnit would wait for five minutes. tests/kunit/run reports both as failures.
"""

import pathlib
import runpy
import sys

KUNIT = pathlib.Path(__file__).resolve().parents[1] / "kunit"
sys.dont_write_bytecode = True
sys.path.insert(0, str(KUNIT))
import boot  # noqa: E402

boot_normally = boot.boot


def boot_briefly(*args, parameters="", **options):
    return boot_normally(*args, parameters=f"oops=panic {parameters}", **options)


boot.boot = boot_briefly
boot.SILENCE = int(sys.argv[1])
sys.argv[:2] = [str(KUNIT / "run")]
runpy.run_path(sys.argv[0], run_name="__main__")
