"""The passes over threads inside fanotify_mark(2), by each source."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.commands import call_scan
from fanotify_exporter.commands.call_scan import start_call_scan
from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall
from tools.harness.loaded_fsnotify import make_fsnotify


CALL = OngoingCall(23, 1, "av", privileged=True, registers=7, sleeps=100)


class FixedScanner:
    """A scanner that always finds the same."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take what a scanner takes."""

    def poll(self) -> tuple[OngoingCall, ...]:
        """Return a call."""
        return (CALL,)

    def delay(self) -> float:
        """Return a time after the end of the test."""
        return 3600


@pytest.mark.parametrize(
    ("source", "used", "unused"),
    [
        ("iterator", "CallIterator", "CallScanner"),
        ("procfs", "CallScanner", "CallIterator"),
    ],
)
def test_sources(
    source: str, used: str, unused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passes are those of the source."""
    monkeypatch.setattr(call_scan, used, FixedScanner)
    monkeypatch.setattr(call_scan, unused, None)
    with ExitStack() as stack:
        latest = start_call_scan(
            LiveSource(source),  # type: ignore[arg-type]
            make_fsnotify(),
            Path("/proc"),
            None,
            stack,
        )
        deadline = time.monotonic() + 30
        while latest() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert (CALL,) == latest()


def test_no_source() -> None:
    """Without a source nothing is scanned."""
    with ExitStack() as stack:
        assert None is start_call_scan(None, None, Path("/proc"), None, stack)()
