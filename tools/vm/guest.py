"""One QEMU guest: boot a kernel on shared folders, run a job, bring its files back."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.vm import initramfs
from tools.vm.errors import GuestError
from tools.vm.kernels import Kernel
from tools.vm.processes import running
from tools.vm.shares import Share, served


RESULTS = "/run/results"
CONSOLE = "console.log"
# QEMU translates a program once if it is at the same addresses each time it runs:
# without randomised ones loading BPF programs takes a third less.
KERNEL_COMMAND_LINE = "quiet loglevel=4 panic=-1 norandmaps"


@dataclass(frozen=True, slots=True)
class Emulator:
    """The QEMU of an architecture, and the name of its serial console."""

    program: str
    options: tuple[str, ...]
    console: str


EMULATORS = {
    "amd64": Emulator("qemu-system-x86_64", ("-cpu", "max"), "ttyS0"),
    "arm64": Emulator(
        "qemu-system-aarch64",
        # The architected pointer authentication is several times slower to emulate.
        ("-machine", "virt", "-cpu", "max,pauth-impdef=on"),
        "ttyAMA0",
    ),
}


@dataclass(frozen=True, slots=True)
class Guest:
    """
    A machine to boot.

    *root* of this machine is its `/`; *command_line* goes to its kernel, such as
    `preempt=full`.
    """

    architecture: str
    kernel: Kernel
    root: Path
    busybox: Path
    shares: tuple[Share, ...] = ()
    command_line: str = ""
    processors: int = 2
    megabytes: int = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a job ended.

    *status* is its exit status, None where the guest died or was out of time.
    """

    status: int | None
    seconds: float


async def run(guest: Guest, job: str, results: Path, *, patience: float) -> Outcome:
    """
    Boot *guest*, run the shell script *job* in it, and wait for power-off.

    What the job writes to `/run/results` is in the folder *results* afterwards,
    and so is the guest's console. After *patience* seconds the guest is ended.
    """
    started = time.monotonic()
    shares = (
        Share("root", guest.root, "/"),
        *guest.shares,
        Share("results", results, RESULTS, writable=True),
    )
    with tempfile.TemporaryDirectory(prefix="guest-") as name:
        folder = Path(name)  # short: the path of a socket has at most 107 bytes
        write_initramfs(folder / "initramfs", guest, shares, job)
        await _boot(guest, shares, folder, results / CONSOLE, patience)
    return Outcome(_status(results / "status"), time.monotonic() - started)


def _status(path: Path) -> int | None:
    """Return the number that the guest wrote, if it came to that."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text else None


def write_initramfs(
    path: Path, guest: Guest, shares: Sequence[Share], job: str
) -> None:
    """Write the initramfs with the *job*, and the *shares* that it mounts on root."""
    table = "".join(share.table_line for share in shares if share.place != "/")
    files = {"/shares": table, "/job": job}
    path.write_bytes(initramfs.build(guest.kernel, guest.busybox, files))


async def _boot(
    guest: Guest,
    shares: Sequence[Share],
    folder: Path,
    console: Path,
    patience: float,
) -> None:
    """Serve *shares* and run QEMU until it ends, or for *patience* seconds."""
    async with AsyncExitStack() as stack:
        sockets = {
            share.tag: await stack.enter_async_context(served(share, folder))
            for share in shares
        }
        command = qemu_command(guest, folder / "initramfs", sockets)
        qemu = await stack.enter_async_context(running(*command, log=console))
        with suppress(TimeoutError):  # leaving the stack ends the guest
            await asyncio.wait_for(qemu.wait(), patience)


def qemu_command(guest: Guest, initrd: Path, sockets: Mapping[str, Path]) -> list[str]:
    """
    Return the QEMU command line; the guest has no network and no disk.

    *sockets* are those of the virtiofsd, by the tag of the share.
    """
    emulator = EMULATORS[guest.architecture]
    if not shutil.which(emulator.program):
        raise GuestError(f"no {emulator.program}: install tools/packages/vm.txt")
    appended = f"console={emulator.console} {KERNEL_COMMAND_LINE} {guest.command_line}"
    memory = f"memory-backend-memfd,id=memory,size={guest.megabytes}M,share=on"
    command = [
        # One thread for all processors: with one for each, a guest of QEMU 7.2 can
        # meet its own text patching half done and panics at boot (Oops: int3).
        *(emulator.program, *emulator.options, "-accel", "tcg,thread=single"),
        *("-smp", str(guest.processors), "-m", str(guest.megabytes)),
        *("-object", memory, "-machine", "memory-backend=memory"),
        *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(guest.kernel.image), "-initrd", str(initrd)),
        *("-append", appended),
    ]
    for tag, socket in sockets.items():
        command += ["-chardev", f"socket,id={tag},path={socket}"]
        command += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
    return command
