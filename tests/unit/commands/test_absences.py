"""What the landing page says about figures that are missing."""

from __future__ import annotations

import pytest

from fanotify_exporter.commands.absences import find_absences, find_limitations
from fanotify_exporter.commands.live_sources import LiveSource, LiveSources
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from tools.harness.loaded_programs import WITHOUT_MAPS as LOADED


@pytest.mark.parametrize(
    ("programs", "live", "expected"),
    [
        (Programs(LOADED), LiveSources(), {}),
        (
            Programs(LOADED),
            LiveSources(LiveSource("iterator"), WaitSource("iterator")),
            {},
        ),
        (
            Programs(LOADED, permission_reason="no BTF", events_reason="no kprobes"),
            LiveSources(
                LiveSource("procfs", "refused"), WaitSource("procfs", "no iterator")
            ),
            {
                "events": "not counted: no kprobes",
                "groups and inotify instances": "from /proc: refused",
                "permission waits": "not counted: no BTF",
                "waiting tasks": "from /proc: no iterator",
            },
        ),
        (
            Programs(LOADED),
            LiveSources(waits=WaitSource("none", "hidden")),
            {"waiting tasks": "not seen: hidden"},
        ),
        (
            Programs(LOADED),
            LiveSources(calls=LiveSource("procfs", "refused")),
            {"calls in progress": "from /proc: refused"},
        ),
    ],
)
def test_limitations(
    programs: Programs, live: LiveSources, expected: dict[str, str]
) -> None:
    """The landing page tells what is not known or not exact, and why."""
    assert expected == find_limitations(programs, live)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            WaitSource("procfs", "no BTF"),
            "until the first pass over the waiting tasks has finished",
        ),
        (WaitSource("none", "hidden"), "on this host: hidden"),
    ],
)
def test_reason_for_unknown_waiting_tasks(source: WaitSource, reason: str) -> None:
    """Before the first pass the page says so; without a source, why there is none."""
    assert reason == find_absences(LiveSources(waits=source))["permission"].reason
