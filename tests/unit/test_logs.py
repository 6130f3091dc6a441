"""Records in, one line each out, and the same values read back."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from fanotify_exporter import logs
from fanotify_exporter.uapi.comm import comm_text


pytestmark = pytest.mark.usefixtures("root_logger")

Line = dict[str, str]

VALUES = (
    "plain",
    "",
    " ",
    "two words",
    'say "hi"',
    "a=b",
    "back\\slash",
    "new\nline",
    "carriage\rreturn",
    "tab\t",
    "next\x85line\u2028separator\x0b\x0c\x1c",
    "soft\u00adhyphen",
    "\u00f8re \U0001f41f",
    "\x00\x1b[2J\x7f",
    "bidi\u202eoverride",
    "lone\udcffsurrogate",
    "msg=forged level=error",
    '"',
    "\\",
    "{}",
    "%s",
)


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
    """Return the lines that *log* leaves on the stream."""
    stream = io.StringIO()
    logs.setup(level, style, stream)
    log(logging.getLogger("test"))
    text = stream.getvalue()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def line_of(style: str, log: Callable[[logging.Logger], None]) -> Line:
    (line,) = lines_of(style, log)
    return PARSERS[style](line)


@pytest.fixture(params=logs.FORMATS)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_line_has_the_usual_keys_in_order(style: str) -> None:
    """A line starts as those of Prometheus' own programs: time, level, source, msg."""
    line = line_of(style, lambda log: log.info("listening", extra={"address": ":1"}))
    assert ["time", "level", "source", "msg", "address"] == list(line)
    assert "info" == line["level"]
    assert "listening" == line["msg"]
    assert ":1" == line["address"]
    assert re.fullmatch(r"test_logs\.py:\d+", line["source"])


def test_time_is_utc_with_milliseconds(style: str) -> None:
    """The time is the record's own, in UTC, to the millisecond."""
    line = line_of(style, lambda log: log.info("now"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])
    age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
    assert abs(age.total_seconds()) < 5


@pytest.mark.parametrize("value", VALUES)
def test_values_read_back(style: str, value: str) -> None:
    """Whatever a value holds, it is read back as it was, from one line."""
    line = line_of(style, lambda log: log.info("%s", value, extra={"each": value}))
    assert (value, value) == (line["msg"], line["each"])


@pytest.mark.parametrize("value", VALUES)
def test_lines_are_printable(style: str, value: str) -> None:
    """No value reaches a terminal as a control or a formatting character."""
    (line,) = lines_of(style, lambda log: log.info("x", extra={"each": value}))
    assert line.isprintable()


def log_comm(text: str, log: logging.Logger) -> None:
    log.info("x", extra={"comm": text})


@pytest.mark.parametrize(
    "comm", [b"x\nlevel=error a=", b'"} level=error', b"\xff\r\n", b"\xe2\x80\xa8a=b"]
)
def test_thread_name_cannot_forge_a_line(style: str, comm: bytes) -> None:
    """A hostile comm stays one value of one line, raw or made printable."""
    for text in (comm_text(comm), comm.decode(errors="surrogateescape")):
        line = line_of(style, partial(log_comm, text))
        assert ["time", "level", "source", "msg", "comm"] == list(line)
        assert ("info", text) == (line["level"], line["comm"])


def test_values_that_are_no_text(style: str) -> None:
    """Numbers, None and paths are written as they read."""
    extra = {"status": 404, "seconds": 0.25, "nothing": None, "error": OSError("a b")}
    line = line_of(style, lambda log: log.info("x", extra=extra))
    assert {
        "status": "404",
        "seconds": "0.25",
        "nothing": "None",
        "error": "a b",
    } == {key: line[key] for key in extra}


def test_json_keeps_numbers() -> None:
    """In JSON a number is a number."""
    (line,) = lines_of("json", lambda log: log.info("x", extra={"status": 404}))
    assert 404 == json.loads(line)["status"]


def test_exception_is_on_the_line(style: str) -> None:
    """A traceback is one more value of the same line."""

    def fail(log: logging.Logger) -> None:
        try:
            int('no "such"\nnumber')
        except ValueError:
            log.exception("failed", extra={"collector": "mark_calls"})

    line = line_of(style, fail)
    assert "error" == line["level"]
    assert "mark_calls" == line["collector"]
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert (
        r"""ValueError: invalid literal for int() with base 10: 'no "such"\nnumber'"""
    ) == line["exception"].splitlines()[-1]


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_level_and_above(style: str, level: str, seen: list[str]) -> None:
    """Each level logs itself and what is worse, by the name that the flag has."""

    def log_all(log: logging.Logger) -> None:
        log.debug("x")
        log.info("x")
        log.warning("x")
        log.error("x")

    lines = lines_of(style, log_all, level)
    assert seen == [PARSERS[style](line)["level"] for line in lines]


def test_every_level_is_one_of_the_flags() -> None:
    """The levels that the flag offers are those that were tested above."""
    assert ("debug", "info", "warn", "error") == logs.LEVELS


def test_setup_replaces_what_was_there(root_logger: logging.Logger) -> None:
    """A second setup leaves one handler: no line is written twice."""
    logs.setup("info", "json", io.StringIO())
    (line,) = lines_of("logfmt", lambda log: log.info("once"))
    assert "msg=once" in line
    assert 1 == len(root_logger.handlers)


def test_logs_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines go to stderr; stdout is for what was asked for."""
    logs.setup("info", "logfmt")
    logging.getLogger("test").info("here")
    captured = capsys.readouterr()
    assert "" == captured.out
    assert "here" == parse_logfmt(captured.err.rstrip("\n"))["msg"]
