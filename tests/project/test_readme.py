"""README.md agrees with the code."""

from __future__ import annotations

import re
from argparse import BooleanOptionalAction
from importlib import import_module

from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.options.parser import COMMANDS, SERVE, Parser
from fanotify_exporter.web.connections import MAX_CONNECTIONS
from tools import CHECKOUT
from tools.docs.pages import exposed_name
from tools.harness.golden import registry
from tools.harness.rules import shipped


README = (CHECKOUT / "README.md").read_text()


def test_every_flag_is_listed() -> None:
    """The table has the flags of all commands, and one row for all collectors."""
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

    collectors = {f"--[no-]collector.{each.name}" for each in CATALOG}
    assert collectors < known
    assert known - collectors - {"-h"} == listed - {"--[no-]collector.NAME"}


def test_every_family_that_is_named_is_there() -> None:
    """Each metric family and each recorded series that README names exists."""
    words = r"\b(?:fanotify|inotify|process)_\w+(?::\w+)*\b(?![(*])"
    calls = {"fanotify_mark", "fanotify_init", "inotify_add_watch"}
    named = set(re.findall(words, README)) - calls
    known = {exposed_name(family) for family in registry().scrape().collect()}

    assert "(docs/metrics.md)" in README
    assert set() < named <= known | {record.name for record in shipped.records()}


def test_limit_of_connections() -> None:
    """docs/http.md has the maximum number of connections."""
    page = (CHECKOUT / "docs/http.md").read_text()
    assert [str(MAX_CONNECTIONS)] == re.findall(r"At most (\d+)\s+connections", page)


def test_every_page_is_linked() -> None:
    """README links each page of docs/."""
    pages = {
        path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("docs/*.md")
    }

    assert set() == pages - set(re.findall(r"\]\(([^)#]+)", README))


def test_every_hook_is_listed() -> None:
    """The table of hooks has each hook, in the order in which auto tries them."""
    rows = re.findall(r"^\| `(\w+)`: ", README, re.MULTILINE)

    assert list(dict.fromkeys(method.hook for method in ATTACH_METHODS)) == rows
