"""
Render the landing page from a summary.

The page is complete without its script, which only replaces the figures every few
seconds. A comm can be any bytes that a user chose, so the template escapes every
value; only the style and the script are inserted with `{% raw %}`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from tornado.template import Template

from fanotify_exporter import __version__
from fanotify_exporter.landing import findings, formatting
from fanotify_exporter.landing.findings import missing_reason
from fanotify_exporter.landing.formatting import format_count
from fanotify_exporter.landing.mounts import UnmarkedMounts
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    INSTANCE_LIMIT,
    MARK_LIMIT,
    WATCH_LIMIT,
    Summary,
)
from fanotify_exporter.landing.waits import Waits


REPOSITORY = "https://github.com/fanotify-exporter/fanotify-exporter"

# All files are read here, while the module is imported: a request opens no file, so
# the page does not depend on privileges or on an upgrade of the files.
_FOLDER = Path(__file__).parent
STYLE = (_FOLDER / "page.css").read_text()
SCRIPT = (_FOLDER / "page.js").read_text()
MARKUP = (_FOLDER / "page.html").read_text()


@cache
def _template() -> Template:
    """Return the compiled template, half a megabyte that only viewed pages need."""
    return Template(MARKUP, "page.html")


def _hash_source(text: str) -> str:
    """Return the source expression that lets a Content-Security-Policy allow *text*."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


# The Content-Security-Policy of the page. The page may run its own style and script,
# and its script may request the page again. Everything else is refused.
POLICY = (
    f"default-src 'none'; style-src {_hash_source(STYLE)}; "
    f"script-src {_hash_source(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render(  # noqa: PLR0913  what the page shows comes from three sources
    summary: Summary,
    telemetry_path: str,
    host: str,
    now: float,
    *,
    waits: Waits | None = None,
    unmarked: UnmarkedMounts | None = None,
) -> bytes:
    """
    Return the page as HTML.

    Args:
        telemetry_path: path of the metrics, for a link.
        host: host name, for the title.
        now: Unix time of the summary.
        waits: tasks that wait for permission listeners, None if not known.
        unmarked: mounts that programs which block do not cover, None if not known.
    """
    return _template().generate(
        style=STYLE,
        script=SCRIPT,
        version=__version__,
        repository=REPOSITORY,
        telemetry_path=telemetry_path,
        host=host,
        time=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}",
        summary=summary,
        findings=findings.find_all(summary),
        waits=waits,
        unmarked=unmarked,
        group_limit=summary.limits.get(GROUP_LIMIT),
        mark_limit=summary.limits.get(MARK_LIMIT),
        instance_limit=summary.inotify.limits.get(INSTANCE_LIMIT),
        watch_limit=summary.inotify.limits.get(WATCH_LIMIT),
        call_notes=_call_notes(summary),
        user_notes=_user_notes(summary),
        owner_notes=_owner_notes(summary),
        inotify_user_notes=_inotify_notes(summary, "user"),
        inotify_owner_notes=_inotify_notes(summary, "program"),
        states=_states(summary),
        format_count=format_count,
        format_errors=formatting.format_errors,
        format_rate=formatting.format_rate,
        format_usage=formatting.format_usage,
    )


def _call_notes(summary: Summary) -> str:
    duration = formatting.format_duration(summary.seconds)
    return _join(
        missing_reason(summary, "mark_calls"),
        missing_reason(summary, "init_calls"),
        f"Per second: average over the last {duration}.",
        "Calls and failed calls: since counting started.",
        _omitted(summary.callers.omitted, "caller"),
    )


def _user_notes(summary: Summary) -> str:
    return _join(
        missing_reason(summary, "groups"),
        missing_reason(summary, "limits"),
        _omitted(summary.users.omitted, "user"),
    )


def _owner_notes(summary: Summary) -> str:
    return _join(
        missing_reason(summary, "groups"),
        _omitted(summary.owners.omitted, "program"),
    )


def _inotify_notes(summary: Summary, noun: str) -> str:
    figures = summary.inotify
    of_users = noun == "user"
    rows = figures.users if of_users else figures.owners
    return _join(
        missing_reason(summary, "inotify"),
        missing_reason(summary, "limits") if of_users else "",
        _omitted(rows.omitted, noun),
    )


def _omitted(number: int, noun: str) -> str:
    return f"{format_count(number, f'more {noun}')} not shown." if number else ""


def _join(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _states(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the rows about the exporter below the probes: a part and its state."""
    lost = [
        f"{format_count(number)} {call} ({reason})"
        for (call, reason), number in summary.lost.items()
    ]
    yield from summary.limitations.items()
    yield "lost calls", ", ".join(lost) or "none"
    for name, (entries, maximum) in summary.maps.items():
        yield (
            f"entries in {name}",
            f"{format_count(entries)} of {format_count(maximum)}",
        )
    working = [name for name, succeeded in summary.collectors.items() if succeeded]
    yield "working collectors", ", ".join(working) or "none"
    build = [f"{name} {value}" for name, value in summary.build.items()]
    yield "build", ", ".join(build) or "unknown"
