"""Log lines as logfmt or JSON, with the keys of Prometheus' own exporters."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, TextIO


LEVELS: Final = ("debug", "info", "warn", "error")
FORMATS: Final = ("logfmt", "json")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def setup(level: str, style: str, stream: TextIO | None = None) -> None:
    """Log *level* and above of everything to *stream* (stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what a line says: time, level, source, msg, then the extra keys."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(
            timespec="milliseconds"
        ),
        "level": record.levelname.lower().replace("warning", "warn"),
        "source": f"{record.module}.py:{record.lineno}",
        "msg": record.getMessage(),
    }
    line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
    if record.exc_info:
        line["exception"] = logging.Formatter().formatException(record.exc_info)
    return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(fields(record), default=str)


class LogfmtFormatter(logging.Formatter):
    """``key=value`` pairs; a value is quoted as JSON unless it is one plain word."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{k}={_plain(v)}" for k, v in fields(record).items())


def _plain(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and re.fullmatch(r"[^\s\"=\\]+", text)
    return text if plain else json.dumps(text)
