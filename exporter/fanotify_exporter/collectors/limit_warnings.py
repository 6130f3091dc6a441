"""
Log, once each: a map is full, calls were lost, a user reached a limit.

The metrics say the same, but a reader of the log may have no Prometheus. The warnings
are made from the families of scrapes, so they appear at the next scrape.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from fanotify_exporter.metrics.families import Family


log = logging.getLogger(__name__)

# Users that are named. Any number of users can reach a limit.
MAX_USERS = 100

# Lost calls without a warning, by reason. Calls that were in progress when the programs
# were attached have no entry. A full map has a warning of its own. Skipped runs for any
# system call of the host are hardly ever lost calls. Permission waits whose begin was
# not seen are counted, without their length.
TOLERATED = {
    "no_entry": 10.0,
    "no_begin": float("inf"),
    "map_full": float("inf"),
    "recursion_any_syscall": float("inf"),
}


class Limit(NamedTuple):
    """
    A gauge that can reach another gauge.

    Attributes:
        used: name of the gauge.
        maximum: name of the gauge with the limit.
        label: the label of *used* that tells the users of the limit apart.
        setting: the sysctl of the limit, if any.
        errno: the error of calls at the limit; fanotify_init(2), fanotify_mark(2),
            inotify_init(2), inotify_add_watch(2).
    """

    used: str
    maximum: str
    label: str
    setting: str = ""
    errno: str = ""


USER_LIMITS = (
    Limit(
        "fanotify_user_groups",
        "fanotify_user_groups_limit",
        "uid",
        "fs.fanotify.max_user_groups",
        "EMFILE",
    ),
    Limit(
        "fanotify_user_marks",
        "fanotify_user_marks_limit",
        "uid",
        "fs.fanotify.max_user_marks",
        "ENOSPC",
    ),
    Limit(
        "inotify_user_instances",
        "inotify_user_instances_limit",
        "uid",
        "fs.inotify.max_user_instances",
        "EMFILE",
    ),
    Limit(
        "inotify_user_watches",
        "inotify_user_watches_limit",
        "uid",
        "fs.inotify.max_user_watches",
        "ENOSPC",
    ),
)
MAPS = Limit(
    "fanotify_exporter_map_entries", "fanotify_exporter_map_max_entries", "map"
)
# By map: the warning if the map is full, and the flag that sets the size of the map.
_CALLS_TOGETHER = (
    "a map is full: calls with new keys are counted together, as [other: map full]. "
    "Find the program with most keys, or raise the flag"
)
FULL_MAPS: dict[str, tuple[str, dict[str, str]]] = {
    "calls_privileged": (_CALLS_TOGETHER, {"flag": "--bpf.max-entries"}),
    "calls_user": (_CALLS_TOGETHER, {"flag": "--bpf.max-user-entries"}),
    "inotify_add_watch": (
        "a map is full: callers of inotify_add_watch are [other: map full] from now on",
        {},
    ),
    "permission_groups": (
        "a map is full: waits for new listeners are counted as [other: map full]",
        {},
    ),
    "permission_waits": (
        "a map is full: waits that begin now are counted without their length",
        {},
    ),
    "event_groups": (
        "a map is full: events of new groups are counted as [other: map full]",
        {},
    ),
}
LOST = "fanotify_exporter_lost_calls"

OBSERVED = {MAPS.used, MAPS.maximum, LOST} | {
    name for limit in USER_LIMITS for name in (limit.used, limit.maximum)
}

# Values by labels.
Values = Mapping[tuple[tuple[str, str], ...], float]


class LimitWarnings:
    """The warnings that were not yet given."""

    def __init__(self) -> None:
        """Start with no warning given."""
        self._latest: dict[str, Values] = {}
        self._given: set[Hashable] = set()
        self._users = 0

    def observe(self, families: Iterable[Family]) -> None:
        """Look at the families of one collector, and warn about what is new."""
        seen = [family for family in families if family.name in OBSERVED]
        for family in seen:
            self._latest[family.name] = {
                tuple(sample.labels.items()): sample.value for sample in family.samples
            }
        if seen:
            self._warn_of_maps()
            self._warn_of_lost_calls()
            self._warn_of_users()

    def _warn_of_maps(self) -> None:
        for name, entries in self._reached(MAPS):
            if self._is_new((MAPS, name)):
                text, flag = FULL_MAPS[name]
                log.warning(text, extra={"map": name, "entries": entries, **flag})

    def _warn_of_lost_calls(self) -> None:
        for labels, count in self._latest.get(LOST, {}).items():
            names = dict(labels)
            tolerated = TOLERATED.get(names["reason"], 0.0)
            if count > tolerated and self._is_new((LOST, labels)):
                log.warning(
                    "calls were not counted under their caller: see the metric "
                    "fanotify_exporter_lost_calls_total",
                    extra={**names, "calls": round(count)},
                )

    def _warn_of_users(self) -> None:
        for limit in USER_LIMITS:
            for uid, used in self._reached(limit):
                if (
                    uid.isdecimal()  # no sum over many users
                    and self._users < MAX_USERS
                    and self._is_new((limit, uid))
                ):
                    self._users += 1
                    log.warning(
                        "a user reached a limit: the user's next calls fail",
                        extra={
                            "uid": uid,
                            "used": used,
                            "limit": limit.maximum,
                            "sysctl": limit.setting,
                            "errno": limit.errno,
                        },
                    )

    def _reached(self, limit: Limit) -> Iterator[tuple[str, int]]:
        """Yield the label and the value of the gauges that are at their limit."""
        maximum = self._latest.get(limit.maximum, {})
        for labels, value in self._latest.get(limit.used, {}).items():
            # The limit of users is the same for all and has no label.
            most = maximum.get(labels, maximum.get((), float("inf")))
            if value >= most:
                yield dict(labels)[limit.label], round(value)

    def _is_new(self, warning: Hashable) -> bool:
        """Return True for the first call with *warning*."""
        is_new = warning not in self._given
        self._given.add(warning)
        return is_new
