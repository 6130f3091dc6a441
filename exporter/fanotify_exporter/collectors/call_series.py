"""Sum counted calls by label values, into counter families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from prometheus_client.core import CounterMetricFamily
from prometheus_client.samples import Sample

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.uapi.errnos import errno_name


# Label comm of calls that no BPF program saw. A comm has at most 15 bytes, so no thread
# can have this name.
MISSED_COMM = "[other: not seen]"


class Series:
    """The series of one counter family: counts and first times by label values."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        labelling: Labelling,
        *,
        created: bool = False,
    ) -> None:
        """Start with no series. With *created* the family has ``_created`` samples."""
        self._name = name
        self._documentation = documentation
        wide = (*labels, *labelling.names)
        kept = [i for i, label in enumerate(wide) if label not in labelling.dropped]
        self._labels = tuple(wide[i] for i in kept)
        self._pick = _picker(kept, len(wide))
        self._width = len(wide)
        self._counts: dict[tuple[str, ...], int] = {}
        self._created: dict[tuple[str, ...], float] | None = {} if created else None

    def add(self, values: tuple[str, ...], count: int, created: float) -> None:
        """Add *count* calls to a series, the first of them at Unix time *created*."""
        values = self._pick(values)
        self._counts[values] = self._counts.get(values, 0) + count
        if self._created is not None:
            self._created[values] = min(created, self._created.get(values, created))

    def add_missed(self, count: int, since: float) -> None:
        """Add *count* calls with no known labels, so that the sum is exact."""
        if count:
            self.add((MISSED_COMM, *[""] * (self._width - 1)), count, since)

    def family(self) -> CounterMetricFamily:
        """Return the series as a family."""
        family = CounterMetricFamily(
            self._name, self._documentation, labels=self._labels
        )
        family.samples.extend(self._samples())
        return family

    def _samples(self) -> Iterator[Sample]:
        total, first = f"{self._name}_total", f"{self._name}_created"
        for values, count in self._counts.items():
            labels = dict(zip(self._labels, values, strict=True))
            yield Sample(total, labels, count)
            if self._created is not None:
                yield Sample(first, labels, self._created[values])


def _picker(
    kept: Sequence[int], width: int
) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Return a function that keeps the values at the positions *kept* of *width*."""
    if len(kept) == width:
        return lambda values: values
    if len(kept) > 1:
        return itemgetter(*kept)
    return lambda values: tuple(values[i] for i in kept)


@dataclass(frozen=True, slots=True)
class Syscall:
    """
    The labels of the calls of one system call.

    Attributes:
        name: one of bpf.loaded.SYSCALLS, and the prefix of the families' names.
        title: the system call's name in HELP texts.
        labels: label names, comm first.
        values: returns the values of *labels* for a call.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    values: Callable[[Call], tuple[str, ...]]


class CallsCollector:
    """Collector of the families ``_calls`` and ``_errors`` of *syscalls*."""

    syscalls: tuple[Syscall, ...]

    def __init__(
        self,
        read: Callable[[], Snapshot],
        labelling: Labelling = PLAIN,
        *,
        created: bool = False,
    ) -> None:
        """
        Collect the snapshot that *read* returns on each scrape.

        Args:
            created: whether the families have ``_created`` samples.
        """
        self._read = read
        self._labelling = labelling
        self._created = created

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yield the families without series."""
        return self._families(Snapshot(0, {}, (), ()))

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the families with a series for each set of labels counted so far."""
        return self._families(self._read())

    def _families(self, snapshot: Snapshot) -> Iterator[CounterMetricFamily]:
        for syscall in self.syscalls:
            calls, errors = self._series(syscall, snapshot)
            calls.add_missed(snapshot.missed(syscall.name), snapshot.counting_since)
            yield calls.family()
            yield errors.family()

    def _series(self, syscall: Syscall, snapshot: Snapshot) -> tuple[Series, Series]:
        """Return the series of all calls of *syscall*, and of the failed calls."""
        calls = Series(
            f"{syscall.name}_calls",
            f"{syscall.title} calls that returned, successful or not.",
            syscall.labels,
            self._labelling,
            created=self._created,
        )
        errors = Series(
            f"{syscall.name}_errors",
            f"{syscall.title} calls that failed, by errno.",
            (*syscall.labels, "errno"),
            self._labelling,
            created=self._created,
        )
        for call in snapshot.calls.get(syscall.name, ()):
            values = syscall.values(call)
            more = self._labelling.values(call)
            calls.add((*values, *more), call.count, call.created)
            if call.errno:
                failed = (*values, errno_label(call), *more)
                errors.add(failed, call.count, call.created)
        return calls, errors


def errno_label(call: Call) -> str:
    """Return the symbol of the errno, empty (unknown) if the map was full."""
    return "" if call.comm == OTHER_COMM else errno_name(call.errno)
