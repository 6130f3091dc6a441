from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, chromium
from tests.e2e.requirements import need_root


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    need_root()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Share one browser: starting it takes seconds."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started
