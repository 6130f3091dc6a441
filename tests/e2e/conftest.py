from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.requirements import need_root
from tools.harness.serving import Exporter, serving


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    need_root()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    """Start an exporter with default flags, on a free port of loopback."""
    with serving(tmp_path / "exporter.log") as exporter:
        yield exporter
