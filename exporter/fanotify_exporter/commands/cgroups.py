"""Find the cgroup v2 hierarchy, and start the thread that reads its names."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fanotify_exporter.procfs.mounts import read_mounted


if TYPE_CHECKING:
    from fanotify_exporter.system.cgroups import Cgroups


log = logging.getLogger(__name__)


def find_cgroup_root() -> Path | None:
    """Return where cgroup v2 is mounted; warn and return None if it is not."""
    roots = read_mounted("cgroup2")
    if not roots:
        log.warning(
            "no cgroup v2 hierarchy is mounted: the labels cgroup and container_id "
            "stay empty"
        )
        return None
    return Path(roots[0])


def start_cgroups(root: Path | None, stack: ExitStack) -> Cgroups:
    """Start the thread that reads the names of cgroups. *stack* stops the thread."""
    from fanotify_exporter.system.cgroups import Cgroups  # noqa: PLC0415  70 KB that serving without the labels saves

    cgroups = Cgroups(root)
    cgroups.start()
    stack.callback(cgroups.stop)
    return cgroups
