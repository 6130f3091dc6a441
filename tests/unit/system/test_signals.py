"""Stop signals: noted from the first line, and passed to the part that waits."""

from __future__ import annotations

import os
import signal

import pytest

from fanotify_exporter.system.signals import StopSignals


pytestmark = pytest.mark.usefixtures("signal_handlers")

STOP = (signal.SIGTERM, signal.SIGINT)


def installed() -> StopSignals:
    signals = StopSignals()
    signals.install()
    return signals


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOP)
def test_signal_is_noted(number: signal.Signals) -> None:
    """A signal while nothing waits interrupts nothing, and is known afterwards."""
    signals = installed()
    assert signals.received is None
    send(number)
    assert number == signals.received


@pytest.mark.parametrize("number", STOP)
def test_reaction(number: signal.Signals) -> None:
    """A signal calls the function of the part that waits, once."""
    signals, calls = installed(), list[str]()
    with signals.reacting(lambda: calls.append("ended")):
        assert [] == calls
        send(number)
        assert ["ended"] == calls
        send(number)
    assert ["ended"] == calls


def test_reaction_to_an_earlier_signal() -> None:
    """A part that begins to wait after the signal is ended at once."""
    signals, calls = installed(), list[str]()
    send(signal.SIGTERM)
    with signals.reacting(lambda: calls.append("ended")):
        assert ["ended"] == calls


def test_no_reaction_after_the_wait() -> None:
    """A signal after the wait does not call the function."""
    signals, calls = installed(), list[str]()
    with signals.reacting(lambda: calls.append("ended")):
        pass
    send(signal.SIGTERM)
    assert [] == calls


def test_first_signal_counts() -> None:
    """The log names the signal that came first."""
    signals = installed()
    send(signal.SIGINT)
    send(signal.SIGTERM)
    assert signal.SIGINT == signals.received


def test_hangup_is_ignored() -> None:
    """SIGHUP neither ends nor stops the process."""
    signals = installed()
    send(signal.SIGHUP)
    assert signals.received is None


def test_hangup() -> None:
    """SIGHUP is ignored, or a stop signal for a command at a terminal."""
    signals = installed()
    send(signal.SIGHUP)
    assert signals.received is None
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signals.install(hangup_stops=True)
    send(signal.SIGHUP)
    assert signal.SIGHUP == signals.received


def test_hangup_that_nohup_ignores() -> None:
    """A command that nohup(1) started stays, whatever becomes of the terminal."""
    signals = StopSignals()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.install(hangup_stops=True)
    send(signal.SIGHUP)
    assert signals.received is None
