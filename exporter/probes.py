"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from exporter import handover
from exporter.errors import LoadError
from exporter.ftrace import need_ftrace
from exporter.handover import Layout, Loaded, Probe
from exporter.hooks import COMPAT_MARK, LADDER, Hook, Rung
from exporter.perf_links import link_kretprobe, link_tracepoint, need_kprobes
from exporter.procfs import read_capabilities
from exporter.sources import bpf_folder
from exporter.tracefs import need_tracefs


MMAPPED = ("slots", "lost", "creators")
KEPT: list[Any] = []
"""bcc's objects: each detaches its programs when it is collected."""

LOST_REASONS = ("no_entry",)
"""enum lost_reason of bpf/fanotify.bpf.c."""

LOAD_CAPABILITIES = {"CAP_BPF", "CAP_PERFMON"}

NO_BCC = (
    "Install Debian's python3-bpfcc (Fedora: python3-bcc; PyPI's 'bcc' is another "
    "project) and run the exporter in a virtual environment made by "
    "/usr/bin/python3 -m venv --system-site-packages."
)


def _attach_fentry(bpf: Any, _: str, function: str) -> int:
    if function.encode() not in bpf.kfunc_exit_fds:
        bpf.attach_kretfunc(fn_name=function.encode())
    return int(bpf.kfunc_exit_fds[function.encode()])


def _attach_kretprobe(bpf: Any, target: str, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.KPROBE).fd
    return link_kretprobe(program, target)


def _attach_tracepoint(bpf: Any, target: str, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.TRACEPOINT).fd
    return link_tracepoint(program, target)


def _attach_raw_tracepoint(bpf: Any, target: str, function: str) -> int:
    bpf.attach_raw_tracepoint(target.encode(), fn_name=function.encode())
    return int(bpf.raw_tracepoint_fds[target.encode()])


ATTACH: Mapping[str, Callable[[Any, str, str], int]] = {
    "fentry": _attach_fentry,
    "kprobe": _attach_kretprobe,
    "tracepoint": _attach_tracepoint,
    "raw_tracepoint": _attach_raw_tracepoint,
}
"""By hook: attach a function to a target, return what keeps it there."""

NEEDS: Mapping[str, Callable[[], None]] = {
    "kprobe": need_kprobes,
    "tracepoint": need_tracefs,
}
"""By hook: what must be there, looked for before a program is compiled."""

NOT_PERMITTED = os.strerror(errno.EPERM)


def load(rungs: Sequence[Rung], max_entries: int, *, container: bool) -> Loaded:
    """
    Attach by the first of *rungs* that works.

    What EPERM forbids to one it forbids to all of its hook, so those are not compiled.

    Raises:
        LoadError: none works; each one's reason, and what to do.
    """
    bcc = _import_bcc()
    reasons: dict[str, LoadError] = {}
    forbidden: dict[str, LoadError] = {}
    for rung in rungs:
        try:
            if rung.hook in forbidden:
                raise forbidden[rung.hook]
            loaded = _attach(bcc, rung, max_entries, container=container)
        except LoadError as error:
            reasons[rung.name] = error
            if NOT_PERMITTED in error.why:
                forbidden[rung.hook] = error
        else:
            whys = {name: error.why for name, error in reasons.items()}
            return replace(loaded, reasons=whys)
    raise _none_works(reasons)


def _none_works(reasons: Mapping[str, LoadError]) -> LoadError:
    """Sum up; rungs with the same reason share it."""
    names: dict[str, list[str]] = {}
    for name, error in reasons.items():
        names.setdefault(error.why, []).append(name)
    whys = "; ".join(f"{', '.join(rungs)}: {why}" for why, rungs in names.items())
    advice = list(reasons.values())[-1].advice
    return LoadError(f"cannot attach to fanotify_mark: {whys}", advice)


def _advice() -> str:
    """Say what an operator can do about a kernel that refuses."""
    capabilities = read_capabilities()
    if not capabilities & {"CAP_SYS_ADMIN"} and not capabilities >= LOAD_CAPABILITIES:
        return "Run it as root, or give it CAP_BPF and CAP_PERFMON (Linux 5.8)."
    return (
        "Run 'fanotify-exporter check', which tries every hook. Usual causes: kernel "
        "lockdown (/sys/kernel/security/lockdown), kernel.perf_event_paranoid above 2 "
        "without CAP_SYS_ADMIN, and a kernel without the hook."
    )


def _attach(bcc: Any, rung: Rung, max_entries: int, *, container: bool) -> Loaded:
    need_ftrace(rung.hook)
    if rung.hook in NEEDS:
        NEEDS[rung.hook]()
    flags = [f"-D{rung.macro}", f"-DMAX_ENTRIES={max_entries}"]
    flags.append(f"-DCOMPAT_WORD_OFFSET={_compat_word_offset()}")
    if container:
        flags.append("-DCONTAINER")
    has_compat = _kernel_has(COMPAT_MARK)
    if has_compat:
        flags.append("-DCOMPAT")
    hooks = [hook for hook in rung.hooks if has_compat or not hook.compat]
    with _kernel_words() as words:
        try:
            bpf = bcc.BPF(text=_source(), cflags=flags)
            _fill_free_slots(bpf, max_entries)
            attached = _attach_hooks(bpf, rung.hook, hooks)
        except Exception as error:  # bcc raises nothing narrower
            raise LoadError(words() or str(error), _advice()) from error
    KEPT.append(bpf)
    return Loaded(
        hook=rung.hook,
        probes=tuple(_probe(rung.hook, hook) for hook in hooks),
        layouts={name: _layout(bpf[name.encode()]) for name in MMAPPED},
        lost_reasons=LOST_REASONS,
        max_entries=max_entries,
        compat=rung.compat,
        taxes=rung.taxes,
        bcc=bcc.__version__,
        llvm=_llvm_version(),
        fds={name: bpf[name.encode()].map_fd for name in MMAPPED} | attached,
    )


def _attach_hooks(bpf: Any, way: str, hooks: Iterable[Hook]) -> dict[str, int]:
    """Attach each of *hooks* once; return the descriptors that keep them so."""
    fds = {}
    for hook in hooks:
        if _link(hook) not in fds:
            function = _function(bpf, hook.function)
            fds[_link(hook)] = ATTACH[way](bpf, hook.target, function)
            fds[_run(hook)] = bpf.funcs[function.encode()].fd
    return fds


def _link(hook: Hook) -> str:
    return f"link:{hook.function}@{hook.target}"


def _run(hook: Hook) -> str:
    return f"program:{hook.function}@{hook.target}"


def _probe(way: str, hook: Hook) -> Probe:
    """Describe *hook*, attached the *way* of its rung."""
    return Probe(
        hook.probe,
        f"{way}:{hook.target}",
        programs=() if hook.keeps else (_run(hook),),
        links=(_link(hook),) if way == "kprobe" else (),
    )


def _function(bpf: Any, function: str) -> str:
    """Return bcc's name of our *function*: 0.28 put the module into fexit's."""
    full = function.replace("kretfunc__", "kretfunc__vmlinux__", 1)
    try:
        bpf.dump_func(full.encode())
    except Exception:  # noqa: BLE001  bcc raises nothing narrower if there is none
        return function
    return full


def _kernel_has(function: str) -> bool:
    """Tell whether the running kernel has *function*."""
    symbols = Path("/proc/kallsyms").read_text()
    return re.search(rf"\s{function}\s", symbols) is not None


def _llvm_version() -> str:
    """Return the version of the libLLVM that bcc brought into this process."""
    found = re.search(
        r"libLLVM[-.](?:so\.)?([\d.]*\d)", Path("/proc/self/maps").read_text()
    )
    return found[1] if found else "unknown"


def _compat_word_offset() -> int:
    """Return where thread_info says whether a call is compat, in bytes."""
    kernel = os.uname()
    if kernel.machine == "aarch64":
        return 0
    # 6.16.1, 6.16+deb14, 6.16-rc1: some releases have two numbers.
    version = tuple(map(int, re.findall(r"\d+", kernel.release)[:2]))
    return 16 if version >= (5, 11) else 8


def _source() -> str:
    """Read the BPF program, and point bcc at the stand-in headers beside it."""
    folder = bpf_folder()
    os.environ["BCC_KERNEL_SOURCE"] = str(folder)
    return (folder / "fanotify.bpf.c").read_text()


def _import_bcc() -> Any:
    try:
        import bcc  # noqa: PLC0415  90 MB: only in this process, only when loading

        bcc.BPF  # noqa: B018  PyPI's unrelated bcc has none
    except (ImportError, AttributeError) as error:
        raise LoadError(
            f"this Python ({sys.executable}) has no bcc: {error}", NO_BCC
        ) from error
    return bcc


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


def _fill_free_slots(bpf: Any, max_entries: int) -> None:
    """Push each half's indexes so that they pop in ascending order."""
    for name, first in ((b"free_root", 0), (b"free_user", max_entries)):
        for index in range(first + max_entries - 1, first - 1, -1):
            bpf[name].push(ctypes.c_uint32(index))


def _layout(table: Any) -> Layout:
    """Turn bcc's ctypes of a map's value into names and a struct(3) format."""
    members = list(_members("value", table.Leaf))
    layout = Layout(
        tuple(name for name, _ in members),
        "@" + "".join(code for _, code in members),
        table.max_entries,
    )
    assert struct.calcsize(layout.format) == ctypes.sizeof(table.Leaf)
    return layout


def _members(name: str, kind: Any) -> Iterator[tuple[str, str]]:
    if issubclass(kind, ctypes.Structure):
        for each in kind._fields_:
            yield from _members(each[0], each[1])
    elif issubclass(kind, ctypes.Array):
        yield name, f"{ctypes.sizeof(kind)}s"
    else:
        yield name, kind._type_


def main(
    channel: socket.socket, names: Sequence[str], max_entries: int, *, container: bool
) -> int:
    """Send attached probes, or the reason why there are none, over *channel*."""
    try:
        rungs = [rung for rung in LADDER if rung.name in names]
        handover.send(channel, load(rungs, max_entries, container=container))
    except LoadError as error:
        handover.send_error(channel, error)
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
