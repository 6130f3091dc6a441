"""Fixtures of the tests of the iterators over files and over calls in progress."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.errors import LoadError
from fanotify_exporter.fsnotify.call_iter import CallIterator
from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.loader.fsnotify import REFUSED
from fanotify_exporter.loader.run import load_fsnotify
from tools.harness.kernel_calls import LOAD_SECONDS, exercised


@pytest.fixture(scope="session")
def iterators() -> Iterator[LoadedFsnotify]:
    """Load the iterators, or skip with the kernel's reason."""
    try:
        loaded = load_fsnotify(timeout=LOAD_SECONDS)
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    exercised["iterator"] += 1
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)


@pytest.fixture(scope="session")
def iterator(iterators: LoadedFsnotify) -> FileIterator:
    """Give the iterator over files."""
    return FileIterator(iterators)


@pytest.fixture(scope="session")
def calls(iterators: LoadedFsnotify) -> CallIterator:
    """Give the iterator over threads inside fanotify_mark(2)."""
    assert "" == iterators.calls_reason
    return CallIterator(iterators)
