"""The registry of the enabled collectors, and the threads that it starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import (
    NO_PROGRAMS,
    LoadedCalls,
    LoadedEvents,
    LoadedPermission,
)
from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands import assemble, cgroups
from fanotify_exporter.commands.live_sources import LiveSources
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.waits import WaitScan
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.options.model import CollectorOptions, LabelOptions
from tools.harness import loaded_events
from tools.harness.exposition import encode_text
from tools.harness.loaded_permission import make_permission, pack_total
from tools.harness.loaded_programs import UNUSED, make_loaded, pack_slot
from tools.harness.permission_waits import SCAN


CALLS = CollectorOptions(frozenset({"mark_calls"}), None, Path("/proc"))
PROCFS = WaitSource("procfs", "no BTF")
LABELS = LabelOptions(container=False, dropped=frozenset())


class FixedScanner:
    """A scanner that always finds the same."""

    def __init__(self, scan: WaitScan) -> None:
        """Find *scan*."""
        self._scan = scan

    def poll(self) -> WaitScan:
        """Return the scan."""
        return self._scan

    def delay(self) -> float:
        """Return a time after the end of the test."""
        return 3600


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def loaded(memory: Callable[[bytes], int]) -> LoadedCalls:
    """Give empty maps in ordinary memory."""
    return make_loaded([UNUSED] * 2, max_entries=1, max_user_entries=1, share=memory)


@pytest.fixture
def permission(memory: Callable[[bytes], int]) -> LoadedPermission:
    """Give maps with one answered wait in ordinary memory."""
    total = pack_total(b"av", ends=(1, 0, 0, 0))
    return make_permission({0: total}, iterator_reason="no BTF", share=memory)


@pytest.fixture
def events(memory: Callable[[bytes], int]) -> LoadedEvents:
    """Give maps with seven queued and two dropped events in ordinary memory."""
    total = loaded_events.pack_total(b"av", outcomes=(7, 0, 2), unchecked=2)
    return loaded_events.make_events({0: total}, share=memory)


@pytest.fixture
def programs(
    loaded: LoadedCalls, permission: LoadedPermission, events: LoadedEvents
) -> Programs:
    """Give the programs of all sets that have maps."""
    return Programs(loaded, permission, events=events)


def build(
    programs: Programs,
    options: CollectorOptions,
    stack: ExitStack,
    labels: LabelOptions = LABELS,
    source: WaitSource | None = None,
) -> Registry:
    return assemble.assemble(
        programs, options, labels, stack, live=LiveSources(waits=source)
    ).registry


def enable(*names: str, procfs: Path = Path("/proc")) -> CollectorOptions:
    return CollectorOptions(frozenset(names), None, procfs)


@pytest.mark.parametrize("name", [each.name for each in CATALOG])
def test_only_enabled_collectors(
    programs: Programs, stack: ExitStack, name: str, tmp_path: Path
) -> None:
    """The registry has the enabled collectors, exporter_health and process."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1/mountinfo").touch()
    registry = build(programs, enable(name, procfs=tmp_path), stack)
    text = encode_text(registry.scrape().collect())
    for collector in (name, "exporter_health", "process"):
        success = f'collector_success{{collector="{collector}"}} 1.0\n'
        assert success in text.decode()
    assert 3 == text.count(b"fanotify_exporter_collector_success{")


def test_permission_programs(
    loaded: LoadedCalls, permission: LoadedPermission, stack: ExitStack
) -> None:
    """The counters of waits need no list of waiting tasks."""
    programs = Programs(loaded, permission)
    unseen = WaitSource("none", "hidden")
    registry = build(programs, enable("permission"), stack, source=unseen)
    text = encode_text(registry.scrape().collect()).decode()
    waits = 'fanotify_permission_waits_total{class="content",comm="av",end="answered"}'
    assert f"{waits} 1.0\n" in text
    assert "fanotify_permission_waiting_tasks{" not in text
    for programs_name in ("calls", "permission"):
        assert f'start_time_seconds{{programs="{programs_name}"}}' in text


def test_programs_of_events(events: LoadedEvents, stack: ExitStack) -> None:
    """The collector reads the maps, and the programs have a start time of their own."""
    registry = build(Programs(NO_PROGRAMS, events=events), enable("events"), stack)
    text = encode_text(registry.scrape().collect()).decode()
    assert 'fanotify_events_total{comm="av",outcome="dropped"} 2.0\n' in text
    assert 'unchecked_accesses_total{comm="av",reason="queue_full"} 2.0\n' in text
    assert 'start_time_seconds{programs="events"}' in text
    assert 'start_time_seconds{programs="calls"}' not in text


def test_waiting_tasks_without_programs(
    loaded: LoadedCalls, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without programs that count waits, /proc shows the waiting tasks."""
    monkeypatch.setattr(assemble, "WaitScanner", lambda *_, **__: FixedScanner(SCAN))
    assembled = assemble.assemble(
        Programs(loaded, permission_reason="no BTF"),
        enable("permission"),
        LABELS,
        stack,
        live=LiveSources(waits=PROCFS),
    )
    deadline = time.monotonic() + 30
    while not (shown := assembled.read_waits()) and time.monotonic() < deadline:
        pass
    assert shown
    assert shown.tasks
    text = encode_text(assembled.registry.scrape().collect()).decode()
    assert "fanotify_permission_waiting_tasks{" in text
    assert "fanotify_permission_waits_total{" not in text


def test_waiting_tasks_from_the_iterator(
    loaded: LoadedCalls,
    permission: LoadedPermission,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With an iterator, the tasks come from the iterator, and no group is scanned."""
    asked: list[object] = []

    def iterate(loaded: LoadedPermission) -> FixedScanner:
        asked.append(loaded)
        return FixedScanner(SCAN)

    monkeypatch.setattr(assemble, "WaitIterator", iterate)
    monkeypatch.setattr(assemble, "start_group_scan", asked.append)
    programs = Programs(loaded, replace(permission, iterator_reason=""))
    source = WaitSource("iterator")
    build(programs, enable("permission"), stack, source=source)
    assert [programs.permission] == asked


def test_one_scan_for_groups(
    loaded: LoadedCalls, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """groups, inotify and the scan of /proc for waiting tasks share one scan."""
    started: list[int] = []
    monkeypatch.setattr(BackgroundScan, "start", lambda _: started.append(1))
    monkeypatch.setattr(BackgroundScan, "stop", lambda _: None)
    collectors = enable("groups", "inotify", "permission")
    build(Programs(loaded), collectors, stack, source=PROCFS)
    assert 2 == len(started)


@pytest.mark.parametrize(
    ("enabled", "scans"), [("groups", 1), ("inotify", 1), ("limits", 0)]
)
def test_scans_that_collectors_need(
    loaded: LoadedCalls,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    enabled: str,
    scans: int,
) -> None:
    """A scan runs if groups or inotify is on, and no other collector starts one."""
    started: list[int] = []
    monkeypatch.setattr(BackgroundScan, "start", lambda _: started.append(1))
    monkeypatch.setattr(BackgroundScan, "stop", lambda _: None)
    build(Programs(loaded), enable(enabled, "mark_calls", "init_calls"), stack)
    assert scans == len(started)


@pytest.mark.parametrize("container", [True, False])
def test_cgroups_of_waiting_tasks(
    loaded: LoadedCalls,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    container: bool,
) -> None:
    """The scan of /proc reads cgroups if the labels show them."""
    roots: list[object] = []

    def make(*_: object, cgroup_root: Path | None) -> FixedScanner:
        roots.append(cgroup_root)
        return FixedScanner(SCAN)

    monkeypatch.setattr(assemble, "WaitScanner", make)
    monkeypatch.setattr(cgroups, "read_mounted", lambda _: [str(tmp_path)])
    labels = replace(LABELS, container=container)
    build(Programs(loaded), enable("permission"), stack, labels, PROCFS)
    assert [tmp_path if container else None] == roots


def test_each_scrape_reads_the_maps(loaded: LoadedCalls, stack: ExitStack) -> None:
    """Calls between two scrapes are in the families of all collectors at the second."""
    registry = build(Programs(loaded), CALLS, stack)
    list(registry.scrape().collect())
    os.pwrite(loaded.fds["slots"], pack_slot(b"late", 1), 0)
    text = encode_text(registry.scrape().collect()).decode()
    assert 'comm="late"' in text
    assert 'fanotify_exporter_map_entries{map="calls_privileged"} 1.0' in text


def test_labels(
    loaded: LoadedCalls,
    stack: ExitStack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without cgroup v2 the container labels are empty, and a warning says so."""
    monkeypatch.setattr(cgroups, "read_mounted", lambda _: [])
    labels = LabelOptions(container=True, dropped=frozenset({"comm", "mask", "flags"}))
    registry = build(Programs(loaded), CALLS, stack, labels)
    os.pwrite(loaded.fds["slots"], pack_slot(b"a", 1), 0)
    text = encode_text(registry.scrape().collect()).decode()
    assert (
        'fanotify_mark_calls_total{action="add",cgroup="",container_id="",'
        'mark_type="inode"} 1.0\n'
    ) in text
    message = caplog.messages[0]
    assert message.startswith("no cgroup v2 hierarchy is mounted")
