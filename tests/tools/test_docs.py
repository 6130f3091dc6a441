"""The generated pages agree with the code, and every name has its facts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands import assemble, serve
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.loader import run
from fanotify_exporter.metrics.families import Family
from fanotify_exporter.options.parser import SERVE, Parser
from fanotify_exporter.uapi import fanotify
from tools.docs import pages
from tools.docs.family_facts import FAMILIES, LABELS
from tools.docs.pages import TABLES, exposed_name
from tools.harness.golden import registry
from tools.harness.loaded_events import make_events, pack_total
from tools.harness.permission_waits import SCAN


CHECKOUT = pages.DOCS.parent
MARKDOWN = sorted([*CHECKOUT.glob("*.md"), *pages.DOCS.glob("*.md")])


def decoded_names() -> set[str]:
    """Return every FAN_* name in a table of fanotify_exporter.uapi."""
    tables = (value for value in vars(fanotify).values() if isinstance(value, Mapping))
    words = (word for table in tables for word in table.values())
    return {word for word in words if isinstance(word, str) and word.startswith("FAN_")}


def names(families: Iterable[Family]) -> set[str]:
    return {exposed_name(family) for family in families}


def anchors(page: Path) -> Iterator[str]:
    """Yield the fragments of *page* that a link may name, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_pages_are_as_generated() -> None:
    """The committed pages are what `make docs` writes."""
    for path, text in pages.render().items():
        assert text.splitlines() == path.read_text().splitlines()


@pytest.mark.parametrize("table", TABLES)
def test_every_name_has_its_fact(table: str) -> None:
    """The facts have the names that the code has."""
    assert set(TABLES[table].names.values()) == set(TABLES[table].facts)


def test_every_name_that_is_decoded_is_documented() -> None:
    """Each FAN_* name that the code decodes is in a documented table."""
    documented = {name for table in TABLES.values() for name in table.facts}
    assert set() == decoded_names() - documented


def test_every_family_has_its_source() -> None:
    """The facts have the families that the collectors have."""
    assert names(registry().scrape().collect()) == set(FAMILIES)


def test_every_label_is_explained() -> None:
    """The facts have the labels that the families have."""
    used = {
        label
        for family in registry().scrape().collect()
        for label in pages.labels(family)
    }
    assert used == set(LABELS)


@pytest.mark.usefixtures("handing_over_child")
def test_documented_families_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden registry, from which pages are made, has the families served."""
    parser = Parser(SERVE)
    build = serve.add_flags(parser)
    options = build(parser.parse([f"--collector.{each.name}" for each in CATALOG], {}))
    monkeypatch.setattr(assemble, "start_wait_scan", lambda *_: lambda: SCAN)
    monkeypatch.setattr(assemble, "start_call_scan", lambda *_: lambda: ())
    with ExitStack() as stack:
        programs = Programs(
            run.load("auto", 1, 1),
            run.load_permission("auto"),
            events=make_events({0: pack_total(b"av", outcomes=(7, 0, 2), unchecked=2)}),
        )
        served = assemble.assemble(
            programs, options.collectors, options.labels, stack
        ).registry
        expected = names(registry().scrape().collect())
        deadline = time.monotonic() + 30
        while (
            names(served.scrape().collect()) != expected and time.monotonic() < deadline
        ):
            pass
        assert expected == names(served.scrape().collect())


def test_tables_replace_text_between_markers() -> None:
    """The text between the markers is replaced, and the text around them stays."""
    begin, end = "<!-- mask: written by `make docs` -->\n", "<!-- end -->"
    filled = f"above\n{begin}\nnew\n\n{end}\nbelow\n"
    for old in ("", "old\n", "\nnew\n\n"):
        page = f"above\n{begin}{old}{end}\nbelow\n"
        assert filled == pages.with_tables(page, {"mask": "new\n"})


@pytest.mark.parametrize("marked", [(), ("mask", "mask"), ("mask", "flags")])
def test_a_page_marks_each_table_once(marked: tuple[str, ...]) -> None:
    """A missing, repeated or unknown marker is an error that names the tables."""
    page = "".join(
        f"<!-- {name}: written by `make docs` -->\n<!-- end -->\n" for name in marked
    )
    with pytest.raises(ValueError, match="tables are \\['mask'\\]"):
        pages.with_tables(page, {"mask": ""})


def test_a_bar_does_not_end_a_cell() -> None:
    """A "|" in a cell is escaped, so that each row has as many cells as the header."""
    expected = "| a | b |\n| --- | --- |\n| `x\\|y` | z |\n"
    assert expected == pages.table(("a", "b"), [("`x|y`", "z")])


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository leads to a file and to a heading."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, fragment = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        assert not fragment or fragment in anchors(other), target


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_rows_of_a_table_are_alike(page: Path) -> None:
    """Each row of a table has as many cells as its header."""
    for found in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in found.splitlines()}
        assert 1 == len(cells), found
