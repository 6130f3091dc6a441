"""A finding: a statement that the landing page shows at its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


# Programs named in one finding; more would wrap onto several lines.
MAX_NAMES = 3

LEVELS = ("danger", "warning", "note", "good")


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A statement about the host or the exporter.

    Attributes:
        level: one of LEVELS.
        subject: the fact in a few words.
        text: a sentence that explains the fact.
        names: comms to list after the subject, each with its count.
        others: whether *names* is incomplete.
        runbook: name of the runbook in docs/runbooks that says what to do, "" if none.
    """

    level: Literal["danger", "warning", "note", "good"]
    subject: str
    text: str
    names: tuple[tuple[str, str], ...] = ()
    others: bool = False
    runbook: str = ""
