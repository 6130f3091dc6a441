"""The iterator and a scan of /proc list the same groups and instances of a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.fsnotify.inventory import OpenFile
from fanotify_exporter.fsnotify.model import DescriptorKey
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.listeners import as_user, listening
from tools.harness.processes import poll


# A user that no other process has.
USER = 23_457


def comparable(files: Iterable[OpenFile]) -> set[OpenFile]:
    """
    Return what both ways see of *files*.

    A scan of /proc sees neither queues nor the kernel's counts, and reads cgroups
    elsewhere. A pass of the iterator has the first descriptor of each process.
    """
    return {
        replace(
            file,
            queue=None,
            cgroup=0,
            charged=0,
            address=0,
            descriptors=tuple(first_descriptors(file)),
        )
        for file in files
    }


def first_descriptors(file: OpenFile) -> list[DescriptorKey]:
    """Return the lowest descriptor of each process that has *file* open."""
    by_process = groupby(sorted(file.descriptors), key=lambda key: key[:2])
    return [next(keys) for _, keys in by_process]


def test_same_inventory(iterator: FileIterator) -> None:
    """Every file of the host has the same owner and the same processes."""
    of_root = """
        files = init(), init(CONTENT), instance()
        [os.dup(fd) for fd in files for _ in range(2)]
        fork(), fork()
    """
    of_user = "files = init(FID), instance(), instance(); os.dup(files[1]); fork()"
    scan = ProcScan()

    def both() -> tuple[set[OpenFile], set[OpenFile]]:
        return comparable(iterator.list().files), comparable(scan.list().files)

    with (
        listening(of_root) as root,
        listening(of_user, prefix=as_user(USER)) as user,
    ):
        # Other processes open and close files between the two lists.
        by_pass, by_scan = poll(both, lambda lists: lists[0] == lists[1])
    assert by_pass == by_scan
    own = [file for file in by_pass if file.comm in (root.comm, user.comm)]
    assert [3, 3] == [
        sum(file.comm == program.comm for file in own) for program in (root, user)
    ]
    assert 3 * 3 + 3 * 2 == sum(len(file.descriptors) for file in own)
