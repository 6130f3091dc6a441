"""
Collector of fanotify_mark(2) calls.

# TYPE fanotify_mark_calls_total counter
fanotify_mark_calls_total{comm="fatrace",action="add",mark_type="mount",
  flags="FAN_MARK_ADD|FAN_MARK_MOUNT",mask="FAN_OPEN|FAN_ONDIR"} 12
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.call_series import CallFamily, CallsCollector, Syscall
from fanotify_exporter.collectors.labels import PLAIN
from fanotify_exporter.uapi.fanotify import (
    MASK,
    UNNAMED_MASK,
    mark_flag_names,
    mark_kind,
    mask_names,
)


def mark_values(call: Call) -> tuple[str, ...]:
    """Return the label values. The flags and the mask are empty if the map was full."""
    kind = mark_kind(call.flags)
    if call.comm == OTHER_COMM:
        return (call.comm, *kind, "", "")
    flags, mask = mark_flag_names(call.flags), mask_names(call.mask)
    return (call.comm, *kind, flags, mask)


# Label bit of the mask bits without a name. Any user may set them, so they share one
# series and not one for each combination.
UNNAMED_BITS = "unknown"

# The values of the label bit, with the bits of the mask that each stands for.
BITS = {**{name: bit for bit, name in sorted(MASK.items())}, UNNAMED_BITS: UNNAMED_MASK}

FANOTIFY_MARK = Syscall(
    "fanotify_mark",
    "fanotify_mark(2)",
    ("comm", "action", "mark_type", "flags", "mask"),
    mark_values,
)


class MarkCallsCollector(CallsCollector):
    """Collector of fanotify_mark_{calls,errors,mask_bit_calls}_total."""

    syscalls = (FANOTIFY_MARK,)

    def _families(self, snapshot: Snapshot) -> Iterator[CallFamily]:
        yield from super()._families(snapshot)
        yield self._mask_bits(snapshot)

    def _mask_bits(self, snapshot: Snapshot) -> CallFamily:
        """
        Return the series by bit, without the caller: any user can invent callers.

        Their number is at most 4 actions by 4 mark types by len(BITS).
        """
        series = CallFamily(
            "fanotify_mark_mask_bit_calls",
            "fanotify_mark(2) calls whose mask had this bit. A call with three bits "
            "counts in three series.",
            ("action", "mark_type", "bit"),
            PLAIN,
            created=self._created,
        )
        by_kind: dict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in snapshot.calls.get(FANOTIFY_MARK.name, ()):
            by_kind[mark_kind(call.flags)].append(call)
        for kind, calls in by_kind.items():
            for name, bits in BITS.items():
                having = [call for call in calls if call.mask & bits]
                if having:
                    count = sum(call.count for call in having)
                    first = min(call.created for call in having)
                    series.add((*kind, name), count, first)
        return series
