"""
The parts of the programs that count events, run on real groups without a hook.

`python -m tools.harness.child_events FILE` makes groups, runs the parts on them by
BPF_PROG_TEST_RUN, and prints as JSON what was counted, and the entries in use. bcc
compiles in this process, which ends afterwards.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fanotify_exporter.bpf.event_maps import EventMaps
from fanotify_exporter.bpf.loaded import LoadedEvents
from fanotify_exporter.bpf.syscall import bpf as bpf_command
from fanotify_exporter.loader import events
from fanotify_exporter.loader.btf import read_btf
from fanotify_exporter.loader.compile import import_bcc
from fanotify_exporter.loader.maps import push_indexes, read_layouts, read_map_fds
from fanotify_exporter.loader.sources import find_programs, join_sources
from tools.harness.sysctl import limited


BPF_PROG_TEST_RUN = 10
PARTS = tuple(f"events/{part}" for part in ("read", "structures", "listeners", "count"))
OFFSETS = {
    "TASK_FILES": ("task_struct", "files"),
    "FILES_FDT": ("files_struct", "fdt"),
    "FDT_FD": ("fdtable", "fd"),
    "GROUP_NOTIFICATION_LIST": ("fsnotify_group", "notification_list"),
}
NAME, COUNT, RETIRE = range(3)
QUEUED, MERGED, DROPPED = range(3)
# include/uapi/linux/fanotify.h
NONBLOCK, CONTENT, REPORT_FID, OPEN, OPEN_PERM = 0x2, 0x4, 0x200, 0x20, 0x10000
USER = 23_458

libc = ctypes.CDLL(None, use_errno=True)


def compiled() -> Any:  # noqa: ANN401  bcc has no types
    """Return bcc's object of the parts and of child_events.c."""
    btf = read_btf()
    offsets = {name: btf.offset(*member) for name, member in OFFSETS.items()}
    macros = events.read_offsets(btf) | offsets
    text = join_sources(PARTS) + Path(__file__).with_suffix(".c").read_text()
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    bpf = import_bcc().BPF(text=text, cflags=[f"-I{find_programs()}", *flags])
    push_indexes(bpf[b"free_totals"], range(events.LISTENERS))
    return bpf


class Program:
    """The loaded program and its maps."""

    def __init__(self) -> None:
        self._bpf = compiled()
        self._fd = self._bpf.load_func(b"act", self._bpf.RAW_TRACEPOINT).fd
        self._maps = EventMaps(
            LoadedEvents(
                hook="none",
                probes=(),
                layouts=read_layouts(self._bpf, events.SHARED_MAPS),
                lost_reasons=events.LOST_REASONS,
                bcc="",
                llvm="",
                fds=read_map_fds(self._bpf, events.SHARED_MAPS),
            )
        )

    def run(self, fd: int, action: int, outcome: int = 0) -> None:
        """Run the program on the group behind *fd*."""
        context = ctypes.create_string_buffer(struct.pack("=3Q", fd, action, outcome))
        address = ctypes.addressof(context)
        attr = struct.pack(
            "=IIIIQQIIIIQQII", self._fd, 0, 0, 0, 0, 0, 0, 0, 24, 0, address, 0, 0, 0
        )
        bpf_command(BPF_PROG_TEST_RUN, attr)

    def counted(self) -> dict[str, list[int]]:
        """Return by comm the numbers by outcome, and the unchecked accesses."""
        return {
            each.comm: [*each.outcomes.values(), each.unchecked]
            for each in self._maps.read().listeners
        }

    def entries(self) -> int:
        """Return the number of groups in the map."""
        return self._maps.read().usage[0].entries


def init(flags: int) -> int:
    """Return a new group."""
    group = libc.fanotify_init(flags | NONBLOCK, os.O_RDONLY)
    assert group >= 0, os.strerror(ctypes.get_errno())
    return int(group)


def name(comm: str) -> None:
    """Set the comm of this process."""
    Path("/proc/self/comm").write_text(comm)


def group_of_a_user() -> int:
    """Return a group that a user without privileges made."""
    ours, theirs = socket.socketpair()
    if not os.fork():
        os.setresuid(USER, USER, USER)
        socket.send_fds(theirs, [b"!"], [init(REPORT_FID)])
        os._exit(0)
    _, (group,), _, _ = socket.recv_fds(ours, 1, 1)
    os.wait()
    return group


@contextmanager
def waiting(path: str) -> Iterator[int]:
    """Yield a group with one permission event, which is answered at the end."""
    group = init(CONTENT)
    mask = ctypes.c_uint64(OPEN_PERM)
    assert 0 == libc.fanotify_mark(group, 1, mask, -1, path.encode())
    opener = subprocess.Popen(["timeout", "--signal=KILL", "60", "cat", path])
    while struct.unpack("i", fionread(group))[0] == 0:
        assert opener.poll() is None
    yield group
    event = os.read(group, 24)
    fd = struct.unpack_from("=IBBHQii", event)[5]
    os.write(group, struct.pack("=iI", fd, 1))
    opener.wait()


def fionread(group: int) -> bytes:
    """Return an int: the bytes of the events that a read would return."""
    return fcntl.ioctl(group, termios.FIONREAD, bytes(4))


def main(path: str) -> dict[str, Any]:
    """Run the parts on groups of each kind; return what was counted."""
    program = Program()
    group, instance, users = init(0), libc.inotify_init1(0), group_of_a_user()
    program.run(group, COUNT, QUEUED)  # before a name is known
    for comm, outcomes in (
        ("first", (QUEUED, QUEUED, MERGED, DROPPED)),
        ("second", (DROPPED,)),
        ("first", (QUEUED,)),
    ):
        name(comm)
        for fd in (group, instance, users):
            program.run(fd, NAME)
            for outcome in outcomes:
                program.run(fd, COUNT, outcome)
    with waiting(path) as protector:
        name("protector")
        program.run(protector, NAME)
        program.run(protector, COUNT, DROPPED)
    program.run(protector, COUNT, DROPPED)  # an event without a permission bit
    entries = [program.entries()]
    program.run(group, RETIRE)
    program.run(protector, RETIRE)
    entries.append(program.entries())
    with limited("fanotify/max_user_groups", 1000):
        many = [init(0) for _ in range(300)]
    name("many")
    for fd in many:
        program.run(fd, NAME)
        program.run(fd, COUNT, QUEUED)
    entries.append(program.entries())
    return {"counted": program.counted(), "entries": entries}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])), flush=True)
    os._exit(0)
