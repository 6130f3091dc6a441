"""Counters by label values: what collectors of calls add up in each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from prometheus_client.core import CounterMetricFamily
from prometheus_client.samples import Sample

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.uapi.errnos import errno_name


MISSED_COMM = "[other: not seen]"
"""Stands for the callers of calls that the kernel let no program see."""


class Series:
    """One counter family: counts and first times by label values, equal ones summed."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], labelling: Labelling
    ) -> None:
        """Start with no series."""
        self._name = name
        self._documentation = documentation
        wide = (*labels, *labelling.names)
        kept = [i for i, label in enumerate(wide) if label not in labelling.dropped]
        self._labels = tuple(wide[i] for i in kept)
        self._pick = _picker(kept, len(wide))
        self._width = len(wide)
        self._values: dict[tuple[str, ...], tuple[int, float]] = {}

    def add(self, values: tuple[str, ...], count: int, created: float) -> None:
        """Add *count* calls, the first of them at *created*, to a series."""
        values = self._pick(values)
        known = self._values.get(values)
        if known:
            count, created = count + known[0], min(created, known[1])
        self._values[values] = (count, created)

    def add_missed(self, count: int, since: float) -> None:
        """Add *count* calls of which nothing is known, so that the sum is exact."""
        if count:
            self.add((MISSED_COMM, *[""] * (self._width - 1)), count, since)

    def family(self) -> CounterMetricFamily:
        """Return what was added as a family with _total and _created."""
        family = CounterMetricFamily(
            self._name, self._documentation, labels=self._labels
        )
        family.samples.extend(self._samples())
        return family

    def _samples(self) -> Iterator[Sample]:
        total, first = f"{self._name}_total", f"{self._name}_created"
        for values, (count, created) in self._values.items():
            labels = dict(zip(self._labels, values, strict=True))
            yield Sample(total, labels, count)
            yield Sample(first, labels, created)


def _picker(
    kept: Sequence[int], width: int
) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Return what picks the *kept* ones of *width* values."""
    if len(kept) == width:
        return lambda values: values
    if len(kept) > 1:
        return itemgetter(*kept)
    return lambda values: tuple(values[i] for i in kept)


@dataclass(frozen=True, slots=True)
class Syscall:
    """
    How the calls of one probe are labelled.

    Attributes:
        probe: of hooks.SYSCALLS, and the first part of its families' names.
        title: what the families' help calls it.
        labels: names, comm first.
        values: a call to the values of *labels*.
    """

    probe: str
    title: str
    labels: tuple[str, ...]
    values: Callable[[Call], tuple[str, ...]]


class CallsCollector:
    """The families _calls and _errors of each of some system calls."""

    syscalls: tuple[Syscall, ...]

    def __init__(
        self, read: Callable[[], Snapshot], labelling: Labelling = PLAIN
    ) -> None:
        """Collect what *read* returns on each scrape."""
        self._read = read
        self._labelling = labelling

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yield the families without series."""
        return self._families(Snapshot(0, {}, (), ()))

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the families with one series for each label set counted so far."""
        return self._families(self._read())

    def _families(self, snapshot: Snapshot) -> Iterator[CounterMetricFamily]:
        for syscall in self.syscalls:
            calls, errors = self._series(syscall, snapshot)
            calls.add_missed(snapshot.missed(syscall.probe), snapshot.counting_since)
            yield calls.family()
            yield errors.family()

    def _series(self, syscall: Syscall, snapshot: Snapshot) -> tuple[Series, Series]:
        """Return the calls of *syscall* that were counted, and the failed ones."""
        calls = Series(
            f"{syscall.probe}_calls",
            f"{syscall.title} calls that returned, successes and failures.",
            syscall.labels,
            self._labelling,
        )
        errors = Series(
            f"{syscall.probe}_errors",
            f"{syscall.title} calls that failed, by errno.",
            (*syscall.labels, "errno"),
            self._labelling,
        )
        for call in snapshot.calls.get(syscall.probe, ()):
            values = syscall.values(call)
            more = self._labelling.values(call)
            calls.add((*values, *more), call.count, call.created)
            if call.errno:
                failed = (*values, errno_label(call), *more)
                errors.add(failed, call.count, call.created)
        return calls, errors


def errno_label(call: Call) -> str:
    """Return the errno's symbol; it is unknown when the map was full."""
    return "" if call.comm == OTHER_COMM else errno_name(call.errno)
