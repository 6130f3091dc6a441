"""Choose the exposition format from a request's Accept header."""

from __future__ import annotations

import re

from fanotify_exporter.metrics.exposition import OPENMETRICS, TEXT, Format


def negotiate(accept: str) -> Format:
    """Return the format for an Accept header."""
    wanted = qualities(accept)
    openmetrics = wanted.get("application/openmetrics-text", 0.0)
    if openmetrics and openmetrics >= wanted.get("text/plain", 0.0):
        return OPENMETRICS
    return TEXT


def qualities(header: str) -> dict[str, float]:
    """
    Return the quality values (0 to 1) in an Accept or Accept-Encoding header.

    A malformed quality is 0. If a name is repeated, its highest quality counts.

    >>> qualities("gzip;q=0.5, br, *;q=no")
    {'gzip': 0.5, 'br': 1.0, '*': 0.0}
    """
    found: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        values = [part[2:] for part in parameters if part.startswith("q=")]
        well_formed = re.fullmatch(r"0(\.\d*)?|1(\.0*)?", values[0]) if values else None
        quality = float(values[0]) if well_formed else float(not values)
        found[name] = max(quality, found.get(name, 0.0))
    return found
