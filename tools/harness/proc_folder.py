"""A folder like a procfs, with the files that a scan for groups reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

from fanotify_exporter.fsnotify.descriptors import GROUP_LINK
from fanotify_exporter.procfs.process import INITIAL_USER_NAMESPACE


EMPTY_GROUP = (
    "pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t1038\nfanotify flags:0 event-flags:8000\n"
)
MARK = "fanotify mnt_id:1b mflags:0 mask:20 ignored_mask:0\n"


class ProcFolder:
    """Processes that a test starts, changes and ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def start(
        self,
        pid: int,
        groups: Mapping[int, str] | None = None,
        *,
        comm: bytes = b"listener",
        started: int = 100,
        uid: int = 0,
        privileged: bool = False,
    ) -> None:
        """Add a process with three ordinary descriptors and *groups*, fdinfo by fd."""
        process = self.path / str(pid)
        for name in ("fd", "fdinfo"):
            (process / name).mkdir(parents=True)
        (process / "comm").write_bytes(comm + b"\n")
        fields = " ".join(["S", *"0" * 18, str(started), "0"])
        (process / "stat").write_bytes(b"%d (%s) %s" % (pid, comm, fields.encode()))
        effective = "00000000a80425fb" if not privileged else "000001ffffffffff"
        (process / "status").write_text(
            f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t9\nCapEff:\t{effective}\n"
        )
        (process / "ns").mkdir()
        (process / "ns/user").symlink_to(INITIAL_USER_NAMESPACE)
        for fd, target in enumerate(("/dev/null", "pipe:[23]", "socket:[42]")):
            self.open(pid, fd, target)
        for fd, fdinfo in (groups or {}).items():
            self.open_group(pid, fd, fdinfo)

    def open(self, pid: int, fd: int, target: str, fdinfo: str = "pos:\t0\n") -> None:
        """Open a descriptor, or replace an open descriptor."""
        link = self.path / str(pid) / "fd" / str(fd)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        (self.path / str(pid) / "fdinfo" / str(fd)).write_text(fdinfo)

    def open_group(self, pid: int, fd: int, fdinfo: str = EMPTY_GROUP) -> None:
        """Open a group, or change the fdinfo of an open group."""
        self.open(pid, fd, GROUP_LINK, fdinfo)

    def close(self, pid: int, fd: int) -> None:
        """Close a descriptor."""
        for name in ("fd", "fdinfo"):
            (self.path / str(pid) / name / str(fd)).unlink()

    def end(self, pid: int) -> None:
        """End a process."""
        rmtree(self.path / str(pid))
