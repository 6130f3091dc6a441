"""Folders of this machine that a guest mounts, each served by a virtiofsd process."""

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


# Debian installs virtiofsd outside of PATH: in /usr/libexec from the package virtiofsd
# (Rust), in /usr/lib/qemu from qemu-system-common up to bookworm (C).
DAEMONS = ("virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")
# Time for virtiofsd to create its socket, on a busy machine.
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Share:
    """
    The folder *source* of this machine, mounted at *place* in the guest.

    Unless the share is *writable*, writes of the guest stay in the guest's memory.
    """

    tag: str
    source: Path
    place: str
    writable: bool = False

    @property
    def table_line(self) -> str:
        """Return the line of the share in the table that `init.sh` reads."""
        return f"{self.tag} {'rw' if self.writable else 'ro'} {self.place}\n"


@asynccontextmanager
async def served(share: Share, folder: Path) -> AsyncIterator[Path]:
    """Serve *share* during the block; yield the path of the socket, in *folder*."""
    socket = folder / f"{share.tag}.socket"
    log = folder / f"{share.tag}.log"
    async with running(*daemon_command(share, socket), log=log) as daemon:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not socket.exists():
            late = asyncio.get_running_loop().time() > deadline
            if late or daemon.returncode is not None:
                output = log.read_text(errors="replace").strip()
                raise GuestError(f"virtiofsd for {share.source}: {output}")
            await asyncio.sleep(0.02)
        yield socket


def daemon_command(share: Share, socket: Path) -> list[str]:
    """Return the command line of the installed virtiofsd."""
    daemon, is_rust = find_daemon()
    # The guest may cache a read-only share for ever. Of a writable share, the files
    # must reach this machine.
    caching = "auto" if share.writable else "always"
    command = [daemon, f"--socket-path={socket}"]
    if is_rust:
        return [
            *command,
            f"--shared-dir={share.source}",
            "--sandbox=chroot",
            # The overlay on the share does not cross mount points, so the share must
            # have none.
            "--no-announce-submounts",
            f"--cache={caching}",
        ]
    return [*command, "-o", f"source={share.source},sandbox=chroot,cache={caching}"]


@cache
def find_daemon() -> tuple[str, bool]:
    """Return the path of virtiofsd, and whether the program is the Rust version."""
    found = next(filter(None, map(shutil.which, DAEMONS)), None)
    if not found:
        raise GuestError(
            "virtiofsd not found: install the packages of tools/packages/vm.txt"
        )
    usage = subprocess.run(
        [found, "--help"], capture_output=True, text=True, check=False
    )
    return found, "--shared-dir" in usage.stdout
