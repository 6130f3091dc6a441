"""Index the samples of one scrape, and compute the landing page's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from typing import Any, TypeVar

from prometheus_client.samples import Sample

from fanotify_exporter.landing.rates import CallKey, Counts
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    MARK_LIMIT,
    Caller,
    GroupOwner,
    Probe,
    Top,
    User,
)
from fanotify_exporter.metrics.families import Family


T = TypeVar("T")

# Rows of a table, so that all tables fit on one screen.
MAX_ROWS = 10

# The system calls in the table of callers. Each has the families CALL_calls and
# CALL_errors.
CALLS = ("fanotify_mark", "fanotify_init")


class FamilyIndex:
    """The samples of one scrape by name, and queries over them."""

    def __init__(self, families: Iterable[Family]) -> None:
        """Index the samples of *families* by sample name."""
        self.families: set[str] = set()
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for family in families:
            self.families.add(family.name)
            for sample in family.samples:
                self._samples[sample.name].append(sample)

    def samples(self, name: str) -> list[Sample]:
        """Return the samples with the name *name*."""
        return self._samples[name]

    def counts(self) -> dict[CallKey, float]:
        """Return the number of calls by comm and system call."""
        found: dict[CallKey, float] = defaultdict(float)
        for call in CALLS:
            for sample in self._samples[f"{call}_calls_total"]:
                found[sample.labels.get("comm"), call] += sample.value
        return found

    def age(self, now: float) -> float:
        """Return the seconds from the start of counting calls to *now*, a Unix time."""
        name = "fanotify_exporter_counting_start_time_seconds"
        start = self.sums(name, "programs", programs="calls")
        return now - start.get("calls", now)

    def callers(self, counts: Counts, per_second: Counts) -> Top[Caller]:
        """Return the callers with the highest rates, then with the most calls."""
        errors: dict[CallKey, dict[str, float]] = defaultdict(
            lambda: defaultdict(float)
        )
        for call in CALLS:
            for sample in self._samples[f"{call}_errors_total"]:
                key = sample.labels.get("comm"), call
                errors[key][sample.labels["errno"]] += sample.value
        found = top(counts, lambda key: (per_second[key], counts[key]))
        rows = [
            Caller(*key, counts[key], per_second[key], _descending(errors[key]))
            for key in found.rows
        ]
        return Top(rows, found.omitted)

    def owners(self) -> Top[GroupOwner]:
        """Return the comms with the most blocking marks, then with the most groups."""
        groups = self.sums("fanotify_groups", "comm")
        marks = self.sums("fanotify_marks", "comm")
        blocking = self.sums("fanotify_marks", "comm", blocking="true")
        found = [
            GroupOwner(comm, number, marks.get(comm, 0), blocking.get(comm, 0))
            for comm, number in groups.items()
        ]
        return top(found, lambda each: (each.blocking, each.groups, each.marks))

    def unreadable(self) -> float:
        """Return the number of processes that the scan could not inspect."""
        found = self._samples["fanotify_exporter_groups_unreadable_processes"]
        return sum(sample.value for sample in found)

    def users(self, limits: Mapping[str, float]) -> Top[User]:
        """Return the users nearest to one of *limits*."""
        groups = self.sums("fanotify_user_groups", "uid")
        marks = self.sums("fanotify_user_marks", "uid")
        found = [
            User(
                uid,
                number,
                marks.get(uid, 0),
                share(number, limits.get(GROUP_LIMIT)),
                share(marks.get(uid, 0), limits.get(MARK_LIMIT)),
            )
            for uid, number in groups.items()
            # Another uid is the sum of many users, and the limits are for one user.
            if uid.isdecimal()
        ]
        return top(
            found,
            lambda each: (
                max(each.share_of_groups, each.share_of_marks),
                each.groups,
                each.marks,
            ),
        )

    def limits(self) -> dict[str, float]:
        """Return the values of GROUP_LIMIT and MARK_LIMIT that the scrape has."""
        return self.values((GROUP_LIMIT, MARK_LIMIT))

    def collectors(self) -> dict[str, bool]:
        """Return whether each enabled collector succeeded."""
        success = self.sums("fanotify_exporter_collector_success", "collector")
        return {name: bool(value) for name, value in success.items()}

    def build(self) -> dict[str, str]:
        """Return the labels of fanotify_exporter_build_info."""
        info = self._samples["fanotify_exporter_build_info"]
        return dict(info[0].labels) if info else {}

    def probes(self) -> list[Probe]:
        """Return the probes in the order of the scrape."""
        return [
            Probe(sample.labels["probe"], sample.labels["hook"], bool(sample.value))
            for sample in self._samples["fanotify_exporter_probe_attached"]
        ]

    def maps(self) -> dict[str, tuple[float, float]]:
        """Return the used and the maximum number of entries of each BPF map."""
        entries = self.sums("fanotify_exporter_map_entries", "map")
        maximum = self.sums("fanotify_exporter_map_max_entries", "map")
        return {name: (entries[name], maximum[name]) for name in maximum}

    def calls_in_progress(self) -> dict[str, float]:
        """Return the threads inside fanotify_mark calls, by comm; most first."""
        threads: dict[str, float] = defaultdict(float)
        for sample in self.samples("fanotify_mark_calls_in_progress"):
            threads[sample.labels["comm"]] += sample.value
        return _descending(threads)

    def lost(self) -> dict[tuple[str, str], float]:
        """Return the nonzero numbers of lost calls by system call and reason."""
        return {
            (sample.labels["probe"], sample.labels["reason"]): sample.value
            for sample in self._samples["fanotify_exporter_lost_calls_total"]
            if sample.value
        }

    def values(self, names: Iterable[str]) -> dict[str, float]:
        """Return the values of the gauges without labels *names*, where they exist."""
        return {name: sample.value for name in names for sample in self._samples[name]}

    def sums(self, name: str, label: str, **wanted: str) -> dict[str, float]:
        """Return sums by *label* of the samples *name* with the labels *wanted*."""
        found: dict[str, float] = defaultdict(float)
        for sample in self._samples[name]:
            if wanted.items() <= sample.labels.items():
                found[sample.labels[label]] += sample.value
        return found


def top(found: Iterable[T], order: Callable[[T], Any]) -> Top[T]:
    """Return the MAX_ROWS of *found* with the largest values of *order*."""
    ranked = list(found)
    rows = nlargest(MAX_ROWS, ranked, order)
    return Top(rows, len(ranked) - len(rows))


def _descending(numbers: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(numbers.items(), key=lambda item: item[1], reverse=True))


def share(number: float, limit: float | None) -> float:
    """Return *number* / *limit*: 0 without a limit, infinity above a limit of 0."""
    if limit is None or not number:
        return 0.0
    return number / limit if limit else float("inf")
