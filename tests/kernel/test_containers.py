"""With --label.container, calls are counted by cgroup; the tests use a real cgroup."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.procfs.mounts import read_mounted
from fanotify_exporter.system.cgroups import Cgroups
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Load
from tools.harness.plans import ADD, OPEN, every_bit_and_pair


ID = "c0ffee" * 10 + "0123"


@pytest.fixture(scope="module")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the mount point of cgroup v2; mount it if the host has not."""
    mounted = read_mounted("cgroup2")
    if mounted:
        yield Path(mounted[0])
        return
    folder = tmp_path_factory.mktemp("cgroup")
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def container(hierarchy: Path) -> Iterator[Path]:
    """Create a cgroup with a name as containerd gives it."""
    folder = hierarchy / f"cri-containerd-{ID}.scope"
    folder.mkdir()
    yield folder
    folder.rmdir()


def inside(cgroup: Path) -> list[str]:
    """Return a command prefix that runs the command in *cgroup*."""
    enter = f'echo $$ >{cgroup}/cgroup.procs && exec "$@"'
    return ["sh", "-c", enter, "sh"]


@pytest.mark.any_hook
def test_calls_by_cgroup(
    load: Load, caller: Caller, hierarchy: Path, container: Path
) -> None:
    """Equal calls from inside and outside of a container are counted separately."""
    counts = load(8192, container=True)
    cgroups = Cgroups(hierarchy)
    cgroups.walk()

    caller.run([(ADD, OPEN, 23)], "both")
    caller.run([(ADD, OPEN, 29)], "both", wrap=inside(container))
    by_container: Counter[tuple[str, str]] = Counter()
    for call in counts.read().calls["fanotify_mark"]:
        if call.comm == "both":
            by_container[cgroups(call.cgroup)] += call.count

    path = f"/{container.relative_to(hierarchy)}"
    within = by_container.pop((path, ID))
    ((other, outside),) = by_container.items()
    missing = counts.missing(23 + 29, within + outside)
    assert 29 - missing <= within <= 29
    assert 23 - missing <= outside <= 23
    assert "" == other[1]


@pytest.mark.any_hook
def test_exact_with_cgroups(load: Load, caller: Caller, container: Path) -> None:
    """Keys with a cgroup have each flag and mask bit too."""
    counts = load(8192, container=True)

    made = caller.run(every_bit_and_pair(), "bits", wrap=inside(container))

    counts.agree(made, "bits")
