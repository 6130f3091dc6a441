"""Groups and marks that exist now, as a scrape shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.listeners import installed, listening
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, Exporter, samples, serving


pytestmark = pytest.mark.whole_host

SECONDS = 20.0
"""The promise is 2 s, on a machine that has time; no scan comes to help in these."""

Shown = dict[tuple[str, ...], float]


@pytest.fixture
def scanning(tmp_path: Path) -> Iterator[Exporter]:
    """Start an exporter that looks at every process now, and not again for an hour."""
    log = tmp_path / "exporter.log"
    with serving(log, LISTEN, "--collector.groups.interval=1h") as exporter:
        yield exporter


def shown(exporter: Exporter, comm: str) -> Shown:
    """Return what a scrape has about *comm*: groups under (), marks by kind."""
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


def soon(exporter: Exporter, comm: str, expected: Shown) -> Shown:
    """Scrape until *expected* is shown, as long as was promised."""
    return poll(
        lambda: shown(exporter, comm), lambda got: got == expected, seconds=SECONDS
    )


def test_permission_listener(scanning: Exporter, tmp_path: Path) -> None:
    """Its group, marks and which of them block show while it runs, and no longer."""
    for name in ("asked", "told"):
        (tmp_path / name).touch()
    expected: Shown = {(): 1, ("inode", "true"): 1, ("inode", "false"): 1}
    with listening(
        """
        group = init(CONTENT)
        mark(group, ADD, OPEN_PERM, "asked")
        mark(group, ADD, OPEN, "told")
        fork()
        """,
        folder=str(tmp_path),
    ) as listener:
        assert soon(scanning, listener.comm, expected) == expected
    assert soon(scanning, listener.comm, {}) == {}


def test_fatrace(scanning: Exporter, tmp_path: Path) -> None:
    """A program of others shows while it runs, and no longer."""
    expected: Shown = {(): 1, ("filesystem", "false"): 1}
    options = ("--current-mount", "--command=nobody")
    with installed("fatrace", *options, folder=tmp_path) as program:
        seen = program.shows(lambda: shown(scanning, program.comm), expected, SECONDS)
        assert seen == expected
    assert soon(scanning, program.comm, {}) == {}


def test_users_and_limits(scanning: Exporter) -> None:
    """What counts against a limit stands beside it, for the user who has it."""
    with listening(
        "group = init(); mark(group, ADD, OPEN, '/'); os.seteuid(61_234)"
    ) as listener:
        assert soon(scanning, listener.comm, {(): 1, ("inode", "false"): 1})
        text = scanning.get().body.decode()
    by_user = {
        name: {each.labels["uid"]: each.value for each in samples(text, name)}
        for name in ("fanotify_user_groups", "fanotify_user_marks")
    }
    assert [1, 1] == [users["61234"] for users in by_user.values()]
    for file, name in (
        ("max_user_groups", "fanotify_limit_user_groups"),
        ("max_user_marks", "fanotify_limit_user_marks"),
    ):
        limit = Path("/proc/sys/fs/fanotify", file).read_text()
        assert [float(limit)] == [each.value for each in samples(text, name)]


def test_no_procfs(tmp_path: Path) -> None:
    """With a wrong --path.procfs the groups are gone and the collector says so."""
    log = tmp_path / "exporter.log"
    with serving(log, LISTEN, f"--path.procfs={tmp_path}/none") as exporter:
        text = poll(
            lambda: str(exporter.get().body, "utf-8"),
            lambda text: 'success{collector="groups"} 0' in text,
        )
        assert "is another pid namespace's" in exporter.process.line("descriptors")
    assert 'fanotify_exporter_collector_success{collector="groups"} 0.0' in text
    assert 'fanotify_exporter_collector_success{collector="mark_calls"} 1.0' in text
    assert samples(text, "fanotify_groups") == []
