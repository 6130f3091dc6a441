"""The counter of accesses that no listener checked, which two collectors export."""

from __future__ import annotations

from fanotify_exporter.collectors.labels import Labelling, Picker
from fanotify_exporter.metrics.families import CounterFamily


def unchecked_accesses(
    labelling: Labelling, *, created: bool
) -> tuple[CounterFamily, Picker]:
    """
    Return the family without series, and the picker of its label values.

    The collector permission exports the reason ``listener_closed``, and the collector
    events ``queue_full``.
    """
    labels, pick = labelling.select(("comm", "reason"))
    family = CounterFamily(
        "fanotify_unchecked_accesses",
        "Accesses that went ahead without an answer of the listener. The reason "
        "queue_full needs the collector events.",
        labels,
        created=created,
    )
    return family, pick
