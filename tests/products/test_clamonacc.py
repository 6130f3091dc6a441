"""Debian's clamonacc on a private mount: its log, the accesses and our counts."""

from __future__ import annotations

from pathlib import Path

from tools.harness.products import chroot, clamonacc
from tools.harness.products.counted import Counted


CLEAN, INFECTED = 23, 7


def access() -> None:
    """Open and read files; the opens of an infected file fail."""
    for _ in range(CLEAN):
        assert chroot.read(clamonacc.CLEAN)
    for _ in range(INFECTED):
        assert not chroot.read(clamonacc.INFECTED)


def test_counts(counted: Counted, tmp_path: Path) -> None:
    """The log of clamonacc has as many accesses and viruses as the programs count."""
    with clamonacc.running(tmp_path) as scanner:
        access()
        answers, scans = scanner.answers(), scanner.scans()
    assert INFECTED == answers.deny == scans.deny
    # A clean file waits for the open and for the read.
    assert 2 * CLEAN == scans.allow
    assert answers.allow > scans.allow  # clamd opens and reads too
    counted.check("clamonacc", answers)
