"""What README.md lists is what there is."""

from __future__ import annotations

import re
from argparse import BooleanOptionalAction
from importlib import import_module

from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.options.parser import COMMANDS, SERVE, Parser
from fanotify_exporter.web.connections import MAX_CONNECTIONS
from tools import CHECKOUT
from tools.docs.pages import exposed_name
from tools.harness.golden import registry


README = (CHECKOUT / "README.md").read_text()


def test_every_flag_is_listed() -> None:
    """The flags table and the parser name the same flags."""
    listed = set(re.findall(r"^\| `(--[^=` ]+)", README, re.MULTILINE))
    known = set()
    for command in (SERVE, *COMMANDS):
        parser = Parser(command)
        import_module(f"fanotify_exporter.commands.{command}").add_flags(parser)
        known |= {
            f"--[no-]{flag[2:]}" if isinstance(action, BooleanOptionalAction) else flag
            for action in parser._actions
            for flag in action.option_strings[:1]
        }

    assert known - {"-h"} == listed


def test_every_family_that_is_named_is_there() -> None:
    """README, which leaves the list to docs/metrics.md, names no family in vain."""
    words = r"\b(?:fanotify|inotify|process)_\w+\b(?![(*])"
    named = set(re.findall(words, README)) - {"fanotify_mark"}

    assert "(docs/metrics.md)" in README
    assert set() < named <= {exposed_name(family) for family in registry().collect()}


def test_limit_of_connections() -> None:
    """README tells how many connections may be open."""
    assert [str(MAX_CONNECTIONS)] == re.findall(r"At most (\d+)\s+connections", README)


def test_every_page_is_linked() -> None:
    """No page of docs/ has to be found by chance."""
    pages = {
        path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("docs/*.md")
    }

    assert set() == pages - set(re.findall(r"\]\(([^)#]+)", README))


def test_every_hook_is_listed() -> None:
    """Each hook of the ladder has its row, in the ladder's order."""
    rows = re.findall(r"^\| `(\w+)`: ", README, re.MULTILINE)

    assert list(dict.fromkeys(method.hook for method in ATTACH_METHODS)) == rows
