"""Findings about waits, deadlocks and unchecked accesses."""

from __future__ import annotations

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fanotify_exporter.landing.finding import Finding
from fanotify_exporter.landing.findings import GOOD, find_all
from fanotify_exporter.landing.permission_findings import deadlocked_pairs
from fanotify_exporter.landing.summary import Absence
from fanotify_exporter.landing.summary_reader import SummaryReader


WAITING = "fanotify_permission_waiting_tasks"
OLDEST = "fanotify_permission_oldest_wait_seconds"
LISTENER_WAITS = "fanotify_permission_listener_waits"
DEADLOCKED = "fanotify_permission_deadlocked_listeners"
UNCHECKED = "fanotify_unchecked_accesses"
LOST = "fanotify_exporter_lost_calls"


def gauge(name: str, *series: tuple[dict[str, str], float]) -> Metric:
    labels = list(series[0][0]) if series else []
    family = GaugeMetricFamily(name, "", labels=labels)
    for values, value in series:
        family.add_metric(list(values.values()), value)
    return family


def counter(name: str, *series: tuple[dict[str, str], float]) -> Metric:
    family = CounterMetricFamily(name, "", labels=list(series[0][0]))
    for values, value in series:
        family.add_metric(list(values.values()), value)
    return family


def waits(*listeners: tuple[str, str, float, float]) -> list[Metric]:
    """Return both gauges for listeners: comm, class, waiting tasks, oldest wait."""
    waiting, oldest = [], []
    for comm, group_class, number, age in listeners:
        labels = {"comm": comm, "class": group_class}
        waiting.append((labels, number))
        oldest.append((labels, age))
    return [gauge(WAITING, *waiting), gauge(OLDEST, *oldest)]


def found(*families: Metric) -> list[Finding]:
    return find_all(SummaryReader().read(families))


def only(*families: Metric) -> Finding:
    (finding,) = found(*families)
    return finding


def test_stall() -> None:
    """The finding has the tasks, the listener and the age of the oldest wait."""
    finding = only(
        *waits(("wdavdaemon", "content", 37, 240), ("idle", "content", 0, 0))
    )
    assert (
        "danger",
        "37 tasks wait for a listener",
        (("wdavdaemon", "the oldest for 4 minutes"),),
        "FanotifyPermissionStall",
    ) == (finding.level, finding.subject, finding.names, finding.runbook)


@pytest.mark.parametrize(
    ("group_class", "seconds", "level"),
    [
        ("content", 9.9, "good"),
        ("content", 10, "warning"),
        ("content", 30, "danger"),
        ("pre_content", 9.9, "good"),
        ("pre_content", 299, "note"),
        ("pre_content", 300, "danger"),
        ("", 29, "warning"),
        ("", 30, "danger"),
    ],
)
def test_levels(group_class: str, seconds: float, level: str) -> None:
    """A slow pre-content listener is ordinary for longer than another listener."""
    assert level == only(*waits(("x", group_class, 1, seconds))).level


def test_unknown_listener() -> None:
    """A task that waits for one of several listeners is a finding without a name."""
    finding = only(*waits(("", "", 1, 45)))
    assert (
        "1 task waits for a listener that is not known, the oldest for 45 seconds",
        (),
    ) == (finding.subject, finding.names)


def test_many_stalls() -> None:
    """At most three listeners have a finding, the oldest waits first."""
    stalled = [(f"edr{n}", "content", 1.0, 100.0 + n) for n in range(9)]
    names = [each.names[0][0] for each in found(*waits(*stalled))]
    assert ["edr8", "edr7", "edr6"] == names


def test_containers_and_dropped_comm() -> None:
    """Series of one name are summed over containers, and a name may be dropped."""
    families = [
        gauge(
            name,
            ({"class": "content", "cgroup": "/a"}, first),
            ({"class": "content", "cgroup": "/b"}, second),
        )
        for name, first, second in ((WAITING, 3.0, 4.0), (OLDEST, 40.0, 20.0))
    ]
    assert only(*families).subject == (
        "7 tasks wait for a listener that is not known, the oldest for 40 seconds"
    )


def test_deadlock_of_two() -> None:
    """Two listeners in a cycle are named; a third that only waits is not."""
    edges = [("fapolicyd", "clamonacc"), ("clamonacc", "fapolicyd"), ("x", "fapolicyd")]
    finding = only(
        gauge(DEADLOCKED, ({}, 2)),
        gauge(LISTENER_WAITS, *(({"comm": a, "on": b}, 1) for a, b in edges)),
    )
    assert (
        "danger",
        "2 listeners wait for each other",
        (("fapolicyd", "waits for clamonacc"), ("clamonacc", "waits for fapolicyd")),
        "FanotifyPermissionDeadlock",
    ) == (finding.level, finding.subject, finding.names, finding.runbook)


def test_self_deadlock() -> None:
    """One listener in a cycle waits for itself."""
    finding = only(
        gauge(DEADLOCKED, ({}, 1)),
        gauge(LISTENER_WAITS, ({"comm": "a", "on": "a"}, 1)),
    )
    assert "A listener waits for itself" == finding.subject
    assert (("a", "waits for a"),) == finding.names


def test_passing_waits_of_listeners() -> None:
    """Listeners that wait for each other for a moment are no finding."""
    assert GOOD == only(
        gauge(DEADLOCKED, ({}, 0)),
        gauge(
            LISTENER_WAITS,
            ({"comm": "a", "on": "b"}, 1),
            ({"comm": "b", "on": "a"}, 1),
        ),
    )


def test_pairs_in_cycles() -> None:
    """A pair is in a cycle if its second member waits in turn for its first."""
    ring = [("a", "b"), ("b", "c"), ("c", "a")]
    assert [*ring, ("s", "s")] == deadlocked_pairs(
        [*ring, ("x", "a"), ("c", "y"), ("s", "s")]
    )


def accesses(*series: tuple[str, float]) -> Metric:
    return counter(
        UNCHECKED,
        *(({"comm": comm, "reason": "listener_closed"}, n) for comm, n in series),
    )


@pytest.mark.parametrize(
    ("comm", "level"),
    [
        ("gone", "warning"),
        ("present", "note"),
        ("[other: map full]", "note"),
        ("[other: not known]", "note"),
        ("", "note"),
    ],
)
def test_unchecked_accesses(comm: str, level: str) -> None:
    """Accesses that nobody checked are a note, or a warning if no listener is left."""
    finding = only(*waits(("present", "content", 0, 0)), accesses((comm, 1234)))
    assert (
        level,
        "1,234 accesses went ahead unchecked because the listener was closed",
        "FanotifyAccessUnchecked",
    ) == (finding.level, finding.subject, finding.runbook)
    assert ((comm, "1,234"),) == (finding.names or (("", "1,234"),))


def test_unchecked_before_the_first_pass() -> None:
    """While it is not known which listeners exist, none is said to be gone."""
    assert "note" == only(accesses(("edr", 1))).level


def test_no_unchecked_access() -> None:
    """A count of 0 is no finding."""
    assert GOOD == only(accesses(("edr", 0)))


def test_order() -> None:
    """A deadlock comes before the stall that it causes."""
    families = [gauge(DEADLOCKED, ({}, 2)), *waits(("a", "content", 5, 60))]
    assert ["FanotifyPermissionDeadlock", "FanotifyPermissionStall"] == [
        each.runbook for each in found(*families)
    ]


def test_lost_waits() -> None:
    """Missed runs of permission programs are not called calls without a caller."""
    finding = only(
        counter(
            LOST,
            ({"probe": "permission_wait", "reason": "recursion"}, 2),
            ({"probe": "permission_response", "reason": "map_full"}, 3),
            ({"probe": "permission_wait", "reason": "no_begin"}, 100),
        )
    )
    assert "5 waits or answers not counted exactly" == finding.subject
    assert "2 permission_wait (recursion); 3 permission_response (map_full)" in (
        finding.text
    )


def test_missing_collector() -> None:
    """A collector without figures is a note with the reason."""
    absence = Absence(WAITING, "because no program could be attached: no BTF")
    success = gauge(
        "fanotify_exporter_collector_success", ({"collector": "permission"}, 1)
    )
    (finding,) = find_all(SummaryReader({"permission": absence}).read([success]))
    assert (
        Finding(
            "note",
            "Tasks that wait for permission listeners are unknown",
            "Unknown because no program could be attached: no BTF.",
        )
        == finding
    )
