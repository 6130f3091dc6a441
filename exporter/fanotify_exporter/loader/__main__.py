"""
Main function of the loader child: load the programs, hand them over, exit.

LLVM and bcc take 90 MB of memory. The loader is a process of its own, so that
the kernel frees the memory when the process exits. The programs stay attached,
because the serving process holds their file descriptors.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import (
    ATTACH_METHODS,
    AttachMethod,
    restrict,
)
from fanotify_exporter.loader.compile import Settings
from fanotify_exporter.loader.handover import send, send_error
from fanotify_exporter.loader.load import load


def main(
    channel: socket.socket, methods: Sequence[AttachMethod], settings: Settings
) -> int:
    """Send the loaded programs, or the error, over *channel*; return the status."""
    try:
        send(channel, load(methods, settings))
    except LoadError as error:
        send_error(channel, error)
        return 1
    return 0


def parse_methods(names: Sequence[str], syscalls: Sequence[str]) -> list[AttachMethod]:
    """Return the attach methods with *names*, restricted to *syscalls*."""
    return [
        restrict(method, syscalls) for method in ATTACH_METHODS if method.name in names
    ]


if __name__ == "__main__":
    status = main(
        socket.socket(fileno=int(sys.argv[1])),
        parse_methods(sys.argv[2].split(","), sys.argv[6].split(",")),
        Settings(int(sys.argv[3]), int(sys.argv[4]), container=sys.argv[5] == "1"),
    )
    # bcc's atexit handler would disable the probes that the parent now holds.
    os._exit(status)
