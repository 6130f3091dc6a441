"""Fixtures of the tests of the iterator over groups and instances."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fanotify_exporter.errors import LoadError
from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.loader.fsnotify import REFUSED
from fanotify_exporter.loader.run import load_fsnotify
from tools.harness.kernel_calls import LOAD_SECONDS, exercised


@pytest.fixture(scope="session")
def iterator() -> Iterator[FileIterator]:
    """Load the iterator, or skip with the kernel's reason."""
    try:
        loaded = load_fsnotify(timeout=LOAD_SECONDS)
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    exercised["iterator"] += 1
    yield FileIterator(loaded)
    for fd in loaded.fds.values():
        os.close(fd)
