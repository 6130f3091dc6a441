"""Tracebacks as text, made without opening a file."""

from __future__ import annotations

import traceback
from collections.abc import Iterator


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
