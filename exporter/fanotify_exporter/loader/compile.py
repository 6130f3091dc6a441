"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fanotify_exporter.bpf.loaded import Layout
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.sources import bpf_folder


SHARED_MAPS = ("slots", "lost", "creators")
_keep_alive: list[Any] = []
"""bcc's objects: each detaches its programs when it is collected."""

LOST_REASONS = ("no_entry",)
"""enum lost_reason of bpf/fanotify.bpf.c."""

NO_BCC = (
    "Install Debian's python3-bpfcc (Fedora: python3-bcc; PyPI's 'bcc' is another "
    "project) and run the exporter in a virtual environment made by "
    "/usr/bin/python3 -m venv --system-site-packages."
)


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


def read_source() -> str:
    """Read the BPF program, and point bcc at the stand-in headers beside it."""
    folder = bpf_folder()
    os.environ["BCC_KERNEL_SOURCE"] = str(folder)
    return (folder / "fanotify.bpf.c").read_text()


def import_bcc() -> Any:
    """Return the module bcc, or raise LoadError with what to install."""
    try:
        import bcc  # noqa: PLC0415  90 MB: only in this process, only when loading

        bcc.BPF  # noqa: B018  PyPI's unrelated bcc has none
    except (ImportError, AttributeError) as error:
        raise LoadError(
            f"this Python ({sys.executable}) has no bcc: {error}", NO_BCC
        ) from error
    return bcc


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
