"""
Test every attach method with this machine's kernel and the bcc of this Python.

Run in a chroot by tools.bcc as ``python3 -I -m tools.bcc.check``. Prints a report as
JSON. Expected counts come from the caller, which records each call and its errno.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from tools.bcc.report import Attempt, Outcome, Report, judge_refusal


MAX_ENTRIES = 8192
AT_FDCWD = -100
BAD_FD = -1
# (on a real group?, flags, mask, number of calls). The numbers and their sum are prime,
# to make a wrong count that matches by chance unlikely.
PLAN = (
    # FAN_MARK_ADD, FAN_OPEN
    (True, 0x1, 0x20, 1009),
    # FAN_MARK_ADD | FAN_MARK_MOUNT, and a mask that needs all 64 bits
    (True, 0x11, 0xFEDC_BA98_7654_3210, 503),
    # FAN_MARK_FLUSH
    (False, 0x80, 0, 241),
)

# flags, mask, errno.
Key = tuple[int, int, int]


class Caller:
    """Make fanotify_mark(2) calls, and count them by key."""

    def __init__(self) -> None:
        """Look up the fanotify functions of libc."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._init, self._mark = libc.fanotify_init, libc.fanotify_mark
        self._mark.argtypes = (
            *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64),
            *(ctypes.c_int, ctypes.c_char_p),
        )

    def run(self) -> Counter[Key]:
        """
        Make the calls of PLAN and return their counts.

        Raises:
            OSError: fanotify_init(2) failed.
        """
        group = self._init(0, os.O_RDONLY)
        if group < 0:
            raise OSError(ctypes.get_errno(), "fanotify_init")
        try:
            return Counter(
                (flags, mask, self._call(group if real else BAD_FD, flags, mask))
                for real, flags, mask, calls in PLAN
                for _ in range(calls)
            )
        finally:
            os.close(group)

    def _call(self, group: int, flags: int, mask: int) -> int:
        """Make one call and return its errno, 0 if it succeeded."""
        failed: int = self._mark(group, flags, mask, AT_FDCWD, b"/")
        return ctypes.get_errno() if failed else 0


def check() -> Report:
    """Test "auto" and each attach method; return the results and the versions used."""
    # Imports the whole program, to find what this Python version refuses.
    importlib.import_module("fanotify_exporter.commands.serve")
    comm = f"bcc-{os.getpid()}"
    Path("/proc/self/comm").write_text(comm)
    caller = Caller()
    hooks = [
        ("auto", "auto"),
        *((method.hook, method.name) for method in ATTACH_METHODS),
    ]
    attempts = tuple(attempt(hook, method, caller, comm) for hook, method in hooks)
    bcc = importlib.import_module("bcc")
    python = platform.python_version()
    return Report(str(bcc.__version__), llvm_version(), python, attempts)


def attempt(hook: str, method: str, caller: Caller, comm: str) -> Attempt:
    """Attach by *method*, make the calls, and compare both counts."""
    caller.run()  # calls before the attachment must not be counted
    started = time.monotonic()
    try:
        loaded = run.load(method, MAX_ENTRIES, MAX_ENTRIES)
    except LoadError as error:
        return judge_refusal(hook, method, error.why)
    seconds = time.monotonic() - started
    with closing(loaded):
        maps = CallMaps(loaded)
        made = caller.run()
        snapshot = maps.read()
    seen = counted(snapshot, comm)
    if seen == made:
        outcome, detail = Outcome.EXACT, f"{seen.total()} of {made.total()}"
    else:
        outcome = Outcome.FAILED
        detail = f"made {dict(made)}, counted {dict(seen)}, {snapshot.lost}"
    chosen = loaded.hook if hook == "auto" else method
    return Attempt(hook, chosen, outcome, detail, seconds)


def counted(snapshot: Snapshot, comm: str) -> Counter[Key]:
    """Return the exporter's counts of the calls of *comm*."""
    return Counter(
        {
            (call.flags, call.mask, call.errno): call.count
            for call in snapshot.calls["fanotify_mark"]
            if call.comm == comm
        }
    )


@contextmanager
def closing(loaded: LoadedCalls) -> Iterator[None]:
    """Detach *loaded* at the end of the block."""
    try:
        yield
    finally:
        for fd in loaded.fds.values():
            os.close(fd)


def llvm_version() -> str:
    """Return the version in the file name of the loaded libLLVM, "?" if unknown."""
    maps = Path("/proc/self/maps").read_text()
    found = re.search(r"/libLLVM[-.](?:so\.)?([\d.]*\d)", maps)
    return found[1] if found else "?"


if __name__ == "__main__":
    print(check().to_json())
