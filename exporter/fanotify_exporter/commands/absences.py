"""What the landing page says about figures that are missing on this host."""

from __future__ import annotations

from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands.live_sources import LiveSources
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.landing.summary import Absence


def find_absences(live: LiveSources) -> dict[str, Absence]:
    """Return by collector why the landing page may lack its figures."""
    absences = {
        each.name: Absence(each.family, each.missing)
        for each in CATALOG
        if each.missing
    }
    if live.waits and live.waits.name == "none":
        family = absences["permission"].family
        absences["permission"] = Absence(family, f"on this host: {live.waits.reason}")
    return absences


def find_limitations(programs: Programs, live: LiveSources) -> dict[str, str]:
    """Return by part what is not exact or not known here, for the landing page."""
    found = {}
    if programs.permission_reason:
        found["permission waits"] = f"not counted: {programs.permission_reason}"
    if programs.events_reason:
        found["events"] = f"not counted: {programs.events_reason}"
    if live.waits and live.waits.name != "iterator":
        state = "from /proc" if live.waits.name == "procfs" else "not seen"
        found["waiting tasks"] = f"{state}: {live.waits.reason}"
    if live.groups and live.groups.name != "iterator":
        found["groups and inotify instances"] = f"from /proc: {live.groups.reason}"
    if live.calls and live.calls.name != "iterator":
        found["calls in progress"] = f"from /proc: {live.calls.reason}"
    return found
