"""Findings: thresholds, levels, order and texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fanotify_exporter.collectors import limit_warnings
from fanotify_exporter.landing.family_index import FamilyIndex
from fanotify_exporter.landing.finding import Finding
from fanotify_exporter.landing.findings import (
    FULL_MAPS,
    GOOD,
    find_all,
    missing_reason,
)
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    INSTANCE_LIMIT,
    MARK_LIMIT,
    WATCH_LIMIT,
    Absence,
    GroupOwner,
    InotifyFigures,
    InotifyUser,
    Probe,
    QueueOwner,
    Summary,
    Top,
    User,
)
from tools.harness.golden import registry
from tools.harness.rules.shipped import RUNBOOKS


# A host without anything to report.
QUIET = Summary(
    families=frozenset({"fanotify_mark_calls", "fanotify_groups", GROUP_LIMIT}),
    collectors={"mark_calls": True, "groups": True, "limits": True},
    build={},
    probes=[Probe("fanotify_mark", "fexit:do_fanotify_mark", attached=True)],
    seconds=5.0,
    callers=Top((), 0),
    owners=Top([GroupOwner("fatrace", 2, 7, 0)], 0),
    unreadable=0,
    users=Top([User("0", 2, 7, 2 / 128, 7 / 1000)], 0),
    limits={GROUP_LIMIT: 128, MARK_LIMIT: 1000},
    maps={"calls_privileged": (3, 8192)},
    lost={},
    absences={
        "groups": Absence("fanotify_groups", "until the first scan has finished"),
        "limits": Absence(GROUP_LIMIT, "on kernels without the limit"),
    },
)


def inotify_of(user: InotifyUser) -> InotifyFigures:
    """Return figures with one user of inotify."""
    limits = {INSTANCE_LIMIT: 128, WATCH_LIMIT: 1000}
    return InotifyFigures(users=Top([user], 0), limits=limits)


def only(summary: Summary) -> Finding:
    """Return the only finding."""
    (finding,) = find_all(summary)
    return finding


def test_no_problems() -> None:
    """Without anything to report the only finding is GOOD."""
    assert [GOOD] == find_all(QUIET)


def test_detached_probe() -> None:
    """A detached probe is a danger, and the subject names its attach point."""
    probe = Probe("fanotify_init", "kretprobe:__x64_sys_fanotify_init", attached=False)
    finding = only(replace(QUIET, probes=[*QUIET.probes, probe]))
    assert ("danger", f"Not attached: {probe.attach_point}") == (
        finding.level,
        finding.subject,
    )
    assert "Calls of fanotify_init are not counted" in finding.text


@pytest.mark.parametrize("name", ["wait", "response", "group"])
def test_detached_permission_probe(name: str) -> None:
    """The finding about a permission probe speaks of no calls."""
    probe = Probe(f"permission_{name}", "fentry:somewhere", attached=False)
    finding = only(replace(QUIET, probes=[*QUIET.probes, probe]))
    assert "are not counted while" in finding.text
    assert "call" not in finding.text.lower()


def test_collector_that_failed() -> None:
    """A failed collector is a danger, and its figures are unknown, not 0."""
    found = find_all(replace(QUIET, collectors={**QUIET.collectors, "groups": False}))
    assert ["danger", "note"] == [each.level for each in found]
    assert "Failed: the collector groups" == found[0].subject
    assert "Programs that can block file access are unknown" == found[1].subject


def test_queues() -> None:
    """A queue that has lost events, and one that is more than half full, warn."""
    queues = [
        QueueOwner("auditbeat", 1.0, 2),
        QueueOwner("fapolicyd", 0.51, 0),
        QueueOwner("fatrace", 0.5, 0),
    ]
    lost, filling = find_all(replace(QUIET, queues=queues))
    assert (("auditbeat", "2 queues"),) == lost.names
    assert "FanotifyEventsDropped" == lost.runbook
    assert (("fapolicyd", "51% full"),) == filling.names
    assert {"warning"} == {lost.level, filling.level}


def test_calls_in_progress() -> None:
    """Calls that do not return are a warning with the programs that made them."""
    finding = only(replace(QUIET, calls_in_progress={"fapolicyd": 2, "edr": 1}))
    assert ("warning", "3 fanotify_mark calls do not return") == (
        finding.level,
        finding.subject,
    )
    assert (("fapolicyd", "2 threads"), ("edr", "1 thread")) == finding.names
    assert (RUNBOOKS / f"{finding.runbook}.md").exists()
    one = only(replace(QUIET, calls_in_progress={"edr": 1}))
    assert "1 fanotify_mark call does not return" == one.subject


def test_blocking_programs() -> None:
    """A note names at most three programs with blocking marks, with their marks."""
    owners = [GroupOwner(f"edr{n}", 1, 9, 5 - n) for n in range(5)]
    finding = only(replace(QUIET, owners=Top([*owners, *QUIET.owners.rows], 0)))
    assert ("note", "Programs that can block file access") == (
        finding.level,
        finding.subject,
    )
    assert [
        ("edr0", "5 blocking marks"),
        ("edr1", "4 blocking marks"),
        ("edr2", "3 blocking marks"),
    ] == list(finding.names)
    assert finding.others


@pytest.mark.parametrize(
    ("share", "level"), [(102, None), (103, "warning"), (127, "warning")]
)
def test_user_near_a_limit(share: int, level: str | None) -> None:
    """A share of more than 0.8 of a limit is a warning."""
    user = User("1000", share, 0, share / 128, 0)
    found = find_all(replace(QUIET, users=Top([user], 0)))
    assert [level or "good"] == [each.level for each in found]
    if level:
        assert f"User 1000 has {share} of 128 groups" == found[0].subject


def test_user_at_a_limit() -> None:
    """A user at a limit is a danger."""
    finding = only(replace(QUIET, users=Top([User("0", 1, 1000, 0, 1.0)], 0)))
    assert (
        Finding(
            "danger",
            "User 0 has 1,000 of 1,000 marks",
            "The kernel refuses another mark.",
            runbook="FanotifyMarksNearLimit",
        )
        == finding
    )


def test_inotify_user_near_limits() -> None:
    """A user of inotify near a limit is a warning, and at a limit a danger."""
    user = InotifyUser("1000", 103, 1000, 103 / 128, 1.0)
    assert [
        Finding(
            "danger",
            "User 1000 has 1,000 of 1,000 inotify watches",
            "The kernel refuses another inotify watch.",
            runbook="InotifyWatchesNearLimit",
        ),
        Finding(
            "warning",
            "User 1000 has 103 of 128 inotify instances",
            "The kernel refuses more than 128.",
            runbook="InotifyInstancesNearLimit",
        ),
    ] == find_all(replace(QUIET, inotify=inotify_of(user)))


def test_inotify_user_far_from_limits() -> None:
    """Up to 0.8 of a limit is no finding."""
    user = InotifyUser("1000", 102, 800, 102 / 128, 0.8)
    assert [GOOD] == find_all(replace(QUIET, inotify=inotify_of(user)))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("calls_user", "Raise --bpf.max-user-entries."),
        ("permission_groups", "waits for new listeners"),
        ("permission_waits", "new waits are counted without their length"),
    ],
)
def test_nearly_full_map(name: str, advice: str) -> None:
    """A map with more than 0.8 of its entries used is a warning with advice."""
    finding = only(replace(QUIET, maps={name: (250, 256)}))
    assert ("warning", f"The map {name} has 250 of 256 entries") == (
        finding.level,
        finding.subject,
    )
    assert advice in finding.text


def test_maps_with_a_finding_and_a_warning() -> None:
    """Every map of a scrape has a text for the page and one for the log."""
    maps = FamilyIndex(registry().scrape().collect()).maps()
    assert set(maps) == set(FULL_MAPS) == set(limit_warnings.FULL_MAPS)


def test_lost_events() -> None:
    """Events whose programs were skipped are not calls."""
    assert [GOOD] == find_all(replace(QUIET, lost={("event", "recursion"): 9.0}))


def test_lost_calls() -> None:
    """Calls without a caller are a warning with the reasons."""
    lost = {("fanotify_mark", "map_full"): 403.0, ("fanotify_init", "recursion"): 1.0}
    finding = only(replace(QUIET, lost=lost))
    assert ("warning", "404 calls without a caller") == (finding.level, finding.subject)
    assert "403 of fanotify_mark, the map was full" in finding.text
    assert "1 of fanotify_init, the kernel skipped the BPF program" in finding.text


def test_misses_of_any_system_call() -> None:
    """A reason that counts all system calls together makes no finding."""
    lost = {("fanotify_mark", "recursion_any_syscall"): 9.0}
    assert [GOOD] == find_all(replace(QUIET, lost=lost))


@pytest.mark.parametrize(
    ("number", "subject", "text"),
    [
        (
            1,
            "1 process could not be inspected",
            "Groups and inotify instances only it holds are missing.",
        ),
        (
            2,
            "2 processes could not be inspected",
            "Groups and inotify instances only they hold are missing.",
        ),
    ],
)
def test_unreadable_processes(number: int, subject: str, text: str) -> None:
    """Processes that the scan could not inspect are a note."""
    finding = only(replace(QUIET, unreadable=number))
    assert Finding("note", subject, text) == finding


def test_order() -> None:
    """Dangers come before warnings, and warnings before notes."""
    summary = replace(
        QUIET,
        unreadable=1,
        maps={"calls_user": (256, 256)},
        users=Top([User("0", 128, 0, 1.0, 0)], 0),
    )
    assert ["danger", "warning", "note"] == [each.level for each in find_all(summary)]


@pytest.mark.parametrize("collector", ["groups", "limits"])
def test_disabled_collector(collector: str) -> None:
    """Figures of a disabled collector are unknown, not 0."""
    collectors = {k: v for k, v in QUIET.collectors.items() if k != collector}
    finding = only(replace(QUIET, collectors=collectors))
    assert "note" == finding.level
    assert f"Not collected: the collector {collector} is off." == finding.text


@pytest.mark.parametrize(
    ("collectors", "families", "why"),
    [
        ({"groups": True}, {"fanotify_groups"}, ""),
        ({}, {"fanotify_groups"}, "Not collected"),
        ({"groups": False}, set(), "failed"),
        ({"groups": True}, set(), "first scan"),
    ],
)
def test_missing_reason(
    collectors: Mapping[str, bool], families: set[str], why: str
) -> None:
    """The reason is a disabled, failed, or still waiting collector."""
    summary = replace(QUIET, collectors=collectors, families=frozenset(families))
    reason = missing_reason(summary, "groups")
    assert bool(why) == bool(reason)
    assert why in reason


def test_kernel_without_limits() -> None:
    """On a kernel without the limits, the note says so."""
    families = QUIET.families - {GROUP_LIMIT}
    finding = only(replace(QUIET, families=families, limits={}))
    assert "Distance to the limits is unknown" == finding.subject
    assert "Unknown on kernels without the limit." == finding.text


def test_runbooks() -> None:
    """Findings about the exporter and about limits name a runbook that exists."""
    summary = replace(
        QUIET,
        probes=[Probe("fanotify_init", "fexit:do_fanotify_init", attached=False)],
        collectors={**QUIET.collectors, "mark_calls": False},
        users=Top([User("0", 128, 1000, 1.0, 1.0)], 0),
        maps={"calls_privileged": (9, 9), "calls_user": (9, 9)},
        lost={("fanotify_mark", "recursion"): 1.0},
        inotify=inotify_of(InotifyUser("0", 128, 1000, 1.0, 1.0)),
    )
    found = find_all(summary)
    assert 9 == len(found)
    assert {each.runbook for each in found} <= {
        path.stem for path in RUNBOOKS.iterdir()
    }
