"""Debian's fapolicyd on a private mount: its report, the accesses and our counts."""

from __future__ import annotations

import subprocess

import pytest

from tools.harness.products import chroot, fapolicyd
from tools.harness.products.chroot import Answers
from tools.harness.products.counted import Counted


ALLOWED, DENIED, EXECUTED = 23, 7, 5
# An execve(2) waits twice: for OPEN_EXEC_PERM and for OPEN_PERM.
EXPECTED = Answers(allow=ALLOWED + 2 * EXECUTED, deny=DENIED)


def access(*, permissive: bool) -> None:
    """Open and execute files; a denied open fails unless fapolicyd is *permissive*."""
    for _ in range(ALLOWED):
        assert chroot.read(fapolicyd.ALLOWED)
    for _ in range(DENIED):
        assert permissive is chroot.read(fapolicyd.DENIED)
    for _ in range(EXECUTED):
        subprocess.run([fapolicyd.WATCHED / "true"], check=True)


@pytest.mark.parametrize("permissive", [True, False])
def test_counts(counted: Counted, *, permissive: bool) -> None:
    """Fapolicyd reports as many allowed and denied accesses as the programs count."""
    with fapolicyd.running(permissive=permissive):
        access(permissive=permissive)
    decisions = fapolicyd.decisions()
    assert EXPECTED == decisions
    if permissive:  # a permissive fapolicyd reports a denial, and answers with an allow
        decisions = Answers(allow=decisions.allow + decisions.deny, deny=0)
    counted.check("fapolicyd", decisions)
