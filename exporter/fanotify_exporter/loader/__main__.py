"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.handover import send, send_error
from fanotify_exporter.loader.load import load


def main(
    channel: socket.socket, names: Sequence[str], max_entries: int, *, container: bool
) -> int:
    """Send attached probes, or the reason why there are none, over *channel*."""
    try:
        methods = [method for method in ATTACH_METHODS if method.name in names]
        send(channel, load(methods, max_entries, container=container))
    except LoadError as error:
        send_error(channel, error)
        return 1
    return 0


if __name__ == "__main__":
    status = main(
        socket.socket(fileno=int(sys.argv[1])),
        sys.argv[2].split(","),
        int(sys.argv[3]),
        container=sys.argv[4] == "1",
    )
    # bcc's atexit handler would disable the probes that the parent now holds.
    os._exit(status)
