"""Sum counted calls by label values, into counter families."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.metrics.families import CounterFamily
from fanotify_exporter.uapi.errnos import errno_name


# Label comm of calls that no BPF program saw. A comm has at most 15 bytes, so no thread
# can have this name.
MISSED_COMM = "[other: not seen]"


class CallFamily(CounterFamily):
    """The series of one counter family of calls."""

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
        kept, self._pick = labelling.select(labels)
        super().__init__(name, documentation, kept, created=created)
        self._width = len(labels) + len(labelling.names)

    def add(self, values: tuple[str, ...], count: int, first: float) -> None:
        """Add *count* calls, the first of them at Unix time *first*; drop labels."""
        super().add(self._pick(values), count, first)

    def add_missed(self, count: int, since: float) -> None:
        """Add *count* calls with no known labels, so that the sum is exact."""
        if count:
            self.add((MISSED_COMM, *[""] * (self._width - 1)), count, since)


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

    def describe(self) -> Iterator[CallFamily]:
        """Yield the families without series."""
        return self._families(Snapshot(0, {}, (), ()))

    def collect(self) -> Iterator[CallFamily]:
        """Yield the families with a series for each set of labels counted so far."""
        return self._families(self._read())

    def _families(self, snapshot: Snapshot) -> Iterator[CallFamily]:
        for syscall in self.syscalls:
            calls, errors = self._series(syscall, snapshot)
            calls.add_missed(snapshot.missed(syscall.name), snapshot.counting_since)
            yield calls
            yield errors

    def _series(
        self, syscall: Syscall, snapshot: Snapshot
    ) -> tuple[CallFamily, CallFamily]:
        """Return the families of all calls of *syscall*, and of the failed calls."""
        calls = CallFamily(
            f"{syscall.name}_calls",
            f"{syscall.title} calls that returned, successful or not.",
            syscall.labels,
            self._labelling,
            created=self._created,
        )
        errors = CallFamily(
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
