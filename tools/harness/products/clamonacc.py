"""Debian's clamonacc, which lets clamd scan the files of a private mount of a guest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.harness import processes
from tools.harness.processes import Running, poll
from tools.harness.products import chroot
from tools.harness.products.chroot import ROOT, Answers


SCANNED = ROOT / "scanned"
INFECTED, CLEAN = SCANNED / "infected", SCANNED / "clean"
VIRUS = b"content that is in the signature"
SIGNATURE = f"Test.Virus:0:*:{VIRUS.hex()}\n"
SOCKET = ROOT / "run/clamav/clamd.ctl"
# clamd opens the files too. clamonacc knows the opens of clamd by the user.
USER = "daemon"
SETTINGS = f"""\
LocalSocket /run/clamav/clamd.ctl
User {USER}
DatabaseDirectory /var/lib/clamav
LogClean yes
OnAccessIncludePath /scanned
OnAccessPrevention yes
OnAccessExcludeUname {USER}
"""


@dataclass(frozen=True, slots=True)
class Scanner:
    """A running clamonacc and its clamd."""

    clamonacc: Running
    clamd: Running

    def answers(self) -> Answers:
        """Return the numbers of the answers, by the log of clamonacc."""
        log = self.clamonacc.log.read_text()
        excluded = log.count("skipped (excluded UID)")
        scanned = log.count("ClamWorker: performing scanning on file")
        found = len(re.findall(r" FOUND$", log, re.MULTILINE))
        return Answers(allow=scanned + excluded - found, deny=found)

    def scans(self) -> Answers:
        """Return the numbers of clean and infected scans, by the log of clamd."""
        log = self.clamd.log.read_text()
        return Answers(
            allow=len(re.findall(r"^/scanned/.*: OK$", log, re.MULTILINE)),
            deny=len(re.findall(r"^/scanned/.* FOUND$", log, re.MULTILINE)),
        )


@contextmanager
def running(folder: Path) -> Iterator[Scanner]:
    """Run clamd and clamonacc during the block, with their logs in *folder*."""
    (ROOT / "etc/clamav/clamd.conf").write_text(SETTINGS)
    (ROOT / "var/lib/clamav/test.ndb").write_text(SIGNATURE)
    SOCKET.parent.mkdir(exist_ok=True)
    SOCKET.parent.chmod(0o777)
    with chroot.private_mount(SCANNED, "tmpfs"):
        INFECTED.write_bytes(VIRUS)
        CLEAN.write_bytes(b"content that is in no signature")
        with (
            started(folder / "clamd.log", "clamd", "--foreground") as clamd,
            chroot.watchdog(clamd.pid),
        ):
            assert poll(SOCKET.exists), "clamd did not start"
            command = ("clamonacc", "--foreground", "--verbose")
            with (
                started(folder / "clamonacc.log", *command) as clamonacc,
                chroot.watchdog(clamonacc.pid),
            ):
                chroot.await_marks(clamonacc.pid)
                yield Scanner(clamonacc, clamd)


@contextmanager
def started(log: Path, *command: str) -> Iterator[Running]:
    """Run a command of the products' root file system during the block."""
    with processes.running(("chroot", ROOT, *command), log) as process:
        yield process
