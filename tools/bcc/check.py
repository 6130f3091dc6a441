"""
Try every hook with this machine's kernel and the bcc of the Python that runs this.

Run in a chroot as ``python3 -I -m tools.bcc.check``; prints a report as JSON. The
oracle is the caller itself: it knows what it called and which errno came back.
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
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from tools.bcc.report import Attempt, Outcome, Report, judge_refusal


MAX_ENTRIES = 8192
AT_FDCWD = -100
BAD_FD = -1
PLAN = (
    # FAN_MARK_ADD, FAN_OPEN
    (True, 0x1, 0x20, 1009),
    # the same on a mount, and a mask of which all 64 bits count
    (True, 0x11, 0xFEDC_BA98_7654_3210, 503),
    # FAN_MARK_FLUSH
    (False, 0x80, 0, 241),
)
"""(on a real group?, flags, mask, calls); all four sums of calls are prime."""

Key = tuple[int, int, int]
"""flags, mask, errno."""


class Caller:
    """Makes fanotify_mark(2) calls, and counts them by their key."""

    def __init__(self) -> None:
        """Find libc's fanotify functions."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._init, self._mark = libc.fanotify_init, libc.fanotify_mark
        self._mark.argtypes = (
            *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64),
            *(ctypes.c_int, ctypes.c_char_p),
        )

    def run(self) -> Counter[Key]:
        """
        Make PLAN's calls, the last ones on a bad descriptor.

        Raises:
            OSError: there is no group to be had.
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
    """Load and count on "auto" and each method, and say with which versions."""
    importlib.import_module("exporter.cli")  # the whole program, on this Python
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
    """Attach by *method*, make the calls, and compare what each side counted."""
    caller.run()  # not to be counted
    started = time.monotonic()
    try:
        loaded = run.load(method, MAX_ENTRIES)
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
    """Return the calls of *comm* in the caller's form."""
    return Counter(
        {
            (call.flags, call.mask, call.errno): call.count
            for call in snapshot.calls["fanotify_mark"]
            if call.comm == comm
        }
    )


@contextmanager
def closing(loaded: LoadedPrograms) -> Iterator[None]:
    """Detach *loaded* at the end of the block."""
    try:
        yield
    finally:
        for fd in loaded.fds.values():
            os.close(fd)


def llvm_version() -> str:
    """Return the version in the name of the libLLVM that bcc has loaded, or "?"."""
    maps = Path("/proc/self/maps").read_text()
    found = re.search(r"/libLLVM[-.](?:so\.)?([\d.]*\d)", maps)
    return found[1] if found else "?"


if __name__ == "__main__":
    print(check().to_json())
