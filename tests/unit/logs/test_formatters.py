"""Log lines: one line for each record, from which every value can be read back."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fanotify_exporter.logs.output import setup
from fanotify_exporter.options.flags import LOG_FORMATS, LOG_LEVELS
from fanotify_exporter.uapi.comm import comm_text


pytestmark = pytest.mark.usefixtures("root_logger")

Line = dict[str, str]

# Values that would break a line, a pair or a terminal if they were written as they are.
VALUES = {
    "plain": "plain",
    "empty": "",
    "words": "two words",
    "quotes": 'say "hi"',
    "equals": "a=b",
    "backslash": "back\\slash",
    "breaks": "\n\r\t\x85\u2028\x0b\x0c\x1c",
    "unicode": "\u00f8re \U0001f41f",
    "terminal": "\x00\x1b[2J\x7f",
    "bidi": "bidi\u202eoverride soft\u00adhyphen",
    "surrogate": "lone\udcffsurrogate",
    "forged": "msg=forged level=error",
    "format": "{} %s",
}


def parse_logfmt(line: str) -> Line:
    """Read ``key=value`` pairs back; the whole line must be such pairs."""
    pair = r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]+)'
    assert re.fullmatch(f"{pair}( {pair})*", line), line
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in re.findall(pair, line)
    }


def parse_json(line: str) -> Line:
    return {key: str(value) for key, value in json.loads(line).items()}


PARSERS = {"logfmt": parse_logfmt, "json": parse_json}


def lines_of(
    style: str, log: Callable[[logging.Logger], None], level: str = "debug"
) -> list[str]:
    """Return the lines that *log* writes."""
    stream = io.StringIO()
    setup(level, style, stream)
    log(logging.getLogger("test"))
    text = stream.getvalue()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def info(msg: str, **extra: object) -> Callable[[logging.Logger], None]:
    """Return a function that logs *msg* with the keys of *extra*."""
    return lambda log: log.info("%s", msg, extra=extra)


def line_of(style: str, log: Callable[[logging.Logger], None]) -> Line:
    (line,) = lines_of(style, log)
    assert line.isprintable()
    return PARSERS[style](line)


@pytest.fixture(params=LOG_FORMATS)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_keys_of_a_line(style: str) -> None:
    """A line has time, level, source and msg, as in Prometheus, and then the rest."""
    line = line_of(style, info("listening", address=":1"))
    assert ["time", "level", "source", "msg", "address"] == list(line)
    assert ("info", "listening", ":1") == (line["level"], line["msg"], line["address"])
    assert re.fullmatch(r"test_formatters\.py:\d+", line["source"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
    assert abs(age.total_seconds()) < 5


def test_values_read_back(style: str) -> None:
    """Each value is read back unchanged, from one line of printable characters."""
    for value in VALUES.values():
        assert value == line_of(style, info(value))["msg"]
    extra = VALUES | {"status": 404, "seconds": 0.25, "none": None, "why": OSError("a")}
    line = line_of(style, info("x", **extra))
    assert {key: str(value) for key, value in extra.items()} == {
        key: line[key] for key in extra
    }


@pytest.mark.parametrize(
    "comm", [b"x\nlevel=error a=", b'"} level=error', b"\xff\r\n", b"\xe2\x80\xa8a=b"]
)
def test_thread_name_cannot_forge_a_line(style: str, comm: bytes) -> None:
    """A hostile comm stays one value of one line, escaped before or not."""
    for text in (comm_text(comm), comm.decode(errors="surrogateescape")):
        line = line_of(style, info("x", comm=text))
        assert ["time", "level", "source", "msg", "comm"] == list(line)
        assert ("info", text) == (line["level"], line["comm"])


def test_json_keeps_numbers() -> None:
    """A number is a number in JSON."""
    (line,) = lines_of("json", info("x", status=404))
    assert 404 == json.loads(line)["status"]


def test_exception_is_on_the_line(style: str) -> None:
    """A traceback is one more value of the same line."""

    def fail(log: logging.Logger) -> None:
        try:
            int('no "such"\nnumber')
        except ValueError:
            log.exception("failed", extra={"collector": "mark_calls"})

    line = line_of(style, fail)
    assert ("error", "mark_calls") == (line["level"], line["collector"])
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert (
        r"""ValueError: invalid literal for int() with base 10: 'no "such"\nnumber'"""
    ) == line["exception"].splitlines()[-1]


def test_exception_with_causes(style: str) -> None:
    """A traceback names each place and each cause, and has no line of source code."""

    def fail(log: logging.Logger) -> None:
        try:
            try:
                int("first")
            except ValueError as error:
                raise RuntimeError("second") from error
        except RuntimeError:
            log.exception("failed")

    lines = line_of(style, fail)["exception"].splitlines()
    assert ["ValueError", "RuntimeError"] == [
        line.partition(":")[0] for line in lines if re.match(r"\w+Error: ", line)
    ]
    places = [line for line in lines if line.startswith("  ")]
    assert len(places) == len(lines) - 4
    for place in places:
        assert re.fullmatch(
            rf'  File "{re.escape(__file__)}", line \d+, in \S+\.fail', place
        )


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_level_and_above(style: str, level: str) -> None:
    """Each level of the flag logs records of its own level and above."""

    def log_all(log: logging.Logger) -> None:
        log.debug("x")
        log.info("x")
        log.warning("x")
        log.error("x")

    lines = lines_of(style, log_all, level)
    assert list(LOG_LEVELS[LOG_LEVELS.index(level) :]) == [
        PARSERS[style](line)["level"] for line in lines
    ]
