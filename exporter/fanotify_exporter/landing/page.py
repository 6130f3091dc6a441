"""
An overview in, the page for a person out.

The page is whole without its script, which only takes it again every few seconds and
puts the new figures in the place of the old. Comms are any user's bytes: what
element() did not make is escaped by it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path

from fanotify_exporter import __version__
from fanotify_exporter.landing.findings import Finding, absence, findings, whole
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    MARK_LIMIT,
    Caller,
    GroupOwner,
    Summary,
    User,
)


STYLE = Path(__file__).with_suffix(".css").read_text()
SCRIPT = Path(__file__).with_suffix(".js").read_text()

ERRORS = 3
"""As many errnos are named in a row."""

LEAST = 0.01
"""The least rate that shows with two decimals."""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
    "connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: our style, our script, and that it asks us again."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | Iterable["Content"]
"""Parts of an element, in any depth; a str that is no Markup is text for a person."""


def element(name: str, *content: Content, **attributes: str) -> Markup:
    """
    Return an element; an attribute may end in "_", so as to be no keyword.

    >>> element("p", "1 < 2", [element("b", "!")], class_="x")
    '<p class="x">1 &lt; 2<b>!</b></p>'
    """
    given = [f' {key.rstrip("_")}="{escape(text)}"' for key, text in attributes.items()]
    return Markup(f"<{name}{''.join(given)}>{_markup(content)}</{name}>")


def _markup(content: Content) -> str:
    if isinstance(content, str):
        return content if isinstance(content, Markup) else escape(content)
    return "".join(map(_markup, content))


HEAD = element(
    "head",
    Markup('<meta charset="utf-8">'),
    element("title", "fanotify-exporter"),
    Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
    Markup('<link rel="icon" href="data:,">'),  # or browsers ask for one
    element("style", Markup(STYLE)),
)


def render(overview: Summary, telemetry_path: str, now: float) -> str:
    """Return the page with a link to *telemetry_path*; *now* is Unix time."""
    body = element(
        "body",
        _header(
            {telemetry_path: "Metrics", "/-/healthy": "Health", "/-/ready": "Ready"}
        ),
        _main(overview, now),
        element("script", Markup(SCRIPT)),
    )
    return f"<!doctype html>{element('html', HEAD, body, lang='en')}\n"


def _header(links: dict[str, str]) -> Markup:
    silence = "No answer from the exporter: these figures are old."
    return element(
        "header",
        element("h1", "fanotify-exporter ", element("small", __version__)),
        element("nav", [element("a", text, href=path) for path, text in links.items()]),
        element("noscript", element("p", "Reload the page for new figures.")),
        element("p", silence, id="silence", class_="danger", role="status", hidden=""),
    )


def _main(overview: Summary, now: float) -> Markup:
    """Return what is new each time."""
    when = datetime.fromtimestamp(now, UTC)
    return element(
        "main",
        element("p", "As of ", element("time", f"{when:%Y-%m-%d %H:%M:%S} UTC")),
        element("ul", map(_notice, findings(overview))),
        element(
            "div",
            element("div", _callers(overview), _users(overview)),
            element("div", _holders(overview), _exporter(overview)),
            class_="tables",
        ),
    )


def _notice(finding: Finding) -> Markup:
    names = [(", ", _comm(name), f" ({has})") for name, has in finding.names]
    return element(
        "li",
        element("strong", finding.subject),
        (": ", names[0][1:], names[1:]) if names else "",
        " and others" if finding.others else "",
        f". {finding.text}",
        class_=finding.level,
    )


def _callers(overview: Summary) -> Markup:
    top = overview.callers
    return _table(
        "Who calls",
        [
            absence(overview, "mark_calls"),
            absence(overview, "init_calls"),
            f"Per second: over the last {duration(overview.seconds)}.",
            "Calls and those that failed: since counting began.",
            _more(top.more, "caller"),
        ],
        ("comm", "per second", "calls", "failed"),
        map(_caller, top.rows),
    )


def _caller(caller: Caller) -> Sequence[Content]:
    name = element("em", "all") if caller.comm is None else _comm(caller.comm)
    return (
        (name, " ", element("small", caller.call)),
        rate(caller.per_second),
        whole(caller.calls),
        failures(caller.errors),
    )


def _holders(overview: Summary) -> Markup:
    top = overview.holders
    return _table(
        "Groups and marks that exist now",
        [absence(overview, "groups"), _more(top.more, "program")],
        ("comm", "groups", "marks", "blocking"),
        map(_holder, top.rows),
    )


def _holder(holder: GroupOwner) -> Sequence[Content]:
    numbers = holder.groups, holder.marks, holder.blocking
    return (_comm(holder.comm), *map(whole, numbers))


def _users(overview: Summary) -> Markup:
    top = overview.users
    return _table(
        "Users against their limits",
        [
            absence(overview, "groups"),
            absence(overview, "limits"),
            _more(top.more, "user"),
        ],
        ("uid", "groups", "marks"),
        [_user(each, overview.limits) for each in top.rows],
    )


def _user(user: User, limits: Mapping[str, float]) -> Sequence[Content]:
    return (
        user.uid,
        _limited(user.groups, limits.get(GROUP_LIMIT), user.share_of_groups),
        _limited(user.marks, limits.get(MARK_LIMIT), user.share_of_marks),
    )


def _limited(number: float, limit: float | None, share: float) -> str:
    if limit is None:
        return whole(number)
    return f"{whole(number)} of {whole(limit)} ({share:.0%})"


def _exporter(overview: Summary) -> Markup:
    return _table("This exporter", [], ("part", "state"), _state(overview), "text")


def _state(overview: Summary) -> Iterator[Sequence[Content]]:
    for probe in overview.probes:
        state = "" if probe.attached else "not attached: "
        yield f"probe {probe.name}", (state, element("code", probe.hook))
    lost = [
        f"{whole(number)} {probe} ({reason})"
        for (probe, reason), number in overview.lost.items()
    ]
    yield "lost calls", ", ".join(lost) or "none"
    for name, (entries, most) in overview.maps.items():
        yield f"keys in {name}", f"{whole(entries)} of {whole(most)}"
    good = [name for name, did_well in overview.collectors.items() if did_well]
    yield "collectors that work", ", ".join(good) or "none"
    build = [f"{name} {text}" for name, text in overview.build.items()]
    yield "build", ", ".join(build) or "unknown"


def _table(
    caption: str,
    notes: Iterable[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Content]],
    kind: str = "number",
) -> Markup:
    """Return a table; a row's first cell says of what it is, others are of *kind*."""
    small = " ".join(filter(None, notes))
    return element(
        "table",
        element("caption", caption, element("small", small) if small else ""),
        element("thead", element("tr", _heads(columns, kind))),
        element("tbody", (element("tr", _cells(row, kind)) for row in rows)),
    )


def _heads(columns: Sequence[str], kind: str) -> Iterator[Markup]:
    first, *others = columns
    yield element("th", first, scope="col")
    for each in others:
        yield element("th", each, scope="col", class_=kind)


def _cells(row: Sequence[Content], kind: str) -> Iterator[Markup]:
    first, *others = row
    yield element("th", first, scope="row")
    for each in others:
        yield element("td", each, class_=kind)


def _comm(comm: str) -> Markup:
    """Return a comm for a cell: as it is, and not mixed with what is beside it."""
    return element("code", element("bdi", comm))


def _more(number: int, noun: str) -> str:
    return f"{whole(number, f'more {noun}')} not shown." if number else ""


def failures(errors: Mapping[str, float]) -> str:
    """Return how many calls got which errno, the most frequent ones by name."""
    named = list(errors.items())[:ERRORS]
    parts = [f"{whole(number)} {name or 'unknown'}" for name, number in named]
    others = sum(errors.values()) - sum(number for _, number in named)
    if others:
        parts.append(whole(others, "other"))
    return ", ".join(parts) or "0"


def rate(per_second: float) -> str:
    """Return a rate so that none above 0 looks like 0."""
    return "<0.01" if 0 < per_second < LEAST else f"{per_second:,.2f}"


def duration(seconds: float) -> str:
    """Return a time in the largest unit of which there are two."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
