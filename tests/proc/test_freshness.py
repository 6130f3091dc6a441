"""How soon the background thread shows a change, without a full scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.model import Marks, OwnedGroup
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from tools.harness.listeners import listening
from tools.harness.processes import poll


# The documented delay is 2 s on an idle machine. No full scan is due in this time.
SECONDS = 20.0


class Watched:
    """A background scan, with the pids that the test calls recent."""

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

    def of(self, comm: str) -> list[OwnedGroup]:
        scan = self._scan.latest()
        assert scan
        return [owned for owned in scan.groups if owned.comm == comm]

    def soon(
        self, comm: str, until: Callable[[list[OwnedGroup]], object]
    ) -> list[OwnedGroup]:
        """Return the groups of *comm* once *until* accepts them, or after SECONDS."""
        return poll(lambda: self.of(comm), until, SECONDS)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.start()
    yield watched
    watched.stop()


def test_group_from_start_to_end(watched: Watched) -> None:
    """A new group, a new mark, a removed mark and a closed group show in time."""
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
        (owned,) = watched.soon(listener.comm, bool)
        assert () == owned.group.marks
        watched.recent = frozenset()

        listener.go_on()
        (owned,) = watched.soon(listener.comm, lambda groups: groups[0].group.marks)
        assert (Marks("inode", blocking=False, count=1),) == owned.group.marks

        listener.go_on()
        (owned,) = watched.soon(listener.comm, lambda groups: not groups[0].group.marks)
        assert () == owned.group.marks

        listener.go_on()
        assert [] == watched.soon(listener.comm, lambda groups: not groups)


def test_process_that_ends(watched: Watched) -> None:
    """The groups of a killed process disappear in time."""
    with listening("init(); init()") as listener:
        watched.recent = frozenset({listener.pid})
        assert 2 == len(watched.soon(listener.comm, bool))
        listener.process.kill()
        listener.process.wait()
        assert [] == watched.soon(listener.comm, lambda groups: not groups)


def test_daemon(watched: Watched) -> None:
    """A group that a process made and left to a child shows in time."""
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
