"""Remove the programs that --bpf.pin left in the kernel."""

from __future__ import annotations

from fanotify_exporter.bpf import pins
from fanotify_exporter.errors import UsageError
from fanotify_exporter.options.flags import Build, pin_flag
from fanotify_exporter.options.model import UnpinOptions
from fanotify_exporter.options.parser import Parser


def add_flags(parser: Parser) -> Build[UnpinOptions]:
    """Add the flags of ``unpin``."""
    pin = pin_flag(parser)
    return lambda found: UnpinOptions(pin(found))


def run(options: UnpinOptions) -> int:
    """
    Remove the pinned programs. Return the exit status.

    Raises:
        UsageError: no folder was given.
        PinError: the folder is in no bpffs, or another exporter uses it.
    """
    if not options.pin:
        raise UsageError("unpin needs --bpf.pin=DIR, as the exporter was started with")
    if not options.pin.exists():
        print(f"nothing to remove: {options.pin} does not exist")
        return 0
    with pins.locked(options.pin) as folder:
        removed = pins.unpin(folder)
    print(f"removed {removed} set(s) of pinned programs from {options.pin}")
    return 0
