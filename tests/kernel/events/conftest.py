"""
Fixtures of the tests of events: loaded programs, and what they count.

Each method of events is tested; a refused method is skipped with the kernel's reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import LoadedEvents
from tools.harness.counted_events import CountedEvents, attached_events


@pytest.fixture(scope="session")
def programs(events_method: str) -> Iterator[LoadedEvents]:
    """Load the programs once for all tests of a method."""
    with attached_events(events_method) as loaded:
        yield loaded


@pytest.fixture
def counted(programs: LoadedEvents) -> CountedEvents:
    """Count events from now on."""
    return CountedEvents(programs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that every user may look into."""
    for each in (tmp_path, *tmp_path.parents):
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o005)
    return tmp_path
