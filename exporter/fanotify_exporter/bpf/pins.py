"""
Pin the programs in a bpffs, so that they count while no exporter runs.

DIR/IDENTITY/ holds a pin for each descriptor that the loader child handed over, and a
pin for a map with the description of the programs. The map is pinned last, so pins
without a description are the rest of an interrupted start. A start with another
IDENTITY loads new programs, and removes the old pins when the new programs count.
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

# A description is about 3,000 bytes long.
DESCRIPTION_BYTES = 1 << 16

# Permission bits that a folder of pins must not have.
_FOREIGN_ACCESS = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger(__name__)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """
    Create *directory* if missing, and lock the folder against a second exporter.

    Raises:
        PinError: the folder is in no bpffs, cannot be created, belongs to another user
            or is open to other users, or is locked.
    """
    if not any(directory.resolve().is_relative_to(m) for m in read_mounted("bpf")):
        raise PinError(
            f"{directory} is in no bpffs. Mount a bpffs (mount -t bpf bpf /sys/fs/bpf) "
            "and name a folder in the bpffs"
        )
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise PinError(f"cannot use {directory} for pins: {error.strerror}") from error
    try:
        _require_private(directory, os.fstat(fd))
        _lock(directory, fd)
        yield
    finally:
        os.close(fd)


def _lock(directory: Path, fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PinError(
            f"another exporter uses the pins in {directory}. Stop that exporter, or "
            "name another folder"
        ) from None


def _require_private(directory: Path, status: os.stat_result) -> None:
    """Raise PinError for a folder of another user, or open to other users."""
    if status.st_uid != os.geteuid() or status.st_mode & _FOREIGN_ACCESS:
        raise PinError(
            f"{directory} belongs to another user or is open to other users. Remove "
            "the folder, or name a folder that does not exist yet"
        )


def adopt_or_load(
    directory: Path, identity: str, load: Callable[[], LoadedPrograms]
) -> LoadedPrograms:
    """
    Return the programs pinned in *directory* as *identity*, or load and pin them.

    Raises:
        LoadError: *load* failed.
        PinError: the kernel refuses to open the pins, or to pin the programs.
    """
    own = directory / identity
    adopted = _adopt(own)
    loaded = adopted or load()
    if not adopted:
        _pin_programs(own, loaded)
    for other in _list_pinned(directory):
        if other != own:
            log.info("replaced pinned programs", extra={"pins": str(other)})
            shutil.rmtree(other)
    return loaded


def unpin(directory: Path) -> int:
    """Remove the exporter's pins from *directory*; return the number of identities."""
    pinned = list(_list_pinned(directory))
    for each in pinned:
        shutil.rmtree(each)
    return len(pinned)


def _list_pinned(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if re.fullmatch("[0-9a-f]{16}", path.name):
            yield path


def _adopt(own: Path) -> LoadedPrograms | None:
    """Return the programs pinned in the folder *own*, None if there are none."""
    if not (own / DESCRIPTION).exists():
        return None
    number = len(list(own.glob("fd*")))
    try:
        fds = [get_pinned(own / f"fd{each}") for each in range(number)]
        description = _read_description(own / DESCRIPTION)
    except OSError as error:
        raise PinError(
            f"cannot open the pins in {own}: {error.strerror}. Run the exporter as "
            "root or give it CAP_BPF; 'fanotify-exporter unpin' removes the pins"
        ) from error
    loaded = parse(description, fds)
    log.info("adopted pinned programs", extra={"pins": str(own)})
    return loaded


def _pin_programs(own: Path, loaded: LoadedPrograms) -> None:
    if own.exists():  # the rest of an interrupted start
        shutil.rmtree(own)
    try:
        own.mkdir(mode=0o700)
        for number, fd in enumerate(loaded.fds.values()):
            pin(own / f"fd{number}", fd)
        _pin_description(own / DESCRIPTION, describe(loaded))
    except OSError as error:
        shutil.rmtree(own, ignore_errors=True)
        raise PinError(
            f"cannot pin the programs in {own}: {error.strerror}. Pins of tracepoints "
            "and kprobes need Linux 5.15; start without --bpf.pin"
        ) from error


def _pin_description(path: Path, text: bytes) -> None:
    """Pin a map that holds *text*. A bpffs cannot hold plain files."""
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
