"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD SETTINGS``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from exporter import handover
from exporter.errors import LoadError
from exporter.handover import Layout, Loaded, Probe


TRACEFS = Path("/sys/kernel/tracing")
MMAPPED = ("slots", "lost")
LOST_REASONS = ("no_entry",)
"""enum lost_reason of bpf/fanotify.bpf.c."""

CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39

NO_BCC = (
    "this Python ({python}) has no bcc: {error}. Install Debian's python3-bpfcc "
    "(Fedora: python3-bcc; PyPI's 'bcc' is another project) and run the exporter "
    "in a virtual environment made by /usr/bin/python3 -m venv "
    "--system-site-packages"
)


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to attach: the C macro that selects it and what it hooks."""

    hook: str
    macro: str
    tracepoints: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The rung in one word, unique in the ladder."""
        return self.macro.removeprefix("HOOK_").lower()


LADDER = (
    Rung(
        "tracepoint",
        "HOOK_SYS_EXIT",
        (("syscalls:sys_exit_fanotify_mark", "mark_exit"),),
    ),
    Rung(
        "tracepoint",
        "HOOK_SYS_ENTER_EXIT",
        (
            ("syscalls:sys_enter_fanotify_mark", "mark_enter"),
            ("syscalls:sys_exit_fanotify_mark", "mark_exit"),
        ),
    ),
)
"""Best first."""


class AttachError(Exception):
    """A rung does not work here: the kernel's or clang's words, and what helps."""

    def __init__(self, why: str, advice: str = "") -> None:
        """Take the reason, and advice if it is known better than _advice()'s."""
        super().__init__(why)
        self.advice = advice


def load(hook: str, max_entries: int, rungs: Sequence[Rung] = LADDER) -> Loaded:
    """
    Attach by the first rung that works; *hook* is one rung's hook, name or "auto".

    Raises:
        LoadError: none works; the text has each one's reason and what to do.
    """
    bcc = _import_bcc()
    reasons: dict[str, str] = {}
    advice = ""
    for rung in rungs:
        if hook not in ("auto", rung.hook, rung.name):
            continue
        try:
            bpf = _attach(bcc, rung, max_entries)
        except AttachError as error:
            reasons[rung.name] = str(error)
            advice = error.advice
        else:
            return _describe(bpf, rung, max_entries, bcc.__version__, reasons)
    tried = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    raise LoadError(f"cannot attach to fanotify_mark: {tried}. {advice or _advice()}")


def _advice() -> str:
    """Say what an operator can do about a kernel that refuses."""
    status = Path("/proc/self/status").read_text()
    effective = int(re.findall(r"CapEff:\s*(\w+)", status)[0], 16)
    admin, perfmon, bpf = (
        bool(effective >> cap & 1) for cap in (CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF)
    )
    if not admin and not (perfmon and bpf):
        return "Run it as root, or give it CAP_BPF and CAP_PERFMON (Linux 5.8)."
    return (
        "The kernel refuses: see whether lockdown is on "
        "(/sys/kernel/security/lockdown) and CONFIG_FTRACE_SYSCALLS is set."
    )


def _attach(bcc: Any, rung: Rung, max_entries: int) -> Any:  # noqa: ANN401
    if rung.tracepoints:
        _need_tracefs()
    with _kernel_words() as words:
        try:
            bpf = bcc.BPF(
                text=_source(),
                cflags=[f"-D{rung.macro}", f"-DMAX_ENTRIES={max_entries}"],
            )
            _fill_free_slots(bpf, max_entries)
            for tracepoint, function in rung.tracepoints:
                bpf.load_func(function.encode(), bcc.BPF.TRACEPOINT)
                bpf.attach_tracepoint(tracepoint.encode(), fn_name=function.encode())
        except Exception as error:  # bcc raises nothing narrower
            raise AttachError(words() or str(error)) from error
    return bpf


def _source() -> str:
    """Read the BPF program, and point bcc at the stand-in headers beside it."""
    package = Path(__file__).parent
    folder = next(
        folder
        for folder in (package / "bpf", package.parent / "bpf")
        if (folder / "fanotify.bpf.c").is_file()
    )
    os.environ["BCC_KERNEL_SOURCE"] = str(folder)
    return (folder / "fanotify.bpf.c").read_text()


def _import_bcc() -> Any:  # noqa: ANN401  bcc has no types
    try:
        import bcc  # noqa: PLC0415  90 MB: only in this process, only when loading

        bcc.BPF  # noqa: B018  PyPI's unrelated bcc has none
    except (ImportError, AttributeError) as error:
        raise LoadError(NO_BCC.format(python=sys.executable, error=error)) from error
    return bcc


def _need_tracefs() -> None:
    """Mount tracefs where only this process sees it, if the host has none."""
    try:
        os.listdir(TRACEFS / "events")  # noqa: PTH208  the errors are what counts
    except FileNotFoundError:
        _mount_tracefs()
    except PermissionError as error:
        raise AttachError(
            f"cannot read {TRACEFS}: {error.strerror}",
            "Run it as root, or give it CAP_DAC_READ_SEARCH, CAP_BPF and CAP_PERFMON.",
        ) from error


def _mount_tracefs() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 0x40000
    if (
        libc.unshare(clone_newns)
        or libc.mount(b"none", b"/", None, ms_rec | ms_private, None)
        or libc.mount(b"tracefs", bytes(TRACEFS), b"tracefs", 0, None)
    ):
        why = os.strerror(ctypes.get_errno())
        raise AttachError(
            f"tracefs is not mounted at {TRACEFS}, and mounting it: {why}",
            f"Mount it (mount -t tracefs tracefs {TRACEFS}), or run the exporter as "
            "root, or give it CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON.",
        )


@contextmanager
def _kernel_words() -> Iterator[Callable[[], str]]:
    """Catch what C code writes to stderr; yield a function that sums it up."""
    stderr = os.dup(2)
    caught = os.memfd_create("stderr")
    os.dup2(caught, 2)
    try:
        yield lambda: _essence(
            Path(f"/proc/self/fd/{caught}").read_text(errors="replace")
        )
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(caught)


def _essence(text: str) -> str:
    """Pick what tells why from clang's, libbpf's or the verifier's output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    refusals = [line for line in lines if re.search(r"error|[Ff]ailed", line)]
    verdicts = [
        line
        for line, following in pairwise(lines)
        if re.match(r"processed \d+ insns", following)
    ]
    hints = [line.removeprefix("HINT: ") for line in lines if line.startswith("HINT")]
    telling = [*refusals[:1], *verdicts[:1], *hints[:1]] or lines[:1]
    return ", ".join(line.removeprefix("bpf: ").rstrip(".") for line in telling)


def _fill_free_slots(bpf: Any, max_entries: int) -> None:  # noqa: ANN401
    """Push each half's indexes so that they pop in ascending order."""
    for name, first in ((b"free_root", 0), (b"free_user", max_entries)):
        for index in range(first + max_entries - 1, first - 1, -1):
            bpf[name].push(ctypes.c_uint32(index))


def _describe(
    bpf: Any,  # noqa: ANN401
    rung: Rung,
    max_entries: int,
    version: str,
    reasons: dict[str, str],
) -> Loaded:
    fds = {name: bpf[name.encode()].map_fd for name in MMAPPED}
    for tracepoint, function in rung.tracepoints:
        fds[f"event:{function}"] = bpf.tracepoint_fds[tracepoint.encode()]
        fds[f"program:{function}"] = bpf.funcs[function.encode()].fd
    return Loaded(
        hook=rung.hook,
        probes=tuple(
            Probe(
                "fanotify_mark",
                f"{rung.hook}:{tracepoint}",
                attached=True,
                fds=(f"program:{function}",),
            )
            for tracepoint, function in rung.tracepoints
        ),
        layouts={name: _layout(bpf[name.encode()]) for name in MMAPPED},
        lost_reasons=LOST_REASONS,
        max_entries=max_entries,
        bcc=version,
        reasons=reasons,
        fds=fds,
    )


def _layout(table: Any) -> Layout:  # noqa: ANN401
    """Turn bcc's ctypes of a map's value into names and a struct(3) format."""
    members = list(_members("value", table.Leaf))
    layout = Layout(
        tuple(name for name, _ in members),
        "@" + "".join(code for _, code in members),
        table.max_entries,
    )
    assert struct.calcsize(layout.format) == ctypes.sizeof(table.Leaf)
    return layout


def _members(name: str, kind: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    if issubclass(kind, ctypes.Structure):
        for each in kind._fields_:
            yield from _members(each[0], each[1])
    elif issubclass(kind, ctypes.Array):
        yield name, f"{ctypes.sizeof(kind)}s"
    else:
        yield name, kind._type_


def main(channel: socket.socket, hook: str, max_entries: int) -> int:
    """Send attached probes, or the reason why there are none, over *channel*."""
    try:
        handover.send(channel, load(hook, max_entries))
    except LoadError as error:
        handover.send_error(channel, str(error))
        return 1
    return 0


if __name__ == "__main__":
    status = main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
    # bcc's atexit handler would disable the probes that the parent now holds.
    os._exit(status)
