"""Commands to put before another, that take from it what root has here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tools.harness.serving import SCRIPT


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")

TRACEFS = "/sys/kernel/tracing"
PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation=private", "sh", "-ec")

WITH_TRACEFS = (
    *PRIVATE_MOUNTS,
    f'mountpoint -q {TRACEFS} || mount -t tracefs tracefs {TRACEFS}; exec "$@"',
    "sh",
)
"""tracefs is mounted, for this command only if the host has none."""

HIDE_TRACEFS = f"""\
while mountpoint -q {TRACEFS}; do umount --lazy {TRACEFS}; done
mount -t tmpfs tmpfs {TRACEFS}
exec "$@"
"""

WITHOUT_TRACEFS = (*PRIVATE_MOUNTS, HIDE_TRACEFS, "sh")
"""An empty folder is where tracefs may be on the host."""


def capabilities(only: Sequence[str] = ()) -> tuple[str, ...]:
    """Root with no capabilities but *only*."""
    kept = ",".join(["-all", *(f"+{name}" for name in only)])
    return ("setpriv", f"--bounding-set={kept}", "--inh-caps=-all")


def without_capability(name: str) -> tuple[str, ...]:
    """Root with all capabilities but one."""
    return ("setpriv", f"--bounding-set=-{name}")


def nobody() -> tuple[str, ...]:
    """
    Become a user without any privilege.

    Where this user cannot read the checkout, as below a closed home, it keeps
    the one capability to read files, so that the exporter starts at all.
    """
    started = subprocess.run(
        [*NOBODY, SCRIPT, "--version"], capture_output=True, check=False
    )
    return NOBODY if started.returncode == 0 else (*NOBODY, *READ_ALL)
