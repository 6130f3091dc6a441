"""Scrapes show existing groups and marks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.listeners import installed, listening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, Exporter, samples, serving


pytestmark = pytest.mark.whole_host

# Deadline for a change to show. An idle machine needs less than 3 s.
SECONDS = 20.0

# Numbers of groups under (), and of marks under (mark_type, blocking).
Shown = dict[tuple[str, ...], float]


@pytest.fixture
def scanning(tmp_path: Path) -> Iterator[Exporter]:
    """Start an exporter that looks for groups every second."""
    log = tmp_path / "exporter.log"
    with serving(log, LISTEN, "--collector.groups.interval=1s") as exporter:
        yield exporter


def shown(exporter: Exporter, comm: str) -> Shown:
    """Scrape, and return the groups and marks of *comm*."""
    text = exporter.get().body.decode()
    return {
        tuple(
            sample.labels[name]
            for name in ("mark_type", "blocking")
            if name in sample.labels
        ): sample.value
        for family in ("fanotify_groups", "fanotify_marks")
        for sample in samples(text, family)
        if sample.labels["comm"] == comm
    }


def await_shown(exporter: Exporter, comm: str, expected: Shown) -> Shown:
    """Scrape until *expected* is shown, but not longer than SECONDS."""
    return poll(
        lambda: shown(exporter, comm), lambda got: got == expected, seconds=SECONDS
    )


def test_permission_listener(scanning: Exporter, tmp_path: Path) -> None:
    """A listener's group and its marks, blocking or not, show while it runs only."""
    for name in ("permission", "notification"):
        (tmp_path / name).touch()
    expected: Shown = {(): 1, ("inode", "true"): 1, ("inode", "false"): 1}
    with listening(
        """
        group = init(CONTENT)
        mark(group, ADD, OPEN_PERM, "permission")
        mark(group, ADD, OPEN, "notification")
        fork()
        """,
        folder=str(tmp_path),
    ) as listener:
        assert await_shown(scanning, listener.comm, expected) == expected
    assert await_shown(scanning, listener.comm, {}) == {}


def test_fatrace(scanning: Exporter, tmp_path: Path) -> None:
    """Fatrace shows while it runs only."""
    expected: Shown = {(): 1, ("filesystem", "false"): 1}
    options = ("--current-mount", "--command=nobody")
    with installed("fatrace", *options, folder=tmp_path) as program:
        seen = program.shows(lambda: shown(scanning, program.comm), expected, SECONDS)
        assert seen == expected
    assert await_shown(scanning, program.comm, {}) == {}


def test_users_and_limits(scanning: Exporter) -> None:
    """Groups and marks of a user and the limits of the kernel are exact."""
    with listening(
        "os.seteuid(61_234); group = init(FID); mark(group, ADD, OPEN, '/')"
    ) as listener:
        assert await_shown(scanning, listener.comm, {(): 1, ("inode", "false"): 1})
        text = scanning.get().body.decode()
    by_user = {
        name: {each.labels["uid"]: each.value for each in samples(text, name)}
        for name in ("fanotify_user_groups", "fanotify_user_marks")
    }
    assert [1, 1] == [users["61234"] for users in by_user.values()]
    for file, name in (
        ("max_user_groups", "fanotify_user_groups_limit"),
        ("max_user_marks", "fanotify_user_marks_limit"),
    ):
        limit = Path("/proc/sys/fs/fanotify", file).read_text()
        assert [float(limit)] == [each.value for each in samples(text, name)]


def test_no_procfs(tmp_path: Path) -> None:
    """When the procfs is gone the groups collector fails; the others work."""
    log, procfs = tmp_path / "exporter.log", tmp_path / "proc"
    (procfs / "1").mkdir(parents=True)
    (procfs / "self").symlink_to("1")
    with serving(log, LISTEN, f"--path.procfs={procfs}") as exporter:
        shutil.rmtree(procfs)
        text = poll(
            lambda: str(exporter.get().body, "utf-8"),
            lambda text: 'success{collector="groups"} 0' in text,
        )
    assert 'fanotify_exporter_collector_success{collector="groups"} 0.0' in text
    assert 'fanotify_exporter_collector_success{collector="mark_calls"} 1.0' in text
    assert samples(text, "fanotify_groups") == []
