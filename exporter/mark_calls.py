"""
Collector of fanotify_mark(2) calls.

# TYPE fanotify_mark_calls_total counter
fanotify_mark_calls_total{comm="fatrace",action="add",mark_type="mount",
  flags="FAN_MARK_ADD|FAN_MARK_MOUNT",mask="FAN_OPEN|FAN_ONDIR"} 12
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily
from prometheus_client.samples import Sample

from exporter import uapi
from exporter.maps import OTHER_COMM, Call, Snapshot


PROBE = "fanotify_mark"
MISSED = ("[other: not seen]", "", "", "", "")
"""Label values of calls that the kernel let no program see: the sum stays exact."""

MISSED_REASONS = ("no_entry", "recursion", "nmissed")
"""Of lost calls; another reason's count may hold other system calls too."""

KEY = ("comm", "action", "mark_type", "flags", "mask")
ERROR_KEY = (*KEY, "errno")
BIT_KEY = ("comm", "action", "mark_type", "bit")


class MarkCallsCollector:
    """fanotify_mark_calls_total, _errors_total and _mask_bit_calls_total."""

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        """Collect what *read* returns on each scrape."""
        self._read = read

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yield the families without series."""
        yield CounterMetricFamily(
            "fanotify_mark_calls",
            "fanotify_mark(2) calls that returned, successes and failures.",
            labels=KEY,
        )
        yield CounterMetricFamily(
            "fanotify_mark_errors",
            "fanotify_mark(2) calls that failed, by errno.",
            labels=ERROR_KEY,
        )
        yield CounterMetricFamily(
            "fanotify_mark_mask_bit_calls",
            "fanotify_mark(2) calls whose mask had this bit; "
            "a call with three bits counts in three series.",
            labels=BIT_KEY,
        )

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the families with one series for each label set counted so far."""
        calls, errors, bits = Series(), Series(), Series()
        snapshot = self._read()
        for call in snapshot.calls:
            labels = call_labels(call)
            calls.add(labels, call.count, call.created)
            if call.errno:
                errors.add((*labels, errno_label(call)), call.count, call.created)
            for bit in uapi.mask_bit_names(call.mask):
                bits.add((*labels[:3], bit), call.count, call.created)
        missed = sum(
            lost.count
            for lost in snapshot.lost
            if lost.probe == PROBE and lost.reason in MISSED_REASONS
        )
        if missed:
            calls.add(MISSED, missed, snapshot.since)
        families = zip(
            self.describe(),
            (calls, errors, bits),
            (KEY, ERROR_KEY, BIT_KEY),
            strict=True,
        )
        for family, series, names in families:
            family.samples.extend(series.samples(family.name, names))
            yield family


class Series:
    """Counts and first times by label values; equal label values are summed."""

    def __init__(self) -> None:
        """Start with no series."""
        self._values: dict[tuple[str, ...], tuple[int, float]] = {}

    def add(self, labels: tuple[str, ...], count: int, created: float) -> None:
        """Add *count* calls, the first of them at *created*, to a series."""
        known = self._values.get(labels)
        if known:
            count, created = count + known[0], min(created, known[1])
        self._values[labels] = (count, created)

    def samples(self, name: str, names: Sequence[str]) -> Iterator[Sample]:
        """Yield the _total and the _created of each series, label *names* given."""
        total, first = f"{name}_total", f"{name}_created"
        for values, (count, created) in self._values.items():
            labels = dict(zip(names, values, strict=True))
            yield Sample(total, labels, count)
            yield Sample(first, labels, created)


def call_labels(call: Call) -> tuple[str, str, str, str, str]:
    """Return the values of KEY; flags and mask are unknown when the map was full."""
    action, mark_type = uapi.mark_action(call.flags), uapi.mark_type(call.flags)
    if call.comm == OTHER_COMM:
        return call.comm, action, mark_type, "", ""
    flags, mask = uapi.mark_flag_names(call.flags), uapi.mask_names(call.mask)
    return call.comm, action, mark_type, flags, mask


def errno_label(call: Call) -> str:
    """Return the errno's symbol; it is unknown when the map was full."""
    return "" if call.comm == OTHER_COMM else uapi.errno_name(call.errno)
