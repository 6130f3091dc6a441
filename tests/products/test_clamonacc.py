"""Debian's clamonacc on a private mount: its log against the accesses."""

from __future__ import annotations

from pathlib import Path

from tools.harness.products import chroot, clamonacc


CLEAN, INFECTED = 23, 7


def access() -> None:
    """Open and read files; the opens of an infected file fail."""
    for _ in range(CLEAN):
        assert chroot.read(clamonacc.CLEAN)
    for _ in range(INFECTED):
        assert not chroot.read(clamonacc.INFECTED)


def test_log(tmp_path: Path) -> None:
    """Clamonacc denies each open of an infected file, as clamd finds it."""
    with clamonacc.running(tmp_path) as scanner:
        access()
        answers, scans = scanner.answers(), scanner.scans()
    assert INFECTED == answers.deny == scans.deny
    # A clean file waits for the open and for the read.
    assert 2 * CLEAN == scans.allow
    assert answers.allow > scans.allow  # clamd opens and reads too
