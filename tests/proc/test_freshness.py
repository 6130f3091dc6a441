"""How soon the background thread shows a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import Marks, OwnedGroup
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.listeners import listening
from tools.harness.processes import poll


# An idle machine needs up to 11 s to show a new group, and 2 s for a change.
SECONDS = 90.0


class Watched:
    """A background scan."""

    def __init__(self) -> None:
        self._scan = BackgroundScan(GroupScanner(ProcScan()), "groups", max_age=60.0)

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
        (owned,) = watched.soon(listener.comm, bool)
        assert () == owned.group.marks

        listener.go_on()
        (owned,) = watched.soon(listener.comm, lambda groups: groups[0].group.marks)
        assert (Marks("inode", blocking=False, count=1),) == owned.group.marks

        listener.go_on()
        (owned,) = watched.soon(listener.comm, lambda groups: not groups[0].group.marks)
        assert () == owned.group.marks

        listener.go_on()
        assert [] == watched.soon(listener.comm, lambda groups: not groups)


def test_daemon(watched: Watched) -> None:
    """A group shows also if its maker has ended, and disappears with its owner."""
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
        assert 1 == len(watched.soon(listener.comm, bool))
    assert [] == watched.soon(listener.comm, lambda groups: not groups)
