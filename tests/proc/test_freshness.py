"""How soon the background thread shows what changed, with no full scan in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.model import HeldGroup, Marks
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from tools.harness.listeners import listening
from tools.harness.processes import poll


SECONDS = 20.0
"""The promise is 2 s, on a machine that has time; no full scan helps in these."""


class Watched:
    """A background scan, and what it shows of one program."""

    def __init__(self) -> None:
        self.recent: frozenset[int] = frozenset()
        self._scan = BackgroundScan(
            GroupScanner(interval=3600, recent_pids=lambda: (self.recent, True))
        )

    def start(self) -> None:
        self._scan.start()
        poll(self._scan.latest)

    def stop(self) -> None:
        self._scan.stop()

    def of(self, comm: str) -> list[HeldGroup]:
        scan = self._scan.latest()
        assert scan
        return [held for held in scan.groups if held.comm == comm]

    def soon(
        self, comm: str, until: Callable[[list[HeldGroup]], object]
    ) -> list[HeldGroup]:
        """Wait as long as was promised; return the groups of *comm* then."""
        return poll(lambda: self.of(comm), until, SECONDS)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.start()
    yield watched
    watched.stop()


def test_group_from_begin_to_end(watched: Watched) -> None:
    """A new group, a new mark, a removed mark and the end each show in time."""
    with listening(
        """
        group = init(CONTENT)
        say()
        mark(group, ADD, OPEN, "/")
        say()
        mark(group, 2, OPEN, "/")
        say()
        os.close(group)
        """
    ) as listener:
        watched.recent = frozenset({listener.pid})
        (held,) = watched.soon(listener.comm, bool)
        assert () == held.group.marks
        watched.recent = frozenset()

        listener.go_on()
        (held,) = watched.soon(listener.comm, lambda groups: groups[0].group.marks)
        assert (Marks("inode", blocking=False, count=1),) == held.group.marks

        listener.go_on()
        (held,) = watched.soon(listener.comm, lambda groups: not groups[0].group.marks)
        assert () == held.group.marks

        listener.go_on()
        assert [] == watched.soon(listener.comm, lambda groups: not groups)


def test_process_that_ends(watched: Watched) -> None:
    """The groups of a process that is killed are gone in time."""
    with listening("init(); init()") as listener:
        watched.recent = frozenset({listener.pid})
        assert 2 == len(watched.soon(listener.comm, bool))
        listener.process.kill()
        listener.process.wait()
        assert [] == watched.soon(listener.comm, lambda groups: not groups)


def test_daemon(watched: Watched) -> None:
    """A group whose maker leaves it to a child before anyone looks shows in time."""
    with listening(
        """
        def outlive():
            libc.prctl(1, 0)
            end = lambda: (sys.stdin.read(), os._exit(0))
            threading.Thread(target=end).start()

        init()
        fork(outlive)
        """
    ) as listener:
        listener.process.kill()
        listener.process.wait()
        watched.recent = frozenset({listener.pid})
        assert 1 == len(watched.soon(listener.comm, bool))
