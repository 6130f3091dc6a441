"""
Messages from the loader child to the serving process.

The channel is an AF_UNIX SOCK_SEQPACKET pair. One message carries the JSON
description of the programs and, as SCM_RIGHTS, their file descriptors in the order
of the names under "fds". A child that cannot load sends the error as JSON instead.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Final

from fanotify_exporter.bpf.loaded import LoadedPrograms, describe, parse
from fanotify_exporter.errors import LoadError


# Bytes of a message. A description is about 3,000 bytes long.
MAX_MESSAGE: Final = 65536

# Descriptors in a message. The largest method, enter and exit tracepoints of four
# syscalls, has 8 links, 8 programs and 2 maps.
MAX_FDS: Final = 64

# Characters of an error. JSON takes up to 12 bytes for a character, so an error of
# this length fits into MAX_MESSAGE.
_MAX_WHY = 4096

# The first bytes of an error message. A description has no key of this name.
_ERROR_PREFIX = b'{"why"'


def send(channel: socket.socket, loaded: LoadedPrograms) -> None:
    """Send *loaded* with its descriptors in one message."""
    socket.send_fds(channel, [describe(loaded)], list(loaded.fds.values()))


def send_error(channel: socket.socket, error: LoadError) -> None:
    """Send *error* in the place of programs."""
    text = json.dumps({"why": error.why[:_MAX_WHY], "advice": error.advice})
    channel.send(text.encode())


def receive(channel: socket.socket) -> LoadedPrograms | LoadError | None:
    """
    Return the programs or the error that the child sent, None if the child is gone.

    Raises:
        TimeoutError: no message came within the channel's timeout.
    """
    message, fds, _, _ = socket.recv_fds(channel, MAX_MESSAGE, MAX_FDS)
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003  the standard library's
    if not message:
        return None
    if message.startswith(_ERROR_PREFIX):
        return LoadError(**json.loads(message))
    return parse(message, fds)
