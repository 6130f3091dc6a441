"""
Collector of fanotify_mark(2) calls.

# TYPE fanotify_mark_calls_total counter
fanotify_mark_calls_total{comm="fatrace",action="add",mark_type="mount",
  flags="FAN_MARK_ADD|FAN_MARK_MOUNT",mask="FAN_OPEN|FAN_ONDIR"} 12
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.call_series import CallsCollector, Series, Syscall
from fanotify_exporter.uapi.fanotify import (
    mark_flag_names,
    mark_kind,
    mask_bit_names,
    mask_names,
)


def mark_values(call: Call) -> tuple[str, ...]:
    """Return the label values. The flags and the mask are empty if the map was full."""
    kind = mark_kind(call.flags)
    if call.comm == OTHER_COMM:
        return (call.comm, *kind, "", "")
    flags, mask = mark_flag_names(call.flags), mask_names(call.mask)
    return (call.comm, *kind, flags, mask)


FANOTIFY_MARK = Syscall(
    "fanotify_mark",
    "fanotify_mark(2)",
    ("comm", "action", "mark_type", "flags", "mask"),
    mark_values,
)


class MarkCallsCollector(CallsCollector):
    """Collector of fanotify_mark_{calls,errors,mask_bit_calls}_total."""

    syscalls = (FANOTIFY_MARK,)

    def _families(self, snapshot: Snapshot) -> Iterator[CounterMetricFamily]:
        yield from super()._families(snapshot)
        yield self._mask_bits(snapshot).family()

    def _mask_bits(self, snapshot: Snapshot) -> Series:
        series = Series(
            "fanotify_mark_mask_bit_calls",
            "fanotify_mark(2) calls whose mask had this bit. A call with three bits "
            "counts in three series.",
            ("comm", "action", "mark_type", "bit"),
            self._labelling,
        )
        for call in snapshot.calls.get(FANOTIFY_MARK.name, ()):
            values = (call.comm, *mark_kind(call.flags))
            more = self._labelling.values(call)
            for bit in mask_bit_names(call.mask):
                series.add((*values, bit, *more), call.count, call.created)
        return series
