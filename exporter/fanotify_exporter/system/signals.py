"""
Signals of the serving process, from its first line to its exit.

A stop signal is only noted, so none interrupts the code that pins programs. The part of
the program that waits for something, such as the loader child, gives reacting() a
function that ends the wait.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def _do_nothing() -> None:
    """Do nothing."""


class StopSignals:
    """The first SIGTERM or SIGINT that arrives, and the function to call for it."""

    def __init__(self) -> None:
        """Wait for no signal before install() is called."""
        self.received: signal.Signals | None = None
        self._react: Callable[[], object] = _do_nothing

    def install(self, *, hangup_stops: bool = False) -> None:
        """
        Note SIGTERM and SIGINT from now on, and ignore SIGHUP.

        People send SIGHUP to make a service read its configuration again. The exporter
        does so by itself, and the default action of SIGHUP would end the process.

        Args:
            hangup_stops: note SIGHUP too, which the kernel sends when a terminal is
                gone, unless nohup(1) has this process ignore the signal.
        """
        self.received = None
        stops = [signal.SIGTERM, signal.SIGINT]
        if not hangup_stops:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        elif signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            stops.append(signal.SIGHUP)
        for number in stops:
            signal.signal(number, self._note)

    @contextmanager
    def reacting(self, react: Callable[[], object]) -> Iterator[None]:
        """
        Call *react* in the main thread when a signal arrives within the block.

        If a signal has arrived before, *react* is called at once.
        """
        self._react = react
        try:
            if self.received:
                react()
            yield
        finally:
            self._react = _do_nothing

    def _note(self, number: int, _: FrameType | None) -> None:
        if not self.received:
            self.received = signal.Signals(number)
            self._react()


# Handlers of signals belong to the process, so there is one object for all modules.
STOP_SIGNALS = StopSignals()
