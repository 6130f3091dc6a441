"""The files that make the BPF programs what they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path


def bpf_folder() -> Path:
    """Return the folder of fanotify.bpf.c: in the package, or beside it in a clone."""
    package = Path(__file__).parents[1]
    return next(
        folder
        for folder in (package / "bpf/programs", package.parents[1] / "bpf")
        if (folder / "fanotify.bpf.c").is_file()
    )


def identity(*settings: object) -> str:
    """
    Return 16 hex digits that change with whatever changes the programs.

    That is our own files, bcc's version, the running kernel and *settings*.
    """
    digest = sha256(repr((os.uname(), settings)).encode())
    for path in _files():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _files() -> Iterator[Path]:
    yield from sorted(path for path in bpf_folder().rglob("*") if path.is_file())
    package = Path(__file__).parents[1]
    yield from sorted((package / "loader").glob("*.py"))
    yield from (package / "bpf/syscall.py", package / "system/syscalls.py")
    bcc = find_spec("bcc")
    version = Path(bcc.origin).with_name("version.py") if bcc and bcc.origin else None
    if version and version.is_file():
        yield version
