"""A description of the loaded iterator over groups and instances."""

from __future__ import annotations

from fanotify_exporter.bpf.loaded import LoadedFsnotify


def make_fsnotify(
    link: int = 7, users_reason: str = "", *, calls: int = 8, calls_reason: str = ""
) -> LoadedFsnotify:
    """Return the iterators with the descriptors *link* and *calls*."""
    return LoadedFsnotify(
        hook="iterator",
        probes=(),
        layouts={},
        lost_reasons=(),
        bcc="0.26",
        llvm="14",
        users_reason=users_reason,
        calls_reason=calls_reason,
        fds={"iterator": link} | ({} if calls_reason else {"calls": calls}),
    )
