"""A call as a JSON object on a line; docs/trace.md has the keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.trace.shown import ShownCall
from fanotify_exporter.uapi.errnos import errno_name
from fanotify_exporter.uapi.fanotify import (
    init_flag_names,
    mark_flag_names,
    mask_names,
)
from fanotify_exporter.uapi.fcntl import event_f_flag_names
from fanotify_exporter.uapi.inotify import inotify_flag_names, inotify_mask_names
from fanotify_exporter.uapi.printable import printable_text


Object = dict[str, object]


def line(shown: ShownCall) -> str:
    """Return the object of a call, without a line feed."""
    return json.dumps(as_object(shown), ensure_ascii=False)


def as_object(shown: ShownCall) -> Object:
    """Return the object of a call."""
    call = shown.call
    found: Object = {
        "time": shown.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "pid": call.pid,
        "tid": call.tid,
        "uid": call.uid,
        "comm": shown.comm,
        "syscall": call.syscall,
        **_ARGUMENTS[call.syscall](shown),
        "result": max(call.result, -1),
        "errno": shown.errno,
    }
    if shown.cgroup is not None:
        found["cgroup"], found["container_id"] = shown.cgroup
    return found


def _resolved(**paths: str | None) -> Object:
    return {name: path for name, path in paths.items() if path is not None}


def _pathname(call: Call) -> Object:
    found: Object = {"pathname": None}
    if call.pathname is not None:
        found["pathname"] = printable_text(call.pathname)
    if call.is_cut:
        found["pathname_cut"] = True
    if call.pathname_error:
        found["pathname_error"] = errno_name(call.pathname_error)
    return found


def _mark(shown: ShownCall) -> Object:
    call = shown.call
    return {
        "fanotify_fd": call.fd,
        **_resolved(fanotify_fd_path=shown.fd_path),
        "flags": mark_flag_names(call.flags),
        "flags_value": call.flags,
        "mask": mask_names(call.mask),
        "mask_value": call.mask,
        "dirfd": call.dirfd,
        **_resolved(dirfd_path=shown.dirfd_path),
        **_pathname(call),
    }


def _init(shown: ShownCall) -> Object:
    call = shown.call
    return {
        "flags": init_flag_names(call.flags),
        "flags_value": call.flags,
        "event_f_flags": event_f_flag_names(call.mask),
        "event_f_flags_value": call.mask,
    }


def _inotify_init1(shown: ShownCall) -> Object:
    flags = shown.call.flags
    return {"flags": inotify_flag_names(flags), "flags_value": flags}


def _add_watch(shown: ShownCall) -> Object:
    call = shown.call
    return {
        "inotify_fd": call.fd,
        **_resolved(inotify_fd_path=shown.fd_path),
        **_pathname(call),
        "mask": inotify_mask_names(call.mask),
        "mask_value": call.mask,
        "wd": call.result if call.result >= 0 else None,
    }


_ARGUMENTS: Final[Mapping[str, Callable[[ShownCall], Object]]] = {
    "fanotify_mark": _mark,
    "fanotify_init": _init,
    "inotify_init": lambda _: {},
    "inotify_init1": _inotify_init1,
    "inotify_add_watch": _add_watch,
}
