"""
Fixtures of the tests of events: loaded programs, and what they count.

Each method of events is tested; a refused method is skipped with the kernel's reason.
"""

from __future__ import annotations

from collections.abc import Iterator

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
