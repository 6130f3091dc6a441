"""The mounts that programs which block do not cover, as the landing page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fanotify_exporter.landing.formatting import format_count


@dataclass(frozen=True, slots=True)
class UnmarkedMount:
    """
    A mount that the blocking marks of a program do not cover.

    Attributes:
        comm: printable name of the program.
        mount_point: printable path.
        fstype: type of the filesystem.
        marks_others: whether the program covers another mount of the type.
    """

    comm: str
    mount_point: str
    fstype: str
    marks_others: bool


@dataclass(frozen=True, slots=True)
class UnmarkedMounts:
    """
    The mounts that programs which block by mount or filesystem do not cover.

    Attributes:
        rows: first those of types of which the program covers other mounts.
        omitted: number of mounts that *rows* lacks.
    """

    rows: Sequence[UnmarkedMount]
    omitted: int = 0

    @property
    def notes(self) -> str:
        """Return what the reader of the table must know."""
        text = "Programs that block accesses to other mounts do not see accesses here."
        if not self.omitted:
            return text
        return f"{text} {format_count(self.omitted, 'more mount')} not shown."
