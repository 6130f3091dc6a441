"""The tables of waiting tasks in a real browser, with hostile names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from fanotify_exporter.commands.waits import to_rows
from fanotify_exporter.metrics.families import Family
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.chromium import HEIGHT, Chromium
from tools.harness.stall import HSM, SCANNED, WDAVDAEMON, container, stalled
from tools.harness.web_server import Fishes, example_service, serve


T = TypeVar("T")

LONG_NAME = comm_text(b"\xff" * 15)


class Stalled(Fishes):
    """The families of a stall, a deadlock and unchecked accesses."""

    def collect(self) -> Iterator[Family]:
        labels = ("comm", "class")
        waiting = GaugeMetricFamily(
            "fanotify_permission_waiting_tasks", "", labels=labels
        )
        oldest = GaugeMetricFamily(
            "fanotify_permission_oldest_wait_seconds", "", labels=labels
        )
        for group in (WDAVDAEMON, HSM):
            key = group.comm, group.group_class
            waiting.add_metric(key, group.waiting)
            oldest.add_metric(key, SCANNED - (group.oldest_since or SCANNED))
        yield waiting
        yield oldest
        waits = GaugeMetricFamily(
            "fanotify_permission_listener_waits", "", labels=("comm", "on")
        )
        waits.add_metric((LONG_NAME, WDAVDAEMON.comm), 1)
        waits.add_metric((WDAVDAEMON.comm, LONG_NAME), 1)
        yield waits
        yield GaugeMetricFamily("fanotify_permission_deadlocked_listeners", "", value=2)
        unchecked = CounterMetricFamily(
            "fanotify_unchecked_accesses", "", labels=("comm", "reason")
        )
        unchecked.add_metric((LONG_NAME, "listener_closed"), 1234)
        yield unchecked


STALL = to_rows(stalled(), container, SCANNED)


def look(url: Callable[[str], T]) -> T:
    """Serve a page with STALL, and return what *url* returns for its URL."""
    service = example_service(Stalled(), waits=lambda: STALL)
    return serve(service, lambda port: url(f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_readable(
    browser: Chromium,
    require_readable: Callable[[int, str], None],
    width: int,
    scheme: str,
) -> None:
    """Nothing overflows the window, and all text has enough contrast."""

    def check(url: str) -> None:
        browser.open(url, width=width, scheme=scheme)
        require_readable(width, scheme)

    look(check)


def test_hostile_names(browser: Chromium) -> None:
    """Names are shown unchanged on one line each, and create no element."""

    def read(url: str) -> tuple[list[str], list[int], int]:
        browser.open(url, width=360)
        names, heights = browser.run(
            "const found = [...document.querySelectorAll('tbody code[title]')];"
            "return [found.map(each => each.textContent),"
            " found.map(each => each.offsetHeight)]"
        )
        elements = browser.run("return document.querySelectorAll('b, i, img').length")
        assert [] == browser.console()
        return names, heights, elements

    names, heights, elements = look(read)
    assert {task.comm for task in STALL.tasks} <= set(names)
    assert {task.container for task in STALL.tasks if task.container} <= set(names)
    assert HSM.comm in names
    assert 1 == len(set(heights))
    assert 0 == elements


def test_top_of_the_page(browser: Chromium) -> None:
    """At 360 pixels the first window has the finding and the first listener."""

    def positions(url: str) -> list[float]:
        browser.open(url, width=360)
        found: list[float] = browser.run(
            "return ['ul .danger', 'tbody code'].map("
            "each => document.querySelector(each).getBoundingClientRect().bottom)"
        )
        return found

    assert max(look(positions)) < HEIGHT


def test_without_script(browser: Chromium) -> None:
    """Without JavaScript the page has findings, listeners and tasks."""

    def read(url: str) -> str:
        browser.command("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(url)
        return str(browser.run("return document.body.innerText"))

    text = look(read)
    assert "34 tasks wait for a listener: wdavdaemon (the oldest for 4 minutes)" in text
    assert "2 listeners wait for each other" in text
    assert "pid 5000, tid 5001" in text
