"""
Programs that go on counting while no exporter runs: pinned in a bpffs, and adopted.

DIR/IDENTITY/ holds a pin for each descriptor that a loader child handed over and,
made last, one for a map with their description. What changes the programs changes
IDENTITY; then new ones are loaded, and the old ones go when those count.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fanotify_exporter.bpf.loaded import LoadedPrograms, describe, parse
from fanotify_exporter.bpf.syscall import create_shared_array, get_pinned, pin
from fanotify_exporter.errors import PinError
from fanotify_exporter.procfs.mounts import read_mounted


DESCRIPTION = "description"
DESCRIPTION_BYTES = 1 << 16
OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger(__name__)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """
    Make *directory*, for its owner alone, and hold it against a second exporter.

    Raises:
        PinError: it is in no bpffs, cannot be made, is not ours alone, or is held.
    """
    if not any(directory.resolve().is_relative_to(m) for m in read_mounted("bpf")):
        raise PinError(
            f"{directory} is in no bpffs. Mount one (mount -t bpf bpf /sys/fs/bpf) and "
            "name a folder in it"
        )
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise PinError(f"cannot use {directory} for pins: {error.strerror}") from error
    try:
        _need_own(directory, os.fstat(held))
        _lock(directory, held)
        yield
    finally:
        os.close(held)


def _lock(directory: Path, held: int) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PinError(
            f"another exporter uses the pins in {directory}. Stop it, or give this one "
            "a directory of its own"
        ) from None


def _need_own(directory: Path, status: os.stat_result) -> None:
    """Refuse a folder that someone else made: who may write to it can unpin."""
    if status.st_uid != os.geteuid() or status.st_mode & OTHERS:
        raise PinError(
            f"{directory} belongs to another user or lets others in. Remove it, or "
            "name a folder that is not there yet"
        )


def adopt_or_load(
    directory: Path, identity: str, load: Callable[[], LoadedPrograms]
) -> LoadedPrograms:
    """
    Return the programs pinned in *directory* as *identity*, else pin what *load* loads.

    Raises:
        LoadError: *load* did.
        PinError: the kernel cannot pin what was loaded.
    """
    own = directory / identity
    adopted = _adopt(own)
    loaded = adopted or load()
    if not adopted:
        _pin(own, loaded)
    for other in _pinned(directory):
        if other != own:
            log.info("replaced pinned programs", extra={"pins": str(other)})
            shutil.rmtree(other)
    return loaded


def unpin(directory: Path) -> int:
    """Remove our pins from *directory*; return how many sets of programs went."""
    pinned = list(_pinned(directory))
    for each in pinned:
        shutil.rmtree(each)
    return len(pinned)


def _pinned(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if re.fullmatch("[0-9a-f]{16}", path.name):
            yield path


def _adopt(own: Path) -> LoadedPrograms | None:
    if not (own / DESCRIPTION).exists():
        return None
    number = len(list(own.glob("fd*")))
    fds = [get_pinned(own / f"fd{each}") for each in range(number)]
    loaded = parse(_read_description(own / DESCRIPTION), fds)
    log.info("adopted pinned programs", extra={"pins": str(own)})
    return loaded


def _pin(own: Path, loaded: LoadedPrograms) -> None:
    if own.exists():  # a start that was cut off
        shutil.rmtree(own)
    try:
        own.mkdir(mode=0o700)
        for number, fd in enumerate(loaded.fds.values()):
            pin(own / f"fd{number}", fd)
        _write_description(own / DESCRIPTION, describe(loaded))
    except OSError as error:
        shutil.rmtree(own, ignore_errors=True)
        raise PinError(
            f"cannot pin the programs in {own}: {error.strerror}. Tracepoints and "
            "kprobes need Linux 5.15 for it; start without --bpf.pin"
        ) from error


def _write_description(path: Path, text: bytes) -> None:
    """Pin a map that holds *text*; a bpffs has no plain files."""
    fd = create_shared_array(DESCRIPTION_BYTES)
    with mmap.mmap(fd, DESCRIPTION_BYTES) as memory:
        memory[: len(text)] = text
    pin(path, fd)
    os.close(fd)


def _read_description(path: Path) -> bytes:
    fd = get_pinned(path)
    with mmap.mmap(fd, DESCRIPTION_BYTES, prot=mmap.PROT_READ) as memory:
        text = bytes(memory).rstrip(b"\0")
    os.close(fd)
    return text
