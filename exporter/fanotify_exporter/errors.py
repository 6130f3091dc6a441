"""
What can go wrong in a way that an operator can mend.

* ExporterError: one line on stderr, exit status 1
  * UsageError: the command line is wrong, exit status 2
  * LoadError: the BPF programs did not get into the kernel
  * PinError: the pins of BPF programs cannot be used
  * ListenError: an address cannot be listened on
  * ConfigError: the web configuration file cannot be used
  * HealthError: the exporter that was asked is not healthy

Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations


class ExporterError(Exception):
    """What happened, why, and what to do now, in one line."""

    exit_status = 1


class UsageError(ExporterError):
    """A flag or an environment variable cannot be used."""

    exit_status = 2


class LoadError(ExporterError):
    """The loader did not hand over attached probes: why, and the one thing to do."""

    def __init__(self, why: str, advice: str = "") -> None:
        """Join both into the line that an operator reads."""
        super().__init__(f"{why}. {advice}" if advice else why)
        self.why = why
        self.advice = advice


class PinError(ExporterError):
    """A pin directory cannot be used, or is in use."""


class ListenError(ExporterError):
    """A listen address is taken or not ours."""


class ConfigError(ExporterError):
    """The web configuration file, or a file that it names, is missing or wrong."""


class HealthError(ExporterError):
    """A running exporter does not answer, or says that it is not well."""
