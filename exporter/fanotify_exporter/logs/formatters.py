"""Format log lines as logfmt or JSON, with the keys that Prometheus uses."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from fanotify_exporter.logs.tracebacks import traceback_text


# Attributes of every record. All others come from the argument *extra*.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


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
