"""Compile the C programs of the tests statically, for this machine and for guests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory


SOURCE = Path(__file__).with_name("caller.c")
CACHE = Path(__file__).parents[2] / ".cache/caller"
OPTIONS = ("-O2", "-Wall", "-Werror", "-pthread", "-static")
NATIVE = os.uname().machine

# The 32-bit machine whose programs this kernel may run.
COMPAT = "arm" if NATIVE == "aarch64" else "i386"
COMPILERS = {"i386": ("gcc", "-m32"), "arm": ("arm-linux-gnueabihf-gcc",)}


def program(
    machine: str,
    compiler: Sequence[str] | None = None,
    root: Path = Path("/"),
    *,
    sources: Sequence[Path] = (SOURCE,),
) -> Path:
    """
    Return the program of *sources* for *machine*, compiled or from the cache.

    Args:
        machine: as uname(1) names the machine, or a value of COMPAT.
        compiler: command of a C compiler; by default the host's.
        root: root folder of the compiler, if the compiler runs in a chroot.
        sources: C files, joined to one before compiling; by default caller.c.

    Raises:
        FileNotFoundError: the compiler is not installed.
    """
    source = b"".join(map(_located, sources))
    digest = sha256(source + repr(OPTIONS).encode()).hexdigest()[:16]
    built = CACHE / f"{machine}-{digest}"
    if not built.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [*(compiler or COMPILERS.get(machine, ("gcc",))), *OPTIONS]
        with TemporaryDirectory(dir=root / "tmp") as folder:
            output = Path(folder, "caller")
            command += ["-x", "c", "-", "-o", f"/{output.relative_to(root)}"]
            subprocess.run(command, input=source, check=True)
            copy(output, built)
    return built


def _located(source: Path) -> bytes:
    """Return the content of *source*, after its name for messages of the compiler."""
    return f'#line 1 "{source.name}"\n'.encode() + source.read_bytes()
