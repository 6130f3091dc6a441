"""Where groups, instances and waiting tasks are listed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from fanotify_exporter.commands import live_sources
from fanotify_exporter.commands.live_sources import (
    NO_SOURCES,
    LiveSource,
    LiveSources,
    find_live_sources,
)
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.options.model import CollectorOptions
from tools.harness.loaded_fsnotify import make_fsnotify
from tools.harness.loaded_programs import WITHOUT_MAPS as CALLS


WITH = Programs(CALLS, fsnotify=make_fsnotify())
WITHOUT = Programs(CALLS, fsnotify_reason="no BTF")
ITERATOR, PROCFS = LiveSource("iterator"), LiveSource("procfs", "no BTF")


@pytest.mark.parametrize(
    ("programs", "enabled", "waits", "expected"),
    [
        (WITH, {"limits"}, None, None),
        (WITH, {"groups"}, None, ITERATOR),
        (WITHOUT, {"groups"}, None, PROCFS),
        (WITHOUT, {"permission"}, "iterator", None),
        # /proc does not tell whom a task waits for, so the groups are needed.
        (WITHOUT, {"permission"}, "procfs", PROCFS),
    ],
)
def test_sources(
    programs: Programs,
    enabled: set[str],
    waits: Literal["iterator", "procfs"] | None,
    expected: LiveSource | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The iterator is better than /proc, and neither is used without a collector."""
    found = WaitSource(waits) if waits else None
    monkeypatch.setattr(live_sources, "is_initial_pid_namespace", lambda: True)
    monkeypatch.setattr(live_sources, "find_wait_source", lambda *_: found)
    options = CollectorOptions(frozenset(enabled), 30, Path("/proc"))
    assert LiveSources(expected, found) == find_live_sources(programs, options)


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        (WITH, ITERATOR),
        (WITHOUT, PROCFS),
        (
            Programs(CALLS, fsnotify=make_fsnotify(calls_reason="refused")),
            LiveSource("procfs", "refused"),
        ),
    ],
)
def test_sources_of_calls(
    programs: Programs, expected: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may refuse the iterator over threads, and that over files."""
    monkeypatch.setattr(live_sources, "is_initial_pid_namespace", lambda: True)
    options = CollectorOptions(frozenset({"mark_calls_in_progress"}), 30, Path("/proc"))
    assert LiveSources(calls=expected) == find_live_sources(programs, options)


def test_pid_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iterator that does not see the processes of the host is not used."""
    monkeypatch.setattr(live_sources, "is_initial_pid_namespace", lambda: False)
    options = CollectorOptions(frozenset({"groups"}), 30, Path("/proc"))
    groups = find_live_sources(WITH, options).groups
    assert groups
    assert "procfs" == groups.name
    assert groups.reason.startswith("in a pid namespace that is not the host's ")


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (NO_SOURCES, False),
        (LiveSources(PROCFS, WaitSource("none", "hidden")), False),
        (LiveSources(ITERATOR), True),
        (LiveSources(calls=ITERATOR), True),
        (LiveSources(PROCFS, WaitSource("iterator")), True),
    ],
)
def test_iterators_in_use(live: LiveSources, *, expected: bool) -> None:
    """One iterator is enough to need what passes take."""
    assert expected == live.use_iterators
