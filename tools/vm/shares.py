"""Folders of this machine that a guest sees, each served by a virtiofsd."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.vm.errors import GuestError
from tools.vm.processes import running


# Debian keeps the daemon out of PATH: first the package virtiofsd, in Rust, then
# the one that qemu-system-common carries up to bookworm, in C.
DAEMONS = ("virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Share:
    """
    *source* of this machine at *place* in the guest.

    Where it is not *writable*, what the guest writes there stays in its memory.
    """

    tag: str
    source: Path
    place: str
    writable: bool = False

    @property
    def table_line(self) -> str:
        """Return the line that `init.sh` reads."""
        return f"{self.tag} {'rw' if self.writable else 'ro'} {self.place}\n"


@asynccontextmanager
async def served(share: Share, folder: Path) -> AsyncIterator[Path]:
    """Serve *share* during the block, on the socket that this yields in *folder*."""
    socket = folder / f"{share.tag}.socket"
    log = folder / f"{share.tag}.log"
    async with running(*daemon_command(share, socket), log=log) as daemon:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not socket.exists():
            late = asyncio.get_running_loop().time() > deadline
            if late or daemon.returncode is not None:
                said = log.read_text(errors="replace").strip()
                raise GuestError(f"virtiofsd for {share.source}: {said}")
            await asyncio.sleep(0.02)
        yield socket


def daemon_command(share: Share, socket: Path) -> list[str]:
    """Return the command line of whichever virtiofsd is here."""
    daemon, is_rust = find_daemon()
    # What only we change may be cached for ever; what the guest writes, we read.
    caching = "auto" if share.writable else "always"
    command = [daemon, f"--socket-path={socket}"]
    if is_rust:
        return [
            *command,
            f"--shared-dir={share.source}",
            "--sandbox=chroot",
            # An overlay does not look into file systems mounted below its own.
            "--no-announce-submounts",
            f"--cache={caching}",
        ]
    return [*command, "-o", f"source={share.source},sandbox=chroot,cache={caching}"]


@cache
def find_daemon() -> tuple[str, bool]:
    """Return the path of virtiofsd, and whether it is the one in Rust."""
    found = next(filter(None, map(shutil.which, DAEMONS)), None)
    if not found:
        raise GuestError("no virtiofsd: install the packages of tools/packages/vm.txt")
    usage = subprocess.run(
        [found, "--help"], capture_output=True, text=True, check=False
    )
    return found, "--shared-dir" in usage.stdout
