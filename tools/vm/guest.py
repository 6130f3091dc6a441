"""One QEMU guest: boot a kernel on shared folders, run a job, return its files."""

import asyncio
import shutil
import signal
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.vm import initramfs
from tools.vm.errors import GuestError
from tools.vm.kernels import Kernel
from tools.vm.processes import running
from tools.vm.shares import Share, served


RESULTS = "/run/results"
CONSOLE = "console.log"
# norandmaps: QEMU reuses the translation of a program that runs at the same addresses
# again. Without address randomisation, loading BPF programs takes a third less time.
KERNEL_COMMAND_LINE = "quiet loglevel=4 panic=-1 norandmaps"
# Of a guest that stalls.
STILL_SECONDS, MOVING_SECONDS = 0.3, 0.2


@dataclass(frozen=True, slots=True)
class Emulator:
    """The QEMU program of an architecture, and the name of its serial console."""

    program: str
    options: tuple[str, ...]
    console: str


EMULATORS = {
    "amd64": Emulator("qemu-system-x86_64", ("-cpu", "max"), "ttyS0"),
    "arm64": Emulator(
        "qemu-system-aarch64",
        # pauth-impdef: the architected algorithm of pointer authentication takes
        # several times longer to emulate.
        ("-machine", "virt", "-cpu", "max,pauth-impdef=on"),
        "ttyAMA0",
    ),
}


@dataclass(frozen=True, slots=True)
class Guest:
    """
    A machine to boot.

    Attributes:
        architecture: Debian's name of the architecture.
        kernel: the kernel to boot.
        root: folder of this machine that is `/` in the guest.
        busybox: a static busybox for the initramfs.
        shares: more folders of this machine.
        command_line: additional kernel parameters, such as `preempt=full`.
        processors: number of virtual processors.
        megabytes: size of the memory.
        counts_instructions: the clock of the guest counts instructions, one in each
            nanosecond, so that other work of this machine changes no measured time.
        stalls: the guest stands still for STILL_SECONDS after each MOVING_SECONDS, as
            on a host that has too few processors.
    """

    architecture: str
    kernel: Kernel
    root: Path
    busybox: Path
    shares: tuple[Share, ...] = ()
    command_line: str = ""
    processors: int = 2
    megabytes: int = 1024
    counts_instructions: bool = False
    stalls: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The end of a job.

    Attributes:
        status: exit status of the job, None if the guest died or timed out.
        seconds: duration.
    """

    status: int | None
    seconds: float


async def run(
    guest: Guest, job: str, results: Path, *, limit_seconds: float
) -> Outcome:
    """
    Boot *guest*, run the shell script *job* in it, and wait for power-off.

    The folder *results* is `/run/results` in the guest, and gets a log of the console.
    A guest that runs longer than *limit_seconds* is killed.
    """
    started = time.monotonic()
    shares = (
        Share("root", guest.root, "/"),
        *guest.shares,
        Share("results", results, RESULTS, writable=True),
    )
    # The path of a Unix socket has at most 107 bytes, so the sockets of virtiofsd
    # cannot be in the checkout or in a long $TMPDIR.
    with tempfile.TemporaryDirectory(prefix="guest-", dir="/run") as name:
        folder = Path(name)
        write_initramfs(folder / "initramfs", guest, shares, job)
        await _boot(guest, shares, folder, results / CONSOLE, limit_seconds)
    return Outcome(_status(results / "status"), time.monotonic() - started)


def _status(path: Path) -> int | None:
    """Return the exit status that the guest wrote to *path*, None if it wrote none."""
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text else None


def write_initramfs(
    path: Path, guest: Guest, shares: Sequence[Share], job: str
) -> None:
    """Write an initramfs that mounts *shares* and runs *job* to *path*."""
    table = "".join(share.table_line for share in shares if share.place != "/")
    files = {"/shares": table, "/job": job}
    path.write_bytes(initramfs.build(guest.kernel, guest.busybox, files))


async def _boot(
    guest: Guest,
    shares: Sequence[Share],
    folder: Path,
    console: Path,
    limit_seconds: float,
) -> None:
    """Serve *shares* and run QEMU until it ends, or for *limit_seconds*."""
    async with AsyncExitStack() as stack:
        sockets = {
            share.tag: await stack.enter_async_context(served(share, folder))
            for share in shares
        }
        command = qemu_command(guest, folder / "initramfs", sockets)
        qemu = await stack.enter_async_context(running(*command, log=console))
        if guest.stalls:
            await stack.enter_async_context(stalling(qemu))
        with suppress(TimeoutError):  # leaving the stack ends the guest
            await asyncio.wait_for(qemu.wait(), limit_seconds)


@asynccontextmanager
async def stalling(process: Process) -> AsyncIterator[None]:
    """Stop *process* again and again during the block, and continue it at the end."""
    task = asyncio.create_task(_stall(process))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ProcessLookupError):
            await task
        with suppress(ProcessLookupError):  # the process has ended
            process.send_signal(signal.SIGCONT)


async def _stall(process: Process) -> None:
    while process.returncode is None:
        await asyncio.sleep(MOVING_SECONDS)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(STILL_SECONDS)
        process.send_signal(signal.SIGCONT)


def qemu_command(guest: Guest, initrd: Path, sockets: Mapping[str, Path]) -> list[str]:
    """
    Return the QEMU command line of *guest*, which has neither network nor disk.

    *sockets* maps the tag of a share to the socket of its virtiofsd.
    """
    emulator = EMULATORS[guest.architecture]
    if not shutil.which(emulator.program):
        raise GuestError(
            f"{emulator.program} not found: install the packages of "
            "tools/packages/vm.txt"
        )
    appended = f"console={emulator.console} {KERNEL_COMMAND_LINE} {guest.command_line}"
    memory = f"memory-backend-memfd,id=memory,size={guest.megabytes}M,share=on"
    command = [
        # One thread for all processors. With a thread for each, a guest of QEMU 7.2 may
        # execute kernel text while it is being patched, and panics (Oops: int3).
        *(emulator.program, *emulator.options, "-accel", "tcg,thread=single"),
        *("-smp", str(guest.processors), "-m", str(guest.megabytes)),
        *("-object", memory, "-machine", "memory-backend=memory"),
        *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(guest.kernel.image), "-initrd", str(initrd)),
        *("-append", appended),
        *(("-icount", "shift=0") if guest.counts_instructions else ()),
    ]
    for tag, socket in sockets.items():
        command += ["-chardev", f"socket,id={tag},path={socket}"]
        command += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
    return command
