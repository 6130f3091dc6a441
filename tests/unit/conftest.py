"""Options and fixtures that several unit tests share."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanotify_exporter.system.signals import STOP_SIGNALS
from tools.harness.loaded_programs import share_memory
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
    """Give a function that makes descriptors which can be mapped like a BPF array."""
    made: list[int] = []

    def make(content: bytes) -> int:
        made.append(share_memory(content))
        return made[-1]

    yield make
    for fd in made:
        os.close(fd)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Give the root logger, and restore it after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # logs.setup() closes the handlers that it replaces, so hide those of pytest.
    root.handlers[:] = []
    yield root
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Restore the handlers that a serving exporter replaces, and forget its signal."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    STOP_SIGNALS.received = None
