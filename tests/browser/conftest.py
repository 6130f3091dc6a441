from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.harness.chromium import Chromium, chromium
from tools.harness.requirements import need_root


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    need_root()


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Share one browser: starting it takes seconds."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def browser(started: Chromium) -> Chromium:
    """Give a browser with an empty page, log and list of requests."""
    started.command("Emulation.setScriptExecutionDisabled", value=False)
    started.open("about:blank")
    started.console()
    started.requests()
    return started
