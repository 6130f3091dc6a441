"""A user without privileges who has many descriptors, as the iterator sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.file_iter import MAX_HOLDERS, FileIterator
from fanotify_exporter.fsnotify.inventory import Kind
from tools.harness.descriptor_flood import (
    FLOODER,
    flooding,
    growth_kb,
    seconds_until_shown,
)
from tools.harness.listeners import Listener


# A new mark of root shows within this time; on an idle machine within 3 s.
SECONDS = 10.0
MAX_GROWTH_KB = 20_480


@pytest.fixture(scope="module", params=Kind)
def flood(request: pytest.FixtureRequest) -> Iterator[Listener]:
    with flooding(request.param) as listener:
        yield listener


def test_one_file(iterator: FileIterator, flood: Listener) -> None:
    """The flooder's file is listed once, with some of its processes."""
    files = [each for each in iterator.list().files if each.comm == flood.comm]
    assert [FLOODER] == [file.uid for file in files]
    assert MAX_HOLDERS == len(files[0].descriptors)


@pytest.mark.usefixtures("flood")
def test_memory(iterator: FileIterator) -> None:
    """Passes over the flood take bounded memory."""
    assert growth_kb(iterator) < MAX_GROWTH_KB


@pytest.mark.usefixtures("flood")
def test_new_mark_of_root(iterator: FileIterator, tmp_path: Path) -> None:
    """A new group of root and its permission mark show while the flood lasts."""
    assert seconds_until_shown(lambda: iterator, tmp_path, SECONDS) < SECONDS
