"""Debian's fapolicyd, which watches a private mount of a guest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.harness.processes import poll
from tools.harness.products import chroot
from tools.harness.products.chroot import ROOT, Answers


# The private mount. No other mount of a guest has this type.
WATCHED, WATCHED_TYPE = ROOT / "watched", "ramfs"
ALLOWED, DENIED = WATCHED / "allowed", WATCHED / "denied"
PID_FILE = ROOT / "run/fapolicyd.pid"
# fapolicyd writes this report when it ends.
REPORT = ROOT / "var/log/fapolicyd-access.log"
# Not set: with report_interval, fapolicyd 1.3.4 lets accesses wait for seconds.
SETTINGS = """\
permissive = {permissive:d}
uid = root
gid = root
do_stat_report = 1
detailed_report = 1
db_max_size = 10
watch_fs = {type}
trust = file
integrity = none
"""
RULES = """\
deny perm=any all : path=/watched/denied
allow perm=any all : all
"""


@contextmanager
def running(*, permissive: bool) -> Iterator[None]:
    """Run fapolicyd during the block."""
    settings = ROOT / "etc/fapolicyd"
    text = SETTINGS.format(permissive=permissive, type=WATCHED_TYPE)
    (settings / "fapolicyd.conf").write_text(text)
    (settings / "fapolicyd.rules").write_text(RULES)
    for name in ("run/fapolicyd", "var/lib/fapolicyd"):
        (ROOT / name).mkdir(exist_ok=True)
    for path in (PID_FILE, REPORT):
        path.unlink(missing_ok=True)
    with chroot.private_mount(WATCHED, WATCHED_TYPE):
        for path in (ALLOWED, DENIED):
            path.write_text("content")
        # Without an entry, the database of trusted files cannot be opened.
        digest = hashlib.sha256(b"content").hexdigest()
        trusted = f"/watched/{ALLOWED.name} {len('content')} {digest}\n"
        (settings / "fapolicyd.trust").write_text(trusted)
        # A program without an interpreter or libraries, which would be opened too.
        shutil.copy("/run/guest/busybox", WATCHED / "true")
        chroot.run("fapolicyd")
        pid = await_pid()
        try:
            with chroot.watchdog(pid):
                chroot.await_marks(pid)
                yield
        finally:
            end(pid)


def await_pid() -> int:
    """Return the pid of the daemon, which writes the pid after the command's end."""

    def read() -> str:
        return PID_FILE.read_text() if PID_FILE.exists() else ""

    text = poll(read)
    assert text, "fapolicyd wrote no pid"
    return int(text)


def end(pid: int) -> None:
    """End fapolicyd, which is no child of this process."""
    os.kill(pid, signal.SIGTERM)
    gone = poll(lambda: not Path(f"/proc/{pid}").exists())
    if not gone:
        os.kill(pid, signal.SIGKILL)
    assert gone, "fapolicyd did not end"


def decisions() -> Answers:
    """
    Return the numbers of the decisions in the report of a fapolicyd that has ended.

    A permissive fapolicyd counts a denial and answers with an allow.
    """
    lines = r"^(Allowed|Denied) accesses: (\d+)$"
    numbers = dict(re.findall(lines, REPORT.read_text(), re.MULTILINE))
    return Answers(allow=int(numbers["Allowed"]), deny=int(numbers["Denied"]))
