"""The command line: the only reader of argv."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence

from fanotify_exporter.bpf import pins
from fanotify_exporter.commands import serve as app
from fanotify_exporter.commands.check import as_json, as_text, check
from fanotify_exporter.commands.healthcheck import healthcheck
from fanotify_exporter.errors import ExporterError, UsageError
from fanotify_exporter.options import DEFAULT_ADDRESS, build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        arguments = build_parser().parse(
            sys.argv[1:] if argv is None else argv, os.environ
        )
        if arguments.command == "check":
            return preflight(arguments)
        if arguments.command == "unpin":
            return unpin(arguments)
        if arguments.command == "healthcheck":
            addresses = vars(arguments).get("web.listen_address", [DEFAULT_ADDRESS])
            healthcheck(addresses[0])
            return 0
        app.serve(vars(arguments))
    except ExporterError as error:
        print(f"fanotify-exporter: {one_line(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    return 0


def preflight(arguments: argparse.Namespace) -> int:
    """Print what this machine offers; return 0 if the exporter would run, else 1."""
    options = vars(arguments)
    report = check(options["bpf.hook"], options["path.sysfs"])
    print(as_json(report) if arguments.json else as_text(report))
    return 0 if report.chosen else 1


def unpin(arguments: argparse.Namespace) -> int:
    """Remove what --bpf.pin left in the kernel."""
    directory = vars(arguments)["bpf.pin"]
    if not directory:
        raise UsageError("unpin needs --bpf.pin=DIR, as the exporter was started with")
    with pins.locked(directory):
        removed = pins.unpin(directory)
    print(f"removed {removed} set(s) of pinned programs from {directory}")
    return 0


def one_line(text: str) -> str:
    r"""Escape control characters, so that *text* stays one line: a\nb."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], text)
