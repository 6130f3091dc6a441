"""
Main function of the loader child: load the programs, hand them over, exit.

LLVM and bcc take 90 MB of memory. The loader is a process of its own, so that
the kernel frees the memory when the process exits. The programs stay attached,
because the serving process holds their file descriptors.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.handover import send, send_error


def main(channel: socket.socket, load: Callable[[], LoadedPrograms]) -> int:
    """Send the loaded programs, or the error, over *channel*; return the status."""
    try:
        send(channel, load())
    except LoadError as error:
        send_error(channel, error)
        return 1
    return 0


def load_calls(methods: list[str], settings: Mapping[str, Any]) -> LoadedPrograms:
    """
    Load the programs that count calls.

    Args:
        methods: names of attach methods.
        settings: members of compile.Settings, and the key "syscalls".

    Raises:
        LoadError: no method works.
    """
    from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, restrict  # noqa: PLC0415  each set's own modules
    from fanotify_exporter.loader.compile import Settings  # noqa: PLC0415
    from fanotify_exporter.loader.load import load  # noqa: PLC0415

    own = dict(settings)
    syscalls = own.pop("syscalls")
    wanted = [
        restrict(each, syscalls) for each in ATTACH_METHODS if each.name in methods
    ]
    return load(wanted, Settings(**own))


def load_permission(methods: list[str], settings: Mapping[str, Any]) -> LoadedPrograms:
    """
    Load the programs that count permission waits.

    Args:
        methods: names of attach methods.
        settings: members of permission.Settings.

    Raises:
        LoadError: no method works.
    """
    from fanotify_exporter.loader.permission import Settings, load  # noqa: PLC0415
    from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS  # noqa: PLC0415

    wanted = [each for each in PERMISSION_METHODS if each.name in methods]
    return load(wanted, Settings(**settings))


def load_events(methods: list[str], settings: Mapping[str, Any]) -> LoadedPrograms:
    """
    Load the programs that count events.

    Args:
        methods: names of attach methods.
        settings: members of events.Settings.

    Raises:
        LoadError: no method works.
    """
    from fanotify_exporter.loader.events import Settings, load  # noqa: PLC0415
    from fanotify_exporter.loader.events_methods import EVENTS_METHODS  # noqa: PLC0415

    wanted = [each for each in EVENTS_METHODS if each.name in methods]
    return load(wanted, Settings(**settings))


def load_fsnotify(_methods: list[str], _settings: Mapping[str, Any]) -> LoadedPrograms:
    """
    Load the iterator over groups and instances, by its only method.

    Raises:
        LoadError: the kernel refuses.
    """
    from fanotify_exporter.loader.fsnotify import load  # noqa: PLC0415

    return load()


def load_trace(methods: list[str], settings: Mapping[str, Any]) -> LoadedPrograms:
    """
    Load the programs that send a record of each call.

    Args:
        methods: names of attach methods.
        settings: "wanted", the packed filter in hex; "ring_bytes", the size of the
            ring buffer; "syscalls", elements of SYSCALLS.

    Raises:
        LoadError: no method works.
    """
    from fanotify_exporter.loader.attach_methods import TRACE_METHODS, restrict  # noqa: PLC0415
    from fanotify_exporter.loader.trace import load  # noqa: PLC0415

    selected = [
        restrict(each, settings["syscalls"])
        for each in TRACE_METHODS
        if each.name in methods
    ]
    return load(selected, bytes.fromhex(settings["wanted"]), settings["ring_bytes"])


_SETS = {
    "calls": load_calls,
    "permission": load_permission,
    "fsnotify": load_fsnotify,
    "events": load_events,
    "trace": load_trace,
}


if __name__ == "__main__":
    _, _fd, _set, _methods, _settings = sys.argv
    status = main(
        socket.socket(fileno=int(_fd)),
        lambda: _SETS[_set](_methods.split(","), json.loads(_settings)),
    )
    # bcc's atexit handler would disable the probes that the parent now holds.
    os._exit(status)
