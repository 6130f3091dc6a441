"""
The argument parser of a command: help, one-line errors, environment variables.

Each flag is also an environment variable: ``--web.listen-address`` is
FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS (a repeatable flag takes commas). The flag wins.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NoReturn

from fanotify_exporter import __version__
from fanotify_exporter.errors import UsageError


PROGRAM = "fanotify-exporter"
SERVE = "serve"

# Command words, each with its line in --help. The command SERVE has no word.
COMMANDS = {
    "check": "try every hook and report what the exporter would do on this host",
    "unpin": "remove the programs that --bpf.pin left in the kernel",
    "healthcheck": "exit with 0 if the exporter on the first listen address answers",
}

DESCRIPTIONS = {
    SERVE: "Prometheus exporter that counts every fanotify_mark(2) call.",
    **{name: f"{text[0].upper()}{text[1:]}." for name, text in COMMANDS.items()},
}

ENVIRONMENT_PREFIX = "FANOTIFY_EXPORTER_"

# Flags that may be given several times.
REPEATABLE = ("--web.listen-address",)


class Formatter(
    argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter
):
    """Format help with the default of each flag that has a default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """The parser of one command, to which the command adds its flags."""

    def __init__(self, command: str) -> None:
        """Create the parser of *command*: SERVE or one of COMMANDS."""
        serves = command == SERVE
        super().__init__(
            prog=PROGRAM if serves else f"{PROGRAM} {command}",
            usage="%(prog)s [COMMAND] [FLAG ...]" if serves else "%(prog)s [FLAG ...]",
            description=DESCRIPTIONS[command],
            epilog=_list_commands() if serves else None,
            allow_abbrev=False,
            formatter_class=Formatter,
        )
        if serves:
            self.add_argument(
                "--version", action="version", version=f"{PROGRAM} {__version__}"
            )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing usage and exiting."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse(
        self, argv: Sequence[str], environ: Mapping[str, str]
    ) -> argparse.Namespace:
        """
        Parse *argv*. Flags that *argv* lacks are taken from *environ*.

        Variables that stand for no flag of this parser are ignored: Kubernetes sets
        FANOTIFY_EXPORTER_PORT and others in every pod beside a Service of that name.

        Raises:
            UsageError: a flag is unknown, or a flag or variable has a bad value.
        """
        given = {word.partition("=")[0] for word in argv}
        words = []
        for action in self._actions:
            if action.option_strings and given.isdisjoint(action.option_strings):
                words += self._from_environment(action, environ)
        found, unknown = self.parse_known_args([*words, *argv])
        if unknown:
            self._refuse(unknown)
        return found

    def _refuse(self, words: Sequence[str]) -> NoReturn:
        """Raise UsageError for *words* that are no flags of this command."""
        for word in words:
            if self.prog == PROGRAM and word in COMMANDS:
                self.error(f"put the command first: {PROGRAM} {word} [FLAG ...]")
        self.error(f"unrecognized arguments: {' '.join(words)}")

    def _from_environment(
        self, action: argparse.Action, environ: Mapping[str, str]
    ) -> list[str]:
        name = variable(action.option_strings[0])
        if name not in environ or action.dest in ("help", "version"):
            return []
        words = _words(action, environ[name])
        try:
            self.parse_args(words)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        return words


def _list_commands() -> str:
    commands = "\n".join(f"  {name:<13} {text}" for name, text in COMMANDS.items())
    return (
        f"commands, each with --help for its own flags:\n{commands}\n\n"
        "Without a command the exporter serves. Each flag is also an environment "
        f"variable,\nfor example {variable(REPEATABLE[0])}."
    )


def _words(action: argparse.Action, value: str) -> list[str]:
    """Return the command-line words that a variable's *value* stands for."""
    flag, *negation = action.option_strings
    if action.nargs == 0:
        if value not in ("true", "false"):
            raise UsageError(f"{variable(flag)} is {value!r}: use true or false")
        return [flag] if value == "true" else negation
    if flag in REPEATABLE:
        return [f"{flag}={part.strip()}" for part in value.split(",")]
    return [f"{flag}={value}"]


def variable(flag: str) -> str:
    """Return the environment variable that stands for *flag*."""
    name = flag.lstrip("-").upper().replace(".", "_").replace("-", "_")
    return ENVIRONMENT_PREFIX + name
