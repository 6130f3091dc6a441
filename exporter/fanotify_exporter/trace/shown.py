"""A call and the details that are shown with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.uapi.comm import comm_text
from fanotify_exporter.uapi.errnos import errno_name


AT_FDCWD = -100  # include/uapi/linux/fcntl.h


@dataclass(frozen=True, slots=True)
class ShownCall:
    """
    A call and the details that are not in its record.

    Attributes:
        unix_ns: the time of the return, nanoseconds since the epoch.
        cgroup: path and container id, None if these are not shown.
        fd_path: the file of the group or instance in /proc, None if not shown.
        dirfd_path: the same for dirfd or, for AT_FDCWD, the working directory.
    """

    call: Call
    unix_ns: int
    cgroup: tuple[str, str] | None = None
    fd_path: str | None = None
    dirfd_path: str | None = None

    @property
    def time(self) -> datetime:
        """Return the time of the return, in UTC."""
        seconds, nanoseconds = divmod(self.unix_ns, 1_000_000_000)
        moment = datetime.fromtimestamp(seconds, UTC)
        return moment.replace(microsecond=nanoseconds // 1000)

    @property
    def comm(self) -> str:
        """Return the thread name as printable text."""
        return comm_text(self.call.comm)

    @property
    def errno(self) -> str | None:
        """Return the symbol of the error, None for a call that succeeded."""
        return errno_name(-self.call.result) if self.call.result < 0 else None
