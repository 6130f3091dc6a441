"""
Metric families in, out the figures that a person wants to see first.

They are those of /metrics, so that no page can say anything else.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Generic, TypeVar

from prometheus_client.core import Metric
from prometheus_client.samples import Sample


T = TypeVar("T")

ROWS = 10
"""A table that is to fit on one screen has at most so many."""

APART_SECONDS = 4.0
"""Rates are over at least as long, so that they are of calls and not of chance."""

CALLS = ("fanotify_mark", "fanotify_init")
"""What is shown of hooks.SYSCALLS."""

GROUP_LIMIT = "fanotify_limit_user_groups"
MARK_LIMIT = "fanotify_limit_user_marks"

Key = tuple[str | None, str]
"""A comm, or None where --label.drop sums over all; and the call, one of CALLS."""

Counts = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Top(Generic[T]):
    """The first rows of a table, and how many more there would be."""

    rows: Sequence[T]
    more: int


@dataclass(frozen=True, slots=True)
class Caller:
    """How often a comm made a call, and how often with which errno, descending."""

    comm: str | None
    call: str
    calls: float
    per_second: float
    errors: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GroupOwner:
    """The groups and marks that a comm has now; blocking ones are among the marks."""

    comm: str
    groups: float
    marks: float
    blocking: float


@dataclass(frozen=True, slots=True)
class User:
    """The groups and marks of a user, as the limits count them; shares of those."""

    uid: str
    groups: float
    marks: float
    share_of_groups: float
    share_of_marks: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe, and whether it is attached to its hook."""

    name: str
    hook: str
    attached: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What a person sees first.

    Attributes:
        families: names of those that the scrape had.
        collectors: those that are switched on, and whether each did well.
        build: the labels of fanotify_exporter_build_info.
        seconds: how long the time is that the callers' rates are over.
        callers: the fastest first.
        holders: those that can block the host first.
        unreadable: processes whose groups, if they have any, are not seen.
        users: those nearest to a limit first.
        limits: GROUP_LIMIT and MARK_LIMIT, where the kernel has them.
        maps: keys in each map, and how many fit.
        lost: calls that are not counted by their key, by probe and reason; none is 0.
    """

    families: frozenset[str]
    collectors: Mapping[str, bool]
    build: Mapping[str, str]
    probes: Sequence[Probe]
    seconds: float
    callers: Top[Caller]
    holders: Top[GroupOwner]
    unreadable: float
    users: Top[User]
    limits: Mapping[str, float]
    maps: Mapping[str, tuple[float, float]]
    lost: Mapping[tuple[str, str], float]


class Rates:
    """How fast counts grow, whoever looks and however often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell the time by *clock*, in seconds."""
        self._clock = clock
        self._base: tuple[float, Counts] | None = None
        self._latest: tuple[float, Counts] | None = None

    def of(self, counts: Counts, age: float) -> tuple[Counts, float]:
        """
        Return the counts per second, and the seconds that this is the average over.

        They are compared with those of the last look, or of one before, that is
        APART_SECONDS ago; at first with none, *age* seconds ago.
        """
        now = self._clock()
        if self._base is None or self._latest is None:
            self._base = self._latest = (now - max(age, 1.0), {})
        if now - self._latest[0] >= APART_SECONDS:
            self._base, self._latest = self._latest, (now, counts)
        then, before = self._base
        seconds = now - then
        return {
            key: (count - before.get(key, 0)) / seconds for key, count in counts.items()
        }, seconds


class SummaryReader:
    """SummaryReader of one registry, each with the rates since an earlier one."""

    def __init__(
        self,
        collect: Callable[[], Iterable[Metric]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at what *collect* returns."""
        self._collect = collect
        self._rates = Rates(clock)

    def take(self) -> Summary:
        """Collect once. Not for two threads at a time."""
        scrape = Scrape(self._collect())
        counts = scrape.counts()
        per_second, seconds = self._rates.of(counts, scrape.age(time.time()))
        limits = scrape.limits()
        return Summary(
            families=frozenset(scrape.families),
            collectors=scrape.collectors(),
            build=scrape.build(),
            probes=scrape.probes(),
            seconds=seconds,
            callers=scrape.callers(counts, per_second),
            holders=scrape.holders(),
            unreadable=scrape.unreadable(),
            users=scrape.users(limits),
            limits=limits,
            maps=scrape.maps(),
            lost=scrape.lost(),
        )


class Scrape:
    """The samples of one scrape, and what an overview says of them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        """Keep samples by name."""
        self.families: set[str] = set()
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for family in families:
            self.families.add(family.name)
            if not family.name.endswith("_mask_bit_calls"):  # many, and not shown
                for sample in family.samples:
                    self._samples[sample.name].append(sample)

    def _sums(self, name: str, label: str, **only: str) -> dict[str, float]:
        """Return the values of samples summed by a label, of those that have *only*."""
        found: dict[str, float] = defaultdict(float)
        for sample in self._samples[name]:
            if only.items() <= sample.labels.items():
                found[sample.labels[label]] += sample.value
        return found

    def counts(self) -> dict[Key, float]:
        """Return how many calls each comm made."""
        found: dict[Key, float] = defaultdict(float)
        for call in CALLS:
            for sample in self._samples[f"{call}_calls_total"]:
                found[sample.labels.get("comm"), call] += sample.value
        return found

    def age(self, now: float) -> float:
        """Return how long before *now*, Unix seconds, the first call was made."""
        first = now
        for call in CALLS:
            for sample in self._samples[f"{call}_calls_created"]:
                first = min(first, sample.value)
        return now - first

    def callers(self, counts: Counts, per_second: Counts) -> Top[Caller]:
        """Return who calls most often now, or else called most often."""
        errors: dict[Key, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for call in CALLS:
            for sample in self._samples[f"{call}_errors_total"]:
                key = sample.labels.get("comm"), call
                errors[key][sample.labels["errno"]] += sample.value
        found = _top(counts, lambda key: (per_second[key], counts[key]))
        rows = [
            Caller(*key, counts[key], per_second[key], _descending(errors[key]))
            for key in found.rows
        ]
        return Top(rows, found.more)

    def holders(self) -> Top[GroupOwner]:
        """Return who has groups and marks."""
        groups = self._sums("fanotify_groups", "comm")
        marks = self._sums("fanotify_marks", "comm")
        blocking = self._sums("fanotify_marks", "comm", blocking="true")
        found = [
            GroupOwner(comm, number, marks.get(comm, 0), blocking.get(comm, 0))
            for comm, number in groups.items()
        ]
        return _top(found, lambda each: (each.blocking, each.groups, each.marks))

    def unreadable(self) -> float:
        """Return how many processes refused to be looked at."""
        found = self._samples["fanotify_exporter_groups_unreadable_processes"]
        return sum(sample.value for sample in found)

    def users(self, limits: Mapping[str, float]) -> Top[User]:
        """Return who uses up the limits."""
        groups = self._sums("fanotify_user_groups", "uid")
        marks = self._sums("fanotify_user_marks", "uid")
        found = [
            User(
                uid,
                number,
                marks[uid],
                _share(number, limits.get(GROUP_LIMIT)),
                _share(marks[uid], limits.get(MARK_LIMIT)),
            )
            for uid, number in groups.items()
        ]
        return _top(
            found,
            lambda each: (
                max(each.share_of_groups, each.share_of_marks),
                each.groups,
                each.marks,
            ),
        )

    def limits(self) -> dict[str, float]:
        """Return those limits that users run into."""
        return {
            name: sample.value
            for name in (GROUP_LIMIT, MARK_LIMIT)
            for sample in self._samples[name]
        }

    def collectors(self) -> dict[str, bool]:
        """Return whether each collector did well."""
        success = self._sums("fanotify_exporter_collector_success", "collector")
        return {name: bool(value) for name, value in success.items()}

    def build(self) -> dict[str, str]:
        """Return what runs."""
        info = self._samples["fanotify_exporter_build_info"]
        return dict(info[0].labels) if info else {}

    def probes(self) -> list[Probe]:
        """Return the probes in their order."""
        return [
            Probe(sample.labels["probe"], sample.labels["hook"], bool(sample.value))
            for sample in self._samples["fanotify_exporter_probe_attached"]
        ]

    def maps(self) -> dict[str, tuple[float, float]]:
        """Return how full each map is."""
        entries = self._sums("fanotify_exporter_map_entries", "map")
        most = self._sums("fanotify_exporter_map_max_entries", "map")
        return {name: (entries[name], most[name]) for name in most}

    def lost(self) -> dict[tuple[str, str], float]:
        """Return the calls that are not counted by their key."""
        return {
            (sample.labels["probe"], sample.labels["reason"]): sample.value
            for sample in self._samples["fanotify_exporter_lost_calls_total"]
            if sample.value
        }


def _top(found: Iterable[T], order: Callable[[T], Any]) -> Top[T]:
    ranked = list(found)
    rows = nlargest(ROWS, ranked, order)
    return Top(rows, len(ranked) - len(rows))


def _descending(numbers: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(numbers.items(), key=lambda item: item[1], reverse=True))


def _share(number: float, limit: float | None) -> float:
    """Return a share of 0 where there is no limit; of a limit of 0, infinite ones."""
    if limit is None or not number:
        return 0.0
    return number / limit if limit else float("inf")
