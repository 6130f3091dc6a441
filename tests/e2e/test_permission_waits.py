"""
A real listener that does not answer, as the installed exporter shows the stall.

The listener holds back accesses to a scratch file only, and has a watchdog.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.harness.landing_html import Page
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.opener import Opener, opening
from tools.harness.processes import poll
from tools.harness.requirements import missing, need
from tools.harness.serving import Exporter


# With /proc as the source, a listener has a name as long as no other program holds
# a permission group.
pytestmark = pytest.mark.whole_host

TASKS = 5
LISTENERS, WAITERS = "Listeners that tasks wait for", "Who waits"


@dataclass(frozen=True, slots=True)
class Stall:
    """Tasks that wait for a listener, and the exporter that sees them."""

    exporter: Exporter
    listener: Listener
    opener: Opener

    def gauge(self, name: str) -> float:
        """Return the sum of a gauge over the classes of the listener."""
        samples = self.exporter.samples(f"fanotify_permission_{name}")
        own = [each for each in samples if each.labels["comm"] == self.listener.comm]
        return sum(each.value for each in own)

    def page(self) -> Page:
        return Page(self.exporter.get("/").body.decode())


@pytest.fixture
def stall(exporter: Exporter, tmp_path: Path) -> Iterator[Stall]:
    """Let TASKS threads wait for a listener."""
    need("gcc")
    scratch = tmp_path / "scratch"
    scratch.write_bytes(b"scratch")
    if "are not seen" in "".join(exporter.process.lines()):
        missing("this kernel does not show which tasks wait for a listener")
    with listening() as listener:
        listener.mark(scratch)
        with opening(scratch, TASKS) as opener:
            opener.await_waiting(TASKS)
            yield Stall(exporter, listener, opener)


def test_stall(stall: Stall) -> None:
    """Metrics, page and log name who waits for whom, until the listener ends."""
    need_no_other_listener(stall)
    assert TASKS == poll(lambda: stall.gauge("waiting_tasks"), lambda n: n == TASKS)
    assert poll(lambda: stall.gauge("oldest_wait_seconds")) > 0

    tables = poll(lambda: stall.page().tables, lambda found: WAITERS in found)
    (listener,) = tables[LISTENERS][1:]
    assert f"{stall.listener.comm} pid {stall.listener.pid}, content" == listener[0]
    assert str(TASKS) == listener[1]
    pid, comm = stall.opener.pid, stall.opener.comm
    assert {
        f"{comm} pid {pid}" + (f", tid {tid}" if tid != pid else "")
        for tid in stall.opener.tids
    } == {row[0] for row in tables[WAITERS][1:]}

    warning = stall.exporter.process.line("does not answer")
    listener_name = f"{stall.listener.comm}[{stall.listener.pid}]"
    assert f"{listener_name} content tasks={TASKS} " in warning
    for tid in stall.opener.tids:
        assert f"{comm}[{pid if tid == pid else f'{pid}/{tid}'}]" in warning
    (subject, *_) = [text for level, text in stall.page().findings if level != "note"]
    assert subject.startswith(f"{TASKS} tasks wait for a listener: ")

    stall.listener.kill()
    assert [0] * TASKS == [access.errno for access in stall.opener.finish()]
    assert not poll(lambda: stall.gauge("waiting_tasks"), lambda n: n == 0)
    assert stall.exporter.process.line("for long any more")
    assert WAITERS not in stall.page().tables


def need_no_other_listener(stall: Stall) -> None:
    """Skip the test if another program has blocking marks."""

    def blockers() -> set[str]:
        samples = stall.exporter.samples("fanotify_marks")
        blocking = [each for each in samples if each.labels["blocking"] == "true"]
        return {each.labels["comm"] for each in blocking}

    found = poll(blockers, lambda comms: stall.listener.comm in comms)
    if found != {stall.listener.comm}:
        missing(f"other programs of this machine have blocking marks: {found}")
