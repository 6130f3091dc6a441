"""--label.container and --label.drop in the installed program."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from tools.harness import caller
from tools.harness.caller import Calls
from tools.harness.cgroup2 import hierarchy
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, SCRIPT, Exporter, serving


ID = "5eed" * 16
COMM = f"e2e-lab-{os.getpid()}"
FAILING = Calls(COMM.encode(), 0x180, 0, 23, errno.EBADF)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Path]:
    """Make a cgroup named like Docker's."""
    with hierarchy(tmp_path) as root:
        folder = root / f"docker-{ID}.scope"
        folder.mkdir()
        yield folder
        if folder.exists():
            folder.rmdir()


def series(exporter: Exporter, total: int) -> list[Sample]:
    """Scrape until COMM has *total* calls; return its series."""
    return poll(
        lambda: [
            sample
            for sample in exporter.samples("fanotify_mark_calls_total")
            if sample.labels.get("comm", COMM) == COMM
        ],
        lambda got: sum(sample.value for sample in got) >= total,
    )


def test_container(container: Path, tmp_path: Path) -> None:
    """Calls of a container keep its id after its end; other calls have an empty id."""
    enter = ["sh", "-c", f'echo $$ >{container}/cgroup.procs && exec "$@"', "sh"]
    arguments = (LISTEN, "--label.container")
    with serving(tmp_path / "exporter.log", *arguments) as exporter:
        caller.make(tmp_path, FAILING, prefix=enter)
        caller.make(tmp_path, FAILING)
        container.rmdir()
        found = {
            (sample.labels["cgroup"], sample.labels["container_id"]): sample.value
            for sample in series(exporter, 46)
        }

    assert 23 == found.pop((f"/docker-{ID}.scope", ID))
    assert [23] == list(found.values())
    assert {""} == {container_id for _, container_id in found}


def test_dropped_labels(tmp_path: Path) -> None:
    """Series that differ only in dropped labels are merged into their sum."""
    other = Calls(COMM.encode(), 0x180, 0x20, 19, errno.EBADF)
    arguments = (LISTEN, "--label.drop=flags,mask")
    with serving(tmp_path / "exporter.log", *arguments) as exporter:
        caller.make(tmp_path, FAILING, other)
        (only,) = series(exporter, 42)

    assert {"comm": COMM, "action": "flush", "mark_type": "filesystem"} == only.labels
    assert 42 == only.value


def test_a_label_that_cannot_be_dropped() -> None:
    """Labels that alerts need cannot be dropped; the error lists the others."""
    done = subprocess.run(
        [SCRIPT, "--label.drop=errno"], capture_output=True, check=False
    )

    assert 2 == done.returncode
    assert b"'errno' is not one of comm, flags, mask, event_f_flags" in done.stderr
