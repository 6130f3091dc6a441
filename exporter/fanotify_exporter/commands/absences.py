"""What the landing page says about figures that are missing on this host."""

from __future__ import annotations

from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.landing.summary import Absence


def find_absences(source: WaitSource | None) -> dict[str, Absence]:
    """Return by collector why the landing page may lack its figures."""
    absences = {
        each.name: Absence(each.family, each.missing)
        for each in CATALOG
        if each.missing
    }
    if source and source.name == "none":
        family = absences["permission"].family
        absences["permission"] = Absence(family, f"on this host: {source.reason}")
    return absences


def find_limitations(programs: Programs, source: WaitSource | None) -> dict[str, str]:
    """Return by part what the collector permission lacks, for the landing page."""
    found = {}
    if programs.permission_reason:
        found["permission waits"] = f"not counted: {programs.permission_reason}"
    if source and source.name != "iterator":
        state = "from /proc" if source.name == "procfs" else "not seen"
        found["waiting tasks"] = f"{state}: {source.reason}"
    return found
