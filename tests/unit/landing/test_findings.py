"""What a person must not miss is said, and nothing is said that is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fanotify_exporter.landing.findings import GOOD, Finding, absence, findings, whole
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    MARK_LIMIT,
    GroupOwner,
    Probe,
    Summary,
    Top,
    User,
)


QUIET = Summary(
    families=frozenset({"fanotify_mark_calls", "fanotify_groups", GROUP_LIMIT}),
    collectors={"mark_calls": True, "groups": True, "limits": True},
    build={},
    probes=[Probe("fanotify_mark", "fexit:do_fanotify_mark", attached=True)],
    seconds=5.0,
    callers=Top((), 0),
    holders=Top([GroupOwner("fatrace", 2, 7, 0)], 0),
    unreadable=0,
    users=Top([User("0", 2, 7, 2 / 128, 7 / 1000)], 0),
    limits={GROUP_LIMIT: 128, MARK_LIMIT: 1000},
    maps={"calls_root": (3, 8192)},
    lost={},
)
"""A host on which nothing is wrong."""


def only(overview: Summary) -> Finding:
    """Return the one finding that there is."""
    (finding,) = findings(overview)
    return finding


def test_nothing_to_mind() -> None:
    """A host on which nothing is wrong is told so."""
    assert [GOOD] == findings(QUIET)


def test_probe_that_is_not_attached() -> None:
    """A probe that counts nothing is a danger, by the hook that it should be at."""
    probe = Probe("fanotify_init", "kretprobe:__x64_sys_fanotify_init", attached=False)
    finding = only(replace(QUIET, probes=[*QUIET.probes, probe]))
    assert ("danger", f"Not attached: {probe.hook}") == (finding.level, finding.subject)
    assert "fanotify_init" in finding.text


def test_collector_that_failed() -> None:
    """Figures that are missing are a danger, and are not taken for none."""
    found = findings(replace(QUIET, collectors={**QUIET.collectors, "groups": False}))
    assert ["danger", "note"] == [each.level for each in found]
    assert "Failed: the collector groups" == found[0].subject
    assert "It is not known who can block others" == found[1].subject


def test_who_can_block() -> None:
    """Programs with blocking marks are named with how many, at most three of them."""
    holders = [GroupOwner(f"edr{n}", 1, 9, 5 - n) for n in range(5)]
    finding = only(replace(QUIET, holders=Top([*holders, *QUIET.holders.rows], 0)))
    assert ("warning", "These can block others") == (finding.level, finding.subject)
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
    """More than 0.8 of a limit is a warning."""
    user = User("1000", share, 0, share / 128, 0)
    found = findings(replace(QUIET, users=Top([user], 0)))
    assert [level or "good"] == [each.level for each in found]
    if level:
        assert f"User 1000 has {share} of 128 groups" == found[0].subject


def test_user_at_a_limit() -> None:
    """A user who gets no more is in danger."""
    finding = only(replace(QUIET, users=Top([User("0", 1, 1000, 0, 1.0)], 0)))
    assert (
        Finding(
            "danger",
            "User 0 has 1,000 of 1,000 marks",
            "The kernel refuses another mark.",
        )
        == finding
    )


def test_map_that_is_nearly_full() -> None:
    """A map in which new callers soon find no room is a warning."""
    finding = only(replace(QUIET, maps={"calls_user": (250, 256)}))
    assert ("warning", "250 of 256 keys taken in the map calls_user") == (
        finding.level,
        finding.subject,
    )


def test_lost_calls() -> None:
    """Calls whose caller is not known are a warning, with the reasons."""
    lost = {("fanotify_mark", "map_full"): 403.0, ("fanotify_init", "recursion"): 1.0}
    finding = only(replace(QUIET, lost=lost))
    assert ("warning", "404 calls without a caller") == (finding.level, finding.subject)
    assert "403 of fanotify_mark, the map of keys was full" in finding.text
    assert "1 of fanotify_init, the kernel skipped the program" in finding.text


def test_other_system_calls_are_not_lost() -> None:
    """What the kernel counts for all system calls together is no loss of ours."""
    lost = {("fanotify_mark", "recursion_any_syscall"): 9.0}
    assert [GOOD] == findings(replace(QUIET, lost=lost))


def test_processes_that_refuse() -> None:
    """Nobody is said to be harmless whom the exporter could not look at."""
    finding = only(replace(QUIET, unreadable=2))
    assert ("note", "Refused to be looked at: 2 processes") == (
        finding.level,
        finding.subject,
    )


def test_the_worst_comes_first() -> None:
    """Dangers come before warnings, and those before what is not known."""
    overview = replace(
        QUIET,
        unreadable=1,
        maps={"calls_user": (256, 256)},
        users=Top([User("0", 128, 0, 1.0, 0)], 0),
    )
    assert ["danger", "warning", "note"] == [each.level for each in findings(overview)]


@pytest.mark.parametrize("collector", ["groups", "limits"])
def test_collector_that_is_off(collector: str) -> None:
    """What is not collected is not known, which is another thing than none."""
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
        ({"groups": True}, set(), "first look"),
    ],
)
def test_absence(collectors: Mapping[str, bool], families: set[str], why: str) -> None:
    """Figures that are not there are off, failed or not there yet."""
    overview = replace(QUIET, collectors=collectors, families=frozenset(families))
    said = absence(overview, "groups")
    assert bool(why) == bool(said)
    assert why in said


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, (), "0"),
        (1234567.0, (), "1,234,567"),
        (1, ("mark",), "1 mark"),
        (2, ("mark",), "2 marks"),
        (2, ("process", "es"), "2 processes"),
    ],
)
def test_whole(number: float, words: tuple[str, ...], text: str) -> None:
    """Counts are written for people."""
    assert text == whole(number, *words)


def test_kernel_without_limits() -> None:
    """Limits that the kernel does not have are not ones that are still to come."""
    families = QUIET.families - {GROUP_LIMIT}
    finding = only(replace(QUIET, families=families, limits={}))
    assert "It is not known how near limits are" == finding.subject
    assert "Not known: this kernel does not tell its limits." == finding.text
