"""The command line: choose the command, run it, return the exit status."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module

from fanotify_exporter.errors import ExporterError, UsageError
from fanotify_exporter.options.parser import (
    COMMANDS,
    PROGRAM,
    SERVE,
    Parser,
    suggest,
)
from fanotify_exporter.system.signals import STOP_SIGNALS
from fanotify_exporter.system.standard_streams import open_closed_streams


# Exit status that shells report for a program that SIGINT ended: 128 + 2.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if not has_command(words):
        STOP_SIGNALS.install()
    open_closed_streams()
    try:
        return parse(words, os.environ)()
    except ExporterError as error:
        print(f"{PROGRAM}: {one_line(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED


def has_command(argv: Sequence[str]) -> bool:
    """Return whether *argv* begins with a command word. Without one it serves."""
    return bool(argv) and not argv[0].startswith("-")


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Callable[[], int]:
    """
    Return the function that runs the command of *argv* with its options.

    Only the module of that command is imported.

    Raises:
        UsageError: there is no such command, or a flag or variable cannot be used.
    """
    named = has_command(argv)
    command = argv[0] if named else SERVE
    if named and command not in COMMANDS:
        raise UsageError(
            f"{command!r} is not a command{suggest(command, COMMANDS)}: "
            f"use {', '.join(COMMANDS)}, or no command to serve; see {PROGRAM} --help"
        )
    module = import_module(f"fanotify_exporter.commands.{command}")
    parser = Parser(command)
    build = module.add_flags(parser)
    options = build(parser.parse(argv[named:], environ))
    return partial(module.run, options)


def one_line(text: str) -> str:
    r"""Escape control characters, so that *text* stays one line: a\nb."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], text)
