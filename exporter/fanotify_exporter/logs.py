"""Format log lines as logfmt or JSON, with the keys that Prometheus uses."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO


# Attributes of every record. All others come from the argument *extra*.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def setup(level: str, style: str, stream: TextIO | None = None) -> None:
    """Write records of *level* and above to *stream* (default: stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the keys and values of a line: time, level, source, msg, then *extra*."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(
            timespec="milliseconds"
        ),
        "level": record.levelname.lower().replace("warning", "warn"),
        "source": f"{record.module}.py:{record.lineno}",
        "msg": record.getMessage(),
    }
    line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
    if record.exc_info and record.exc_info[1]:
        line["exception"] = traceback_text(record.exc_info[1])
    return line


def traceback_text(error: BaseException) -> str:
    """
    Return the traceback of *error* and of its causes, without lines of source files.

    The traceback module opens source files (linecache). An open may wait for a
    permission listener (fanotify(7)) that does not answer.
    """
    return "\n".join(text for each in _causes(error) for text in _lines(each))


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return *error* after the exceptions that it was raised from, oldest first."""
    found: list[BaseException] = []
    while error and error not in found:
        found.insert(0, error)
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return found


def _lines(error: BaseException) -> Iterator[str]:
    yield "Traceback (most recent call last):"
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        yield f'  File "{code.co_filename}", line {line}, in {code.co_qualname}'
    yield "".join(traceback.format_exception_only(error)).rstrip("\n")


class JsonFormatter(logging.Formatter):
    """Format a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(fields(record), default=str)


class LogfmtFormatter(logging.Formatter):
    """Format a record as ``key=value`` pairs, with values quoted as in JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{k}={_quoted(v)}" for k, v in fields(record).items())


def _quoted(value: object) -> str:
    """Return *value* as text, quoted unless it is one printable word."""
    text = str(value)
    plain = text.isprintable() and re.fullmatch(r"[^\s\"=\\]+", text)
    return text if plain else json.dumps(text)
