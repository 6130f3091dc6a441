"""
Encode metric families, faster than prometheus-client and in pieces.

prometheus-client spends most of a large scrape on checking and escaping metric and
label names, which are constants here. Tests compare the bytes with those of
prometheus-client. Only counters, gauges and classic histograms are encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import (
    CONTENT_TYPE_LATEST as OPENMETRICS_CONTENT_TYPE,
)
from prometheus_client.utils import floatToGoString

from fanotify_exporter.metrics.families import CounterFamily, Family


# Characters of a piece, except for one line more. A smaller piece costs time, a larger
# one memory.
PIECE_CHARS = 65_536


class Format(NamedTuple):
    """
    An exposition format.

    Attributes:
        content_type: value of the header Content-Type.
        openmetrics: True for OpenMetrics 1.0.0, False for the Prometheus text format
            0.0.4. The latter has no ``_created`` samples: Prometheus would store each
            as a series of its own. The name of a counter in HELP and TYPE differs.
        end: what follows the last family.
    """

    content_type: str
    openmetrics: bool
    end: bytes

    def encode(self, family: Family) -> Iterator[bytes]:
        """Yield *family* in pieces of whole lines."""
        piece: list[str] = []
        length = 0
        for line in self._lines(family):
            piece.append(line)
            length += len(line)
            if length >= PIECE_CHARS:
                yield "".join(piece).encode()
                piece.clear()
                length = 0
        yield "".join(piece).encode()

    def _lines(self, family: Family) -> Iterator[str]:
        total = family.type == "counter" and not self.openmetrics
        name = f"{family.name}_total" if total else family.name
        text = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"
        if isinstance(family, CounterFamily):
            yield from self._counter_lines(family)
        else:
            yield from self._sample_lines(family)

    def _sample_lines(self, family: Family) -> Iterator[str]:
        without = "" if self.openmetrics else f"{family.name}_created"
        for name, labels, value, *_ in family.samples:
            if name != without:
                yield f"{name}{_labels(labels) if labels else ''} {_number(value)}\n"

    def _counter_lines(self, family: CounterFamily) -> Iterator[str]:
        order = sorted(range(len(family.labels)), key=family.labels.__getitem__)
        names = ",".join(f'{family.labels[place]}="%s"' for place in order)
        template = f"{{{names}}}" if names else ""
        first = family.first if self.openmetrics else None
        for values, count in family.counts.items():
            labels = template % tuple([_escape(values[place]) for place in order])
            yield f"{family.name}_total{labels} {_number(count)}\n"
            if first is not None:
                yield f"{family.name}_created{labels} {_number(first[values])}\n"


TEXT = Format(CONTENT_TYPE_PLAIN_0_0_4, openmetrics=False, end=b"")
OPENMETRICS = Format(OPENMETRICS_CONTENT_TYPE, openmetrics=True, end=b"# EOF\n")


def _labels(labels: Mapping[str, str]) -> str:
    pairs = [f'{name}="{_escape(labels[name])}"' for name in sorted(labels)]
    return "{" + ",".join(pairs) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
