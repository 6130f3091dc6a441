"""A call as a line of text, with the arguments as strace prints them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.trace.shown import AT_FDCWD, ShownCall
from fanotify_exporter.uapi.errnos import errno_name
from fanotify_exporter.uapi.fanotify import (
    INIT_CLASS_MASK,
    init_flag_names,
    mark_flag_names,
    mask_names,
)
from fanotify_exporter.uapi.fcntl import event_f_flag_names
from fanotify_exporter.uapi.inotify import inotify_flag_names, inotify_mask_names
from fanotify_exporter.uapi.printable import printable_text


# Widths of the columns in front of a call. Longer text moves the rest of its line.
_CALLER, _UID = 24, 9

_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


def line(shown: ShownCall, *, colours: bool = False) -> str:
    """
    Return the line of a call, without a line feed.

    All bytes that a caller chose are escaped, so that no line has control characters
    but those of *colours*.
    """
    call = shown.call
    moment = shown.time.astimezone().strftime("%H:%M:%S.%f")
    task = f"{call.pid}" if call.pid == call.tid else f"{call.pid}/{call.tid}"
    caller = f"{f'{shown.comm}[{task}]':<{_CALLER}}"
    uid = f"{f'uid={call.uid}':<{_UID}}"
    where = _container(shown)
    name = f"{_BOLD}{call.syscall}{_PLAIN}" if colours else call.syscall
    arguments = ", ".join(_ARGUMENTS[call.syscall](shown))
    result = _result(shown, colours=colours)
    return f"{moment} {caller} {uid} {where}{name}({arguments}) = {result}"


def _container(shown: ShownCall) -> str:
    if shown.cgroup is None:
        return ""
    path, container_id = shown.cgroup
    if container_id:
        return f"container={container_id[:12]} "
    return f"cgroup={path} " if path else ""


def _result(shown: ShownCall, *, colours: bool) -> str:
    result = shown.call.result
    if result >= 0:
        return str(result)
    text = f"-1 {shown.errno} ({os.strerror(-result)})"
    return f"{_RED}{text}{_PLAIN}" if colours else text


def _descriptor(name: int | str, path: str | None) -> str:
    return str(name) if path is None else f"{name}<{path}>"


def _pathname(call: Call) -> str:
    """Return the path in quotes, NULL, or why the path cannot be read."""
    if call.pathname_error:
        return f"(not readable: {errno_name(call.pathname_error)})"
    if call.pathname is None:
        return "NULL"
    text = printable_text(call.pathname).replace('"', '\\"')
    return f'"{text}"...' if call.is_cut else f'"{text}"'


def _mark(shown: ShownCall) -> tuple[str, ...]:
    call = shown.call
    dirfd = "AT_FDCWD" if call.dirfd == AT_FDCWD else call.dirfd
    return (
        _descriptor(call.fd, shown.fd_path),
        mark_flag_names(call.flags),
        mask_names(call.mask),
        _descriptor(dirfd, shown.dirfd_path),
        _pathname(call),
    )


def _init(shown: ShownCall) -> tuple[str, ...]:
    flags = shown.call.flags
    names = [init_flag_names(flags)] if flags else []
    if not flags & INIT_CLASS_MASK:
        names.insert(0, "FAN_CLASS_NOTIF")
    return "|".join(names), event_f_flag_names(shown.call.mask)


def _inotify_init1(shown: ShownCall) -> tuple[str, ...]:
    return (inotify_flag_names(shown.call.flags),)


def _add_watch(shown: ShownCall) -> tuple[str, ...]:
    call = shown.call
    fd = _descriptor(call.fd, shown.fd_path)
    return fd, _pathname(call), inotify_mask_names(call.mask)


_ARGUMENTS: Final[Mapping[str, Callable[[ShownCall], tuple[str, ...]]]] = {
    "fanotify_mark": _mark,
    "fanotify_init": _init,
    "inotify_init": lambda _: (),
    "inotify_init1": _inotify_init1,
    "inotify_add_watch": _add_watch,
}
