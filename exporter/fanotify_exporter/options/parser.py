"""
The argument parser of a command: help, one-line errors, environment variables.

Each flag is also an environment variable: ``--web.listen-address`` is
FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS (a repeatable flag takes commas). The flag wins. An
empty variable counts as unset.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from fanotify_exporter.errors import UsageError


PROGRAM = "fanotify-exporter"
SERVE = "serve"

# Command words, each with its line in --help. The command SERVE has no word.
COMMANDS = {
    "check": "try every hook and report what the exporter would do on this host",
    "trace": "show single calls as they return, with all their arguments",
    "unpin": "remove the programs that --bpf.pin left in the kernel",
    "healthcheck": "exit with 0 if the exporter on the first listen address answers",
}

DESCRIPTIONS = {
    SERVE: "Prometheus exporter for fanotify and inotify: counts calls in the kernel, "
    "and shows what exists now.",
    **{name: f"{text[0].upper()}{text[1:]}." for name, text in COMMANDS.items()},
}

ENVIRONMENT_PREFIX = "FANOTIFY_EXPORTER_"

# Variables that Kubernetes sets in pods beside a Service whose name begins like the
# prefix (pkg/kubelet/envvars/envvars.go).
SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)

# Titles in --help of the groups whose flags have these first words.
TITLES = {"collector": "collectors", "label": "labels", "path": "paths"}

# Share of equal letters from which on a known word is suggested for an unknown one.
SIMILARITY = 0.75

# Flags that may be given several times.
REPEATABLE = ("--web.listen-address",)


# Flags without a variable, by the names of their values.
_NOT_VARIABLES = ("help", "version")


class Formatter(
    argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter
):
    """Format help with the default of each flag that has a default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return f"--[no-]{action.option_strings[0].removeprefix('--')}"
        return super()._format_action_invocation(action)


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
        self._groups: dict[str, argparse._ArgumentGroup] = {}

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:  # noqa: ANN401
        """Add a flag, whose first word names its group in --help: --web.config.file."""
        word, dot, _ = names[0].removeprefix("--").partition(".")
        if not dot:
            return super().add_argument(*names, **settings)
        if word not in self._groups:
            self._groups[word] = self.add_argument_group(TITLES.get(word, word))
        return self._groups[word].add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing usage and exiting."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse(
        self, argv: Sequence[str], environ: Mapping[str, str]
    ) -> argparse.Namespace:
        """
        Parse *argv*. Flags that *argv* lacks are taken from *environ*.

        The value "unknown_variables" has the variables with the exporter's prefix that
        stand for no flag of this parser, each with the similar variable that may be
        meant, or "".

        Raises:
            UsageError: a flag is unknown, or a flag or variable has a bad value.
        """
        for word in argv:
            self._refuse_value_of_switch(word)
        given = {word.partition("=")[0] for word in argv}
        words = []
        for action in self._actions:
            if action.option_strings and given.isdisjoint(action.option_strings):
                words += self._from_environment(action, environ)
        found, unknown = self.parse_known_args([*words, *argv])
        if unknown:
            self._refuse(unknown)
        found.unknown_variables = self._unknown_variables(environ)
        return found

    def _refuse_value_of_switch(self, word: str) -> None:
        """Raise UsageError for *word* "--collector.x=false"."""
        flag, has_value, _ = word.partition("=")
        action = self._option_string_actions.get(flag)
        if has_value and action and action.nargs == 0:
            switches = " or ".join(action.option_strings)
            self.error(f"{flag} takes no value: use {switches}")

    def _refuse(self, words: Sequence[str]) -> NoReturn:
        """Raise UsageError for *words* that are no flags of this command."""
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        problems = [
            f"unknown flag {flag}{suggest(flag, self._option_string_actions)}"
            for flag in flags
        ]
        for word in words:
            if self.prog == PROGRAM and word in COMMANDS:
                first = f"put the command first: {PROGRAM} {word} [FLAG ...]"
                problems.append(first)
        self.error("; ".join(problems) or f"unrecognized arguments: {' '.join(words)}")

    def _unknown_variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of *environ* that look like flags, and similar ones."""
        known = [
            variable(action.option_strings[0])
            for action in self._actions
            if action.option_strings and action.dest not in _NOT_VARIABLES
        ]
        return {
            name: _similar_variable(name, known)
            for name in sorted(environ)
            if name.startswith(ENVIRONMENT_PREFIX)
            and name not in known
            and environ[name]
            and not SERVICE_LINK.fullmatch(name)
        }

    def _from_environment(
        self, action: argparse.Action, environ: Mapping[str, str]
    ) -> list[str]:
        name = variable(action.option_strings[0])
        if not environ.get(name) or action.dest in _NOT_VARIABLES:
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
        f"variable,\nfor example {variable(REPEATABLE[0])}. The variable of a flag "
        "without a value\nis true or false. An empty variable counts as unset."
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


def suggest(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the most similar of *known*, "" if none is."""
    similar = _most_similar(word, known)
    return f" (did you mean {similar}?)" if similar else ""


def _similar_variable(name: str, known: Iterable[str]) -> str:
    """Return the similar variable of *known*, with "=false" for a NO_ before a flag."""
    rests = [each.removeprefix(ENVIRONMENT_PREFIX) for each in known]
    rest = name.removeprefix(ENVIRONMENT_PREFIX)
    if rest.removeprefix("NO_") in rests:
        return f"{ENVIRONMENT_PREFIX}{rest.removeprefix('NO_')}=false"
    similar = _most_similar(rest, rests)
    return f"{ENVIRONMENT_PREFIX}{similar}" if similar else ""


def _most_similar(word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415  only for errors: serving has no use for the module

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=SIMILARITY)
    return found[0] if found else ""
