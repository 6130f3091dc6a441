"""What several unit tests share: an option, real memory, the root logger."""

from __future__ import annotations

import logging
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.harness.web_examples import make_examples


FIXTURES = Path(__file__).parent / "fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/unit/golden instead of comparing with it",
    )


@pytest.fixture(scope="session")
def web_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the web configuration examples and certificates."""
    folder = tmp_path_factory.mktemp("web_config")
    make_examples(folder)
    return folder


@pytest.fixture
def memory() -> Iterator[Callable[[bytes], int]]:
    """Make descriptors that can be mapped as a BPF array can: whole pages."""
    made: list[int] = []

    def make(content: bytes) -> int:
        fd = os.memfd_create("array")
        made.append(fd)
        os.ftruncate(fd, max(1, -(-len(content) // mmap.PAGESIZE)) * mmap.PAGESIZE)
        os.pwrite(fd, content, 0)
        return fd

    yield make
    for fd in made:
        os.close(fd)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Give the root logger, and put it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # logs.setup() closes the handlers that it replaces: hide pytest's own from it.
    root.handlers[:] = []
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
