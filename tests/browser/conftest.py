from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.harness.chromium import Chromium, chromium
from tools.harness.requirements import need_root


# WCAG 2.2, success criterion 1.4.3 (AA), for normal text.
MIN_CONTRAST = 4.5


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


@pytest.fixture
def require_readable(browser: Chromium) -> Callable[[int, str], None]:
    """Give a check of the open page: its width in CSS pixels, its colour scheme."""

    def check(width: int, scheme: str) -> None:
        root = "document.documentElement"
        assert 0 == browser.run(f"return {root}.scrollWidth - {root}.clientWidth")
        texts = browser.run((Path(__file__).with_name("contrast.js")).read_text())
        assert len(texts) > 50
        assert [] == [each for each in texts if each["contrast"] < MIN_CONTRAST]
        assert {scheme == "dark"} == {each["light"] for each in texts}
        assert [] == [each["text"] for each in texts if not 0 <= each["left"]]
        assert [] == [each["text"] for each in texts if each["right"] > width]

    return check
