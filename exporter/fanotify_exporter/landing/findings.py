"""An overview in, out what in it a person must not miss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from fanotify_exporter.landing.summary import GROUP_LIMIT, MARK_LIMIT, Summary, User


NEAR = 0.8
"""A larger share of a limit or a map is worth a word; that of the alerts' settings."""

NAMES = 3
"""As many are named in a sentence."""

LEVELS = ("danger", "warning", "note", "good")

REASONS = {
    "map_full": "the map of keys was full",
    "recursion": "the kernel skipped the program that counts",
    "nmissed": "too many calls slept at the same time",
    "no_entry": "their start was not seen",
}
"""Why the caller of a call is not known. Other reasons count other calls too."""

FAMILIES = {
    "mark_calls": "fanotify_mark_calls",
    "init_calls": "fanotify_init_calls",
    "groups": "fanotify_groups",
    "limits": GROUP_LIMIT,
}
"""What there is once a collector has had its first look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that a person must not miss.

    Attributes:
        level: one of LEVELS, the worst first; a note says what is not known.
        subject: what it is, in a few words.
        text: what that means, a sentence.
        names: comms, each with what it has, that belong behind the subject.
        others: whether there are more of them.
    """

    level: Literal["danger", "warning", "note", "good"]
    subject: str
    text: str
    names: tuple[tuple[str, str], ...] = ()
    others: bool = False


GOOD = Finding(
    "good",
    "All is well",
    "No program can block others, no limit is near, every call has its caller.",
)


def findings(overview: Summary) -> list[Finding]:
    """Return what there is to say, the worst first."""
    found = chain(
        _probes(overview),
        _collectors(overview),
        _blocking(overview),
        _unknown(overview),
        _users(overview),
        _maps(overview),
        _lost(overview),
    )
    return sorted(found, key=lambda finding: LEVELS.index(finding.level)) or [GOOD]


def absence(overview: Summary, collector: str) -> str:
    """Return why *collector*'s figures are not there; nothing if they are."""
    if collector not in overview.collectors:
        return f"Not collected: the collector {collector} is off."
    if not overview.collectors[collector]:
        return f"Not known: the collector {collector} failed; the log says why."
    if FAMILIES[collector] not in overview.families:
        if collector == "limits":
            return "Not known: this kernel does not tell its limits."
        return "Not known yet: the first look at all processes is not done."
    return ""


def whole(number: float, noun: str = "", plural: str = "s") -> str:
    """Return a count for people, of things if there is a *noun*: "1 mark"."""
    text = f"{number:,.0f}"
    return f"{text} {noun}{'' if number == 1 else plural}" if noun else text


def _probes(overview: Summary) -> Iterator[Finding]:
    for probe in overview.probes:
        if not probe.attached:
            yield Finding(
                "danger",
                f"Not attached: {probe.hook}",
                f"Calls of {probe.name} are not counted.",
            )


def _collectors(overview: Summary) -> Iterator[Finding]:
    for name, did_well in overview.collectors.items():
        if not did_well:
            yield Finding(
                "danger",
                f"Failed: the collector {name}",
                "Its figures are missing, here and in the metrics; the log says why.",
            )


def _unknown(overview: Summary) -> Iterator[Finding]:
    subjects = {
        "groups": "It is not known who can block others",
        "limits": "It is not known how near limits are",
    }
    for collector, subject in subjects.items():
        why = absence(overview, collector)
        if why:
            yield Finding("note", subject, why)
    if overview.unreadable:
        yield Finding(
            "note",
            f"Refused to be looked at: {whole(overview.unreadable, 'process', 'es')}",
            "Groups that only such a process has are not seen.",
        )


def _blocking(overview: Summary) -> Iterator[Finding]:
    holders = [each for each in overview.holders.rows if each.blocking]
    names = [(each.comm, whole(each.blocking, "blocking mark")) for each in holders]
    if names:
        yield Finding(
            "warning",
            "These can block others",
            "Who opens a file that such a program has marked waits for its answer.",
            tuple(names[:NAMES]),
            others=len(names) > NAMES,
        )


def _users(overview: Summary) -> Iterator[Finding]:
    limits = overview.limits
    for user in overview.users.rows:
        if user.share_of_groups > NEAR:
            yield _limit(user, user.groups, limits[GROUP_LIMIT], "group")
        if user.share_of_marks > NEAR:
            yield _limit(user, user.marks, limits[MARK_LIMIT], "mark")


def _limit(user: User, number: float, limit: float, noun: str) -> Finding:
    subject = f"User {user.uid} has {whole(number)} of {whole(limit, noun)}"
    if number >= limit:
        return Finding("danger", subject, f"The kernel refuses another {noun}.")
    return Finding("warning", subject, f"The kernel refuses more than {whole(limit)}.")


def _maps(overview: Summary) -> Iterator[Finding]:
    for name, (entries, most) in overview.maps.items():
        if entries > NEAR * most:
            yield Finding(
                "warning",
                f"{whole(entries)} of {whole(most, 'key')} taken in the map {name}",
                "What does not fit is counted without its caller; --bpf.max-entries "
                "makes room.",
            )


def _lost(overview: Summary) -> Iterator[Finding]:
    lost = {kind: n for kind, n in overview.lost.items() if kind[1] in REASONS}
    if lost:
        why = "; ".join(
            f"{whole(number)} of {probe}, {REASONS[reason]}"
            for (probe, reason), number in lost.items()
        )
        yield Finding(
            "warning",
            f"{whole(sum(lost.values()), 'call')} without a caller",
            f"They are counted, but not by who made them: {why}.",
        )
