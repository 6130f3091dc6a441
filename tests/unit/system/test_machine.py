"""Facts about the running kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fanotify_exporter.system.machine import preempts_kernel


@pytest.mark.parametrize(
    ("version", "modes", "preempts"),
    [
        ("#1 SMP Debian", None, False),
        ("#1 SMP Debian", "none voluntary (full)", False),
        ("#1 SMP PREEMPT_DYNAMIC Debian", None, True),
        ("#1 SMP PREEMPT_DYNAMIC Debian", "none (voluntary) full ", False),
        ("#1 SMP PREEMPT_DYNAMIC Debian", "(none) voluntary full", False),
        ("#1 SMP PREEMPT_DYNAMIC Debian", "none voluntary (full)", True),
        ("#1 SMP PREEMPT_DYNAMIC Debian", "full (lazy)", True),
    ],
)
def test_preemption(
    version: str,
    modes: str | None,
    preempts: bool,  # noqa: FBT001  a value of the table
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The mode in use decides, where the kernel shows it."""
    kernel = os.uname_result(("Linux", "host", "6.12.0", version, "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: kernel)
    path = tmp_path / "preempt"
    if modes is not None:
        path.write_text(f"{modes}\n")
    assert preempts == preempts_kernel(path)
