"""Command prefixes that run another command with fewer privileges or mounts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tools.harness.serving import SCRIPT


AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")

TRACEFS = "/sys/kernel/tracing"
PRIVATE_MOUNTS = ("unshare", "--mount", "--propagation=private", "sh", "-ec")

# Run a command with tracefs mounted. If the host has no tracefs, only this command sees
# the mount.
WITH_TRACEFS = (
    *PRIVATE_MOUNTS,
    f'mountpoint -q {TRACEFS} || mount -t tracefs tracefs {TRACEFS}; exec "$@"',
    "sh",
)

HIDE_TRACEFS = f"""\
while mountpoint -q {TRACEFS}; do umount --lazy {TRACEFS}; done
mount -t tmpfs tmpfs {TRACEFS}
exec "$@"
"""

# Run a command that sees an empty folder in place of tracefs.
WITHOUT_TRACEFS = (*PRIVATE_MOUNTS, HIDE_TRACEFS, "sh")


def capabilities(only: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a prefix: root with no capabilities except *only*."""
    kept = ",".join(["-all", *(f"+{name}" for name in only)])
    return ("setpriv", f"--bounding-set={kept}", "--inh-caps=-all")


def without_capability(name: str) -> tuple[str, ...]:
    """Return a prefix: root with all capabilities except *name*."""
    return ("setpriv", f"--bounding-set=-{name}")


def nobody() -> tuple[str, ...]:
    """
    Return a prefix: user nobody without capabilities.

    If nobody cannot read the checkout, for example below a private home directory,
    the command keeps CAP_DAC_READ_SEARCH. Otherwise the exporter could not start.
    """
    started = subprocess.run(
        [*AS_NOBODY, SCRIPT, "--version"], capture_output=True, check=False
    )
    return AS_NOBODY if started.returncode == 0 else (*AS_NOBODY, *READ_ALL)
