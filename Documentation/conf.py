# SPDX-License-Identifier: GPL-2.0-only
"""Configuration of Sphinx; "make docs" builds the pages into build/docs."""

import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/lab"))
import lab  # noqa: E402

project = "kvm-s390-diag"
author = project
# The pages name the day and the version of each measurement.
html_show_copyright = False

# The kernel's own extension, which runs the kernel's own script.
sys.path.insert(0, str(lab.SOURCE / "Documentation/sphinx"))
extensions = ["kerneldoc"]
kerneldoc_bin = str(lab.SOURCE / "scripts/kernel-doc")
kerneldoc_srctree = str(TOP)

primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"description": "DIAGNOSE for KVM guests on s390", "page_width": "1080px"}
html_copy_source = False
html_show_sphinx = False

# References to types of the kernel lead nowhere. A name with a prefix of this module must
# have its description on these pages.
PREFIXES = "claim|counters|diag|ioeventfd|tally|trace_kvm|virtio_ccw|vms"
nitpick_ignore_regex = [(r"c:.*", rf"(?!({PREFIXES})_).*")]
