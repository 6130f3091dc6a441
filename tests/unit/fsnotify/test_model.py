"""Marks that count against the limit of marks."""

from __future__ import annotations

import pytest

from fanotify_exporter.fsnotify.model import Group, Marks


@pytest.mark.parametrize(("flags", "limited"), [(0x10, 4), (0x30, 0), (0x20, 0)])
def test_limited_marks(flags: int, limited: int) -> None:
    """Marks of a group with FAN_UNLIMITED_MARKS do not count against the limit."""
    marks = (
        Marks("inode", blocking=False, count=3),
        Marks("mount", blocking=True, count=1),
    )
    assert limited == Group(flags, marks).limited_marks
