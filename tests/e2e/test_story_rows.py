"""
The queries about waits, queues and calls that do not return, in a real Prometheus.

They tell the story of a stall, of a queue that fills and of a program that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tools.harness import dashboard, queue_story
from tools.harness import stall_story as stall
from tools.harness.dashboard import STEP_SECONDS, Target, View
from tools.harness.servers.prometheus import Prometheus
from tools.harness.stall_story import FETCHER, OTHER_SCANNER, SCANNER, in_story


# The story has no recorded thresholds.
TARGETS = tuple(
    each
    for each in dashboard.targets()
    if in_story(each) and "threshold" not in each.expression
)

DANGERS = "Deadlocks and unchecked accesses"
TASKS = "Waiting tasks by listener"
OLDEST = "Oldest wait by listener"
LENGTHS = "Lengths of waits"
SLOW = "99th percentile of waits by listener"
ANSWERS = "Answers by kind"
WITHOUT_ANSWER = "Waits that ended without an answer"
UNCHECKED = "Unchecked accesses by listener"
EDGES = "Listeners that wait for listeners"
FILL_RATIO = "Fullest queue by program"
LENGTH = "Events in queues by program"
EVENTS = "Events by listener and outcome"
OVERFLOWS = "Groups with lost events by program"
UNANSWERED = "Unanswered events by listener"
STUCK_CALLS = "fanotify_mark calls that do not return"

# A second late in the stall.
STALLED = stall.END - 10


@dataclass(frozen=True, slots=True)
class Story:
    """A Prometheus with the story, and the Unix time of the story's begin."""

    prometheus: Prometheus
    begin: float

    def view(self, second: int) -> View:
        """Return the dashboard as opened at *second*, from the begin to then."""
        return dashboard.open_view(self.prometheus, second, self.begin + second)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    begin = round(time.time()) - stall.SECONDS - 60
    folder = tmp_path_factory.mktemp("story")
    with stall.replayed_story(begin, folder) as prometheus:
        yield Story(prometheus, begin)


def find_target(panel: str, ref_id: str = "A") -> Target:
    (found,) = (
        each for each in TARGETS if (each.panel, each.ref_id) == (panel, ref_id)
    )
    return found


def last(view: View, panel: str, *labels: str, ref_id: str = "A") -> dict[str, float]:
    """Return the last values of a query, by the values of *labels*."""
    return {
        " ".join(series[name] for name in labels if name in series): points[-1][1]
        for series, points in view.run(find_target(panel, ref_id))
    }


def drawn(view: View, panel: str, *labels: str) -> dict[str, float]:
    """Return the sum of a query of rates over time, by the values of *labels*."""
    return {
        " ".join(series[name] for name in labels if name in series): sum(
            value * STEP_SECONDS for _, value in points
        )
        for series, points in view.run(find_target(panel))
    }


def label(target: Target) -> str:
    return f"{target.panel} {target.ref_id}"


@pytest.mark.parametrize("target", TARGETS, ids=label)
def test_every_query_returns_series(story: Story, target: Target) -> None:
    """Every query has a value during the stall, or after it."""
    assert any(story.view(second).run(target) for second in (STALLED, stall.SECONDS))


def test_during_the_stall(story: Story) -> None:
    """The row shows who waits, since when, and that two listeners are deadlocked."""
    view = story.view(STALLED)
    tasks = {SCANNER: stall.WAITING, OTHER_SCANNER: 1}
    shown = last(view, TASKS, "comm")
    assert tasks == {comm: shown[comm] for comm in tasks}
    ages = last(view, OLDEST, "comm")
    waited = pytest.approx(STALLED - stall.BEGIN, abs=1.5)
    assert {SCANNER: waited, OTHER_SCANNER: waited} == {c: ages[c] for c in tasks}
    assert ages[FETCHER] < 10
    assert {"": 2} == last(view, DANGERS)
    assert {"": 0} == last(view, DANGERS, ref_id="B")
    assert {stall.STUCK.comm: 1} == last(view, STUCK_CALLS, "comm")
    edges = last(view, EDGES, "comm", "on")
    circle = {f"{SCANNER} {OTHER_SCANNER}", f"{OTHER_SCANNER} {SCANNER}"}
    assert dict.fromkeys(circle, 1) == edges


def test_after_the_stall(story: Story) -> None:
    """The row shows how many accesses went ahead unchecked, and who was killed."""
    view = story.view(stall.SECONDS)
    assert {"": 0} == last(view, DANGERS)
    assert {"": stall.WAITING} == last(view, DANGERS, ref_id="B")
    assert {} == last(view, EDGES)
    unchecked = {f"{SCANNER} listener_closed": stall.WAITING}
    assert pytest.approx(unchecked) == drawn(view, UNCHECKED, "comm", "reason")
    ends = {
        f"{SCANNER} listener_closed": stall.WAITING,
        f"{SCANNER} killed": stall.KILLED,
        f"{OTHER_SCANNER} killed": 1,
        f"{FETCHER} unanswered": stall.REFUSED,
    }
    assert pytest.approx(ends) == drawn(view, WITHOUT_ANSWER, "comm", "end")


def test_answers_by_kind(story: Story) -> None:
    """Each listener's allowed and denied accesses are a series, by errno."""
    kinds = set(last(story.view(stall.SECONDS), ANSWERS, "comm", "response", "errno"))
    listeners = {SCANNER: "EPERM", OTHER_SCANNER: "EPERM", FETCHER: "EIO"}
    for comm, errno in listeners.items():
        assert {f"{comm} allow", f"{comm} deny {errno}"} <= kinds


def test_lengths_of_waits(story: Story) -> None:
    """The waits of the stall are in the last bucket, also of a selected listener."""
    stalled = stall.WAITING + stall.KILLED
    for comm, number in ((".*", stalled + 1), (SCANNER, stalled), (FETCHER, 0)):
        end = story.begin + stall.SECONDS
        view = dashboard.open_view(story.prometheus, stall.SECONDS, end, comm=comm)
        waits = drawn(view, LENGTHS, "le")
        assert pytest.approx(number) == waits["+Inf"] - waits["30.0"]


def test_slow_waits(story: Story) -> None:
    """A listener of class content is fast until it is closed with waits of minutes."""
    found = story.view(stall.SECONDS).run(find_target(SLOW))
    ((points),) = (points for series, points in found if series["comm"] == SCANNER)
    begin, end = (story.begin + second for second in (stall.BEGIN, stall.END))
    assert max(value for at, value in points if at < begin) < 1
    assert 30 == max(value for at, value in points if at >= end)


def test_queue_that_fills(story: Story) -> None:
    """The row shows the full queue, and that events were lost until it was read."""
    full = story.view(queue_story.EMPTY - 10)
    program = queue_story.SLOW_READER
    assert 1 == last(full, FILL_RATIO, "comm")[program]
    assert queue_story.LIMIT == last(full, LENGTH, "comm")[program]
    assert {program: 1, SCANNER: 0} == {
        comm: last(full, OVERFLOWS, "comm")[comm] for comm in (program, SCANNER)
    }
    empty = story.view(queue_story.EMPTY + 10)
    assert last(empty, FILL_RATIO, "comm")[program] < 0.01
    assert 0 == last(empty, OVERFLOWS, "comm")[program]
    lost = (queue_story.EMPTY - queue_story.FULL) * (
        queue_story.EVENTS - queue_story.MERGED
    )
    shown = drawn(empty, EVENTS, "comm", "outcome")
    assert pytest.approx(lost) == shown[f"{program} dropped"]


def test_unanswered_events(story: Story) -> None:
    """The row shows the events of each listener for which tasks wait."""
    shown = last(story.view(STALLED), UNANSWERED, "comm", "class")
    assert stall.WAITING == shown[f"{SCANNER} content"]
    assert queue_story.SLOW_READER not in {each.split()[0] for each in shown}
