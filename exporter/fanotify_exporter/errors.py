"""
Errors that an operator can fix.

* ExporterError: one line on stderr, exit status 1
  * UsageError: the command line is wrong, exit status 2
  * LoadError: the BPF programs could not be loaded or attached
  * PinError: the pinned BPF programs cannot be used
  * ListenError: an address cannot be listened on
  * ConfigError: the web configuration file cannot be used
  * HealthError: the exporter does not answer a health check
  * OutputError: what a command prints cannot be written

Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations


class ExporterError(Exception):
    """An error whose text says in one line what happened, why, and what to do now."""

    exit_status = 1


class UsageError(ExporterError):
    """A flag or an environment variable cannot be used."""

    exit_status = 2


class LoadError(ExporterError):
    """The BPF programs could not be loaded or attached."""

    def __init__(self, why: str, advice: str = "") -> None:
        """Join *why* and *advice* (what to do now) into one line."""
        super().__init__(f"{why}. {advice}" if advice else why)
        self.why = why
        self.advice = advice


class PinError(ExporterError):
    """A pin folder cannot be used, or another exporter uses it."""


class ListenError(ExporterError):
    """A listen address is in use, or does not belong to this host."""


class ConfigError(ExporterError):
    """The web configuration file, or a file named in it, is missing or wrong."""


class OutputError(ExporterError):
    """Standard output cannot be written, for another reason than a missing reader."""


class HealthError(ExporterError):
    """A running exporter does not answer, or answers with a server error."""
