"""A folder like a procfs, with the files that a scan for groups reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

from fanotify_exporter.fsnotify.descriptors import GROUP_LINK, INSTANCE_LINK
from fanotify_exporter.procfs.process import INITIAL_USER_NAMESPACE


EMPTY_GROUP = (
    "pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t1038\nfanotify flags:0 event-flags:8000\n"
)
MARK = "fanotify mnt_id:1b mflags:0 mask:20 ignored_mask:0\n"
EMPTY_INSTANCE = "pos:\t0\nflags:\t02004000\nmnt_id:\t15\nino:\t1038\n"
WATCH = (
    "inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 "
    "fhandle-type:1 f_handle:7e9e0000640d1b6d\n"
)


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

    def start_task(
        self,
        pid: int,
        tid: int,
        *,
        comm: bytes = b"opener",
        state: str = "D",
        started: int = 100,
        threads: int = 1,
        wchan: str = "fanotify_handle_event",
        switches: int = 1,
        io: str | None = "rchar: 9\nsyscr: 1\n",
    ) -> None:
        """Add a thread, or change a thread; *threads* is the number of *pid*'s."""
        task = self.path / str(pid) / "task" / str(tid)
        task.mkdir(parents=True, exist_ok=True)
        fields = [state, *"0" * 16, str(threads), "0", str(started), "0"]
        stat = b"%d (%s) %s\n" % (tid, comm, " ".join(fields).encode())
        (task / "stat").write_bytes(stat)
        (task / "status").write_text(
            f"Name:\tx\nvoluntary_ctxt_switches:\t{switches}\n"
            "nonvoluntary_ctxt_switches:\t7\n"
        )
        (task / "wchan").write_text(wchan)
        (task / "io").unlink(missing_ok=True)
        if io is not None:
            (task / "io").write_text(io)

    def end_task(self, pid: int, tid: int) -> None:
        """End a thread."""
        rmtree(self.path / str(pid) / "task" / str(tid))

    def open(self, pid: int, fd: int, target: str, fdinfo: str = "pos:\t0\n") -> None:
        """Open a descriptor, or replace an open descriptor."""
        link = self.path / str(pid) / "fd" / str(fd)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        (self.path / str(pid) / "fdinfo" / str(fd)).write_text(fdinfo)

    def open_group(self, pid: int, fd: int, fdinfo: str = EMPTY_GROUP) -> None:
        """Open a group, or change the fdinfo of an open group."""
        self.open(pid, fd, GROUP_LINK, fdinfo)

    def open_instance(self, pid: int, fd: int, fdinfo: str = EMPTY_INSTANCE) -> None:
        """Open an inotify instance, or change the fdinfo of an open instance."""
        self.open(pid, fd, INSTANCE_LINK, fdinfo)

    def close(self, pid: int, fd: int) -> None:
        """Close a descriptor."""
        for name in ("fd", "fdinfo"):
            (self.path / str(pid) / name / str(fd)).unlink()

    def end(self, pid: int) -> None:
        """End a process."""
        rmtree(self.path / str(pid))
