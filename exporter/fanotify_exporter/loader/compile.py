"""Compile the sources of an attach method with bcc, for the running kernel."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.attach_methods import COMPAT_MARK
from fanotify_exporter.loader.maps import MAX_WATCH_ENTRIES
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.loader.privilege import PrivilegeTest
from fanotify_exporter.loader.sources import find_programs, join_sources
from fanotify_exporter.system.machine import kernel_version


_BCC_ADVICE = (
    "Install Debian's python3-bpfcc (Fedora: python3-bcc; PyPI's 'bcc' is another "
    "project) and run the exporter in a virtual environment made by "
    "/usr/bin/python3 -m venv --system-site-packages."
)


# The parts that count calls, before the sources of an attach method.
COUNTING: Final = ("calls/lost", "calls/count")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the programs count.

    Attributes:
        max_entries: maximum distinct keys of privileged callers.
        max_user_entries: maximum distinct keys of all other callers together.
        container: whether the cgroup is a part of the key.
    """

    max_entries: int
    max_user_entries: int
    container: bool = False


def import_bcc() -> Any:
    """
    Return the module bcc, set to compile with the headers in bpf/include.

    Raises:
        LoadError: bcc is not installed; the advice says how to install it.
    """
    try:
        import bcc  # noqa: PLC0415  90 MB: only in this process, only when loading

        bcc.BPF  # noqa: B018  PyPI's unrelated bcc has none
    except (ImportError, AttributeError) as error:
        raise LoadError(
            f"this Python ({sys.executable}) has no bcc: {error}", _BCC_ADVICE
        ) from error
    os.environ["BCC_KERNEL_SOURCE"] = str(find_programs())
    return bcc


def compile_method(
    bcc: Any, method: AttachMethod, test: PrivilegeTest, settings: Settings
) -> Any:
    """
    Compile the sources of *method* and *test*, and create their maps.

    Raises:
        Exception: bcc failed; clang's or the kernel's message is on stderr.
    """
    macros = arguments_macros() | {
        "MAX_ENTRIES": settings.max_entries,
        "MAX_USER_ENTRIES": settings.max_user_entries,
        "MAX_WATCH_ENTRIES": MAX_WATCH_ENTRIES,
        **test.offsets,
    }
    if settings.container:
        macros["CONTAINER"] = 1
    return compile_parts(bcc, (test.source, *COUNTING, *method.sources), macros)


def arguments_macros() -> dict[str, int]:
    """Return the macros of the parts that unpack the arguments of calls."""
    macros = {"COMPAT_WORD_OFFSET": compat_word_offset()}
    return macros | ({"COMPAT": 1} if has_compat() else {})


def compile_parts(bcc: Any, sources: Iterable[str], macros: Mapping[str, int]) -> Any:
    """
    Compile the parts named *sources* with *macros*, and create their maps.

    bcc also loads and attaches all fentry and fexit programs of the parts.

    Raises:
        Exception: bcc failed; clang's or the kernel's message is on stderr.
    """
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    return bcc.BPF(text=join_sources(sources), cflags=[f"-I{find_programs()}", *flags])


@cache
def has_compat() -> bool:
    """Return whether the running kernel serves fanotify_mark(2) to 32-bit programs."""
    symbols = Path("/proc/kallsyms").read_text()
    return re.search(rf"\s{COMPAT_MARK}\s", symbols) is not None


def compat_word_offset() -> int:
    """
    Return the offset of the member of thread_info that marks a compat call, in bytes.

    Linux 5.11 moved thread_info.status of x86 (3136b93c3fb2).
    """
    if os.uname().machine == "aarch64":
        return 0
    return 16 if kernel_version() >= (5, 11) else 8


def llvm_version() -> str:
    """Return the version of the libLLVM that bcc loaded into this process."""
    found = re.search(
        r"libLLVM[-.](?:so\.)?([\d.]*\d)", Path("/proc/self/maps").read_text()
    )
    return found[1] if found else "unknown"
