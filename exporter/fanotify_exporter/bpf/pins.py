"""
Pin the programs in a bpffs, so that they count while no exporter runs.

DIR/IDENTITY/ holds a pin for each descriptor that the loader child handed over, and a
pin for a map with the description of the programs. The map is pinned last, so pins
without a description are the rest of an interrupted start. A start with another
IDENTITY loads new programs, and removes the old pins when the new programs count.
The programs that count calls and those that count permission waits have an IDENTITY
each.

All work is below the descriptor of the folder that was checked.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from fanotify_exporter.bpf.loaded import LoadedPrograms, describe, parse
from fanotify_exporter.bpf.syscall import create_shared_array, get_pinned, pin
from fanotify_exporter.errors import PinError
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.mounts import read_mounted


DESCRIPTION = "description"

# A description is about 3,000 bytes long.
DESCRIPTION_BYTES = 1 << 16

# Permission bits that a folder of pins must not have.
_FOREIGN_ACCESS = stat.S_IRWXG | stat.S_IRWXO

Loaded = TypeVar("Loaded", bound=LoadedPrograms)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PinFolder:
    """
    An open and locked folder of pins.

    Attributes:
        path: the path that the user named.
        fd: a descriptor of the folder.
    """

    path: Path
    fd: int

    @property
    def held(self) -> Path:
        """
        Return a path of the open folder.

        This path leads to the same folder after another process has put a folder or a
        link in its place. BPF_OBJ_PIN and BPF_OBJ_GET take a descriptor of a folder
        only since Linux 6.5.
        """
        return PROC / f"self/fd/{self.fd}"


@contextmanager
def locked(directory: Path) -> Iterator[PinFolder]:
    """
    Create *directory* if missing, and lock the folder against a second exporter.

    Raises:
        PinError: the folder is in no bpffs, cannot be created, belongs to another user
            or is open to other users, or is locked.
    """
    try:
        fd = _open(directory)
    except OSError as error:
        raise PinError(f"cannot use {directory} for pins: {error.strerror}") from error
    try:
        _require_bpffs(directory, fd)
        _require_private(directory, os.fstat(fd))
        _lock(directory, fd)
        yield PinFolder(directory, fd)
    finally:
        os.close(fd)


def _open(directory: Path) -> int:
    """Return a descriptor of *directory*, which is created in a bpffs if missing."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    parent = os.open(directory.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with suppress(FileNotFoundError):
            return os.open(directory.name, flags, dir_fd=parent)
        _require_bpffs(directory, parent)
        os.mkdir(directory.name, 0o700, dir_fd=parent)
        return os.open(directory.name, flags, dir_fd=parent)
    finally:
        os.close(parent)


def _require_bpffs(directory: Path, fd: int) -> None:
    """Raise PinError if the folder *fd* is in no bpffs."""
    devices = set()
    for mounted in read_mounted("bpf"):
        with suppress(OSError):  # a mount that this process may not see
            devices.add(Path(mounted).stat().st_dev)
    if os.fstat(fd).st_dev not in devices:
        raise PinError(
            f"{directory} is in no bpffs. Mount a bpffs (mount -t bpf bpf /sys/fs/bpf) "
            "and name a folder in the bpffs"
        )


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
    folder: PinFolder, identity: str, load: Callable[[], Loaded]
) -> Loaded:
    """
    Return the programs pinned in *folder* as *identity*, or load and pin them.

    Raises:
        LoadError: *load* failed.
        PinError: the kernel refuses to open the pins, or to pin the programs.
    """
    adopted = _adopt(folder, identity)
    if adopted:
        return cast("Loaded", adopted)  # an identity is of one set of programs
    loaded = load()
    try:
        _pin_programs(folder, identity, loaded)
    except PinError:
        # The programs are detached.
        for fd in loaded.fds.values():
            os.close(fd)
        raise
    return loaded


def remove_others(folder: PinFolder, identities: Collection[str]) -> None:
    """Remove the pins in *folder* of programs that are not in *identities*."""
    for other in _list_pinned(folder):
        if other not in identities:
            shutil.rmtree(folder.held / other)
            pins = str(folder.path / other)
            log.info("replaced pinned programs", extra={"pins": pins})


def unpin(folder: PinFolder) -> int:
    """Remove the exporter's pins from *folder*; return the number of identities."""
    pinned = _list_pinned(folder)
    for each in pinned:
        shutil.rmtree(folder.held / each)
    return len(pinned)


def _list_pinned(folder: PinFolder) -> list[str]:
    """Return the identities of the programs that are pinned in *folder*."""
    names = [path.name for path in folder.held.iterdir()]
    return [name for name in names if re.fullmatch("[0-9a-f]{16}", name)]


def _adopt(folder: PinFolder, identity: str) -> LoadedPrograms | None:
    """Return the programs pinned in *folder* as *identity*, None if there are none."""
    own, name = folder.held / identity, folder.path / identity
    if not (own / DESCRIPTION).exists():
        return None
    number = len(list(own.glob("fd*")))
    try:
        fds = [get_pinned(own / f"fd{each}") for each in range(number)]
        description = _read_description(own / DESCRIPTION)
    except OSError as error:
        raise PinError(
            f"cannot open the pins in {name}: {error.strerror}. Run the exporter as "
            "root or give it CAP_BPF; 'fanotify-exporter unpin' removes the pins"
        ) from error
    loaded = parse(description, fds)
    log.info("adopted pinned programs", extra={"pins": str(name)})
    return loaded


def _pin_programs(folder: PinFolder, identity: str, loaded: LoadedPrograms) -> None:
    own = folder.held / identity
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
            f"cannot pin the programs in {folder.path / identity}: {error.strerror}. "
            "Pins of tracepoints and kprobes need Linux 5.15; start without --bpf.pin"
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
