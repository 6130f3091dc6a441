"""The landing page's figures about inotify from the samples of a scrape."""

from __future__ import annotations

from fanotify_exporter.collectors.inotify import InotifyCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.fsnotify.model import GroupScan, InotifyInstance
from fanotify_exporter.landing.family_index import MAX_ROWS, FamilyIndex
from fanotify_exporter.landing.inotify_index import inotify_figures
from fanotify_exporter.landing.summary import (
    INSTANCE_LIMIT,
    WATCH_LIMIT,
    InotifyFigures,
    InotifyOwner,
    InotifyUser,
)
from tools.harness.golden import registry


def figures(
    *instances: InotifyInstance, labelling: Labelling | None = None
) -> InotifyFigures:
    """Return the figures of an exporter that has found *instances*, without limits."""
    scan = GroupScan((), 0, 5.0, instances=instances)
    collector = InotifyCollector(lambda: scan, labelling or Labelling())
    return inotify_figures(FamilyIndex(collector.collect()))


def test_golden_scrape() -> None:
    """Owners have their numbers, and users their shares of the limits."""
    found = inotify_figures(FamilyIndex(registry().scrape().collect()))
    assert {INSTANCE_LIMIT: 128, WATCH_LIMIT: 64_000} == found.limits
    assert InotifyOwner("code", 1, 41_000) == found.owners.rows[0]
    assert [
        InotifyUser("1000", 2, 41_001, 2 / 128, 41_001 / 64_000),
        InotifyUser("0", 2, 15, 2 / 128, 15 / 64_000),
    ] == found.users.rows


def test_no_families() -> None:
    """Without the families there are no rows."""
    found = inotify_figures(FamilyIndex([]))
    assert [] == [*found.owners.rows, *found.users.rows, *found.limits]


def test_most_watches_come_first() -> None:
    """The MAX_ROWS programs with most watches are listed; the rest is counted."""
    found = figures(*(InotifyInstance(f"c{n}", n, n) for n in range(1, 31)))
    assert [f"c{n}" for n in range(30, 20, -1)] == [
        each.comm for each in found.owners.rows
    ]
    assert [str(n) for n in range(30, 20, -1)] == [
        each.uid for each in found.users.rows
    ]
    assert (20, 20) == (found.owners.omitted, found.users.omitted)
    assert MAX_ROWS == len(found.owners.rows)


def test_sum_of_many_users_is_no_user() -> None:
    """The sum over the users without a series is not compared with a user's limit."""
    found = figures(*(InotifyInstance("c", n, 1) for n in range(200)))
    assert 90 == found.users.omitted
    assert all(each.uid.isdecimal() for each in found.users.rows)


def test_containers() -> None:
    """With container labels, a program has the sum over its containers."""
    labelling = Labelling(container=lambda cgroup: (f"/{cgroup}", ""))
    instances = (InotifyInstance("c", 0, 4, cgroup=n) for n in (1, 2))
    found = figures(*instances, labelling=labelling)
    assert [InotifyOwner("c", 2, 8)] == found.owners.rows
