"""
What the loader child hands to the serving process: JSON and file descriptors.

One message over an AF_UNIX SOCK_SEQPACKET pair carries the whole description;
its descriptors are in the order of the names under "fds".
"""

from __future__ import annotations

import json
import os
import socket

from fanotify_exporter.bpf.loaded import LoadedPrograms, describe, parse
from fanotify_exporter.errors import LoadError


MAX_MESSAGE = 65536
MAX_WHY = 8192
MAX_FDS = 64
REFUSAL = b'{"why"'


def send(channel: socket.socket, loaded: LoadedPrograms) -> None:
    """Send *loaded* with its descriptors in one message."""
    socket.send_fds(channel, [describe(loaded)], list(loaded.fds.values()))


def send_error(channel: socket.socket, error: LoadError) -> None:
    """Send why there are no probes."""
    text = json.dumps({"why": error.why[:MAX_WHY], "advice": error.advice})
    channel.send(text.encode())


def receive(channel: socket.socket) -> LoadedPrograms | LoadError | None:
    """
    Receive what the child sent: probes, why there are none, or None if it is gone.

    Raises:
        TimeoutError: nothing came within the channel's timeout.
    """
    message, fds, _, _ = socket.recv_fds(channel, MAX_MESSAGE, MAX_FDS)
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003  the standard library's
    if not message:
        return None
    if message.startswith(REFUSAL):
        return LoadError(**json.loads(message))
    return parse(message, fds)
