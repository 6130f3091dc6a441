"""Fixtures of the tests of the HTTP server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.web.worker import Worker


@pytest.fixture
def folder(web_examples: Path, tmp_path: Path) -> Path:
    """Give a folder with copies of the certificates that a test may change."""
    for path in web_examples.glob("*.*"):
        if path.suffix in (".pem", ".key"):
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Give a worker, and stop it after the test."""
    worker = Worker("test")
    yield worker
    worker.stop()
