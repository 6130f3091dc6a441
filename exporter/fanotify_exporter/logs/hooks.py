"""Log bugs that the interpreter would print to stderr with lines of source files."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


log = logging.getLogger(__name__)


@contextmanager
def logging_bugs() -> Iterator[None]:
    """
    Within the block, log exceptions that nothing catches, and warnings of Python.

    By default the interpreter writes these to stderr from the thread that has the bug,
    and opens source files. Both may wait.
    """
    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = _log_unraisable
    warnings.showwarning = _log_warning
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook, warnings.showwarning = before


def _log_end_of_thread(bug: threading.ExceptHookArgs) -> None:
    name = bug.thread.name if bug.thread else "unknown"
    log.error("thread ended", exc_info=bug.exc_value, extra={"thread_name": name})


def _log_unraisable(bug: sys.UnraisableHookArgs) -> None:
    log.error("exception ignored", exc_info=bug.exc_value)


def _log_warning(  # noqa: PLR0913, PLR0917  the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    place = f"{filename}:{lineno}"
    log.warning("%s: %s", category.__name__, message, extra={"place": place})
