"""Pages: the same text in every encoding, and each family encoded once."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator

import pytest

from fanotify_exporter.metrics import pages
from fanotify_exporter.metrics.exposition import OPENMETRICS, TEXT, Format
from fanotify_exporter.metrics.families import CounterFamily, Family
from fanotify_exporter.metrics.pages import INFLATE_BYTES, SMALL_BYTES, ScrapePages
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import encode


class Sizes:
    """Families of different sizes, small and large in turn."""

    def describe(self) -> Iterator[Family]:
        for number, lines in enumerate((1, 2, 5000, 3, 100, 2000, 0)):
            yield CounterFamily(f"family{number}", "x" * lines, ("name",))

    def collect(self) -> Iterator[Family]:
        for family in self.describe():
            assert isinstance(family, CounterFamily)
            for line in range(len(family.documentation)):
                family.add((f"{line:050} \u00f8\U0001f41f",), line, 0.0)
            yield family


NAMES = [
    [],
    ["family0"],
    ["family2"],
    ["family2", "family5"],
    ["family0", "family2", "family3"],
    ["none"],
]


@pytest.fixture
def registry() -> Registry:
    return Registry({"sizes": Sizes()})


def body(made: ScrapePages, form: Format, names: list[str], *, zipped: bool) -> bytes:
    selection = registry_of(made).select(names=names, collect=["sizes"])
    page = made.body(form, selection, gzip=zipped)
    text = b"".join(page.pieces)
    assert page.length == len(text)
    return text


def registry_of(made: ScrapePages) -> Registry:
    return made.scrape._registry


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
@pytest.mark.parametrize("form", [TEXT, OPENMETRICS], ids=["text", "openmetrics"])
def test_the_same_text_in_both_encodings(
    registry: Registry, form: Format, names: list[str]
) -> None:
    """Plain and unzipped pages are the text of the selected families."""
    made = ScrapePages(registry.scrape())
    plain = body(made, form, names, zipped=False)
    zipped = body(made, form, names, zipped=True)
    assert plain == gzip.decompress(zipped)
    selection = registry.select(names=names, collect=["sizes"])
    families = [
        *made.scrape.families(selection),
        *made.scrape.about_collectors(selection),
    ]
    assert encode(form, families) == plain


def test_one_gzip_member(registry: Registry) -> None:
    """A page is one gzip member, which gzip(1) accepts: some clients read no second."""
    zipped = body(ScrapePages(registry.scrape()), TEXT, [], zipped=True)
    subprocess.run(["gzip", "--test"], input=zipped, check=True)
    assert 1 == zipped.count(pages.GZIP_HEADER)


def test_a_large_page_compresses_well(registry: Registry) -> None:
    """Parts that are joined take hardly more bytes than one compressed text."""
    made = ScrapePages(registry.scrape())
    plain = body(made, TEXT, [], zipped=False)
    zipped = body(made, TEXT, [], zipped=True)
    assert len(zipped) < 1.1 * len(gzip.compress(plain, pages.GZIP_LEVEL))


def test_families_are_encoded_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever clients select and accept, a family is encoded once for each format."""
    encoded: list[str] = []
    original = pages.make_part

    def noting(form: Format, family: Family) -> pages.Part:
        encoded.append(family.name)
        return original(form, family)

    monkeypatch.setattr(pages, "make_part", noting)
    made = ScrapePages(registry.scrape())
    for names in NAMES * 2:
        for zipped in (False, True):
            body(made, TEXT, names, zipped=zipped)
    sizes = [name for name in encoded if name.startswith("family")]
    assert sorted(set(sizes)) == sorted(sizes)
    assert 7 == len(sizes)


def test_no_text_of_a_large_family_is_kept(registry: Registry) -> None:
    """Memory holds small families as text and large ones compressed."""
    made = ScrapePages(registry.scrape())
    body(made, TEXT, [], zipped=False)
    large = 0
    for part in made._parts.values():
        if isinstance(part, bytes):
            assert len(part) < SMALL_BYTES
        else:
            large += 1
            assert len(part.blocks) < part.size / 4
    assert 3 == large


def test_plain_text_in_pieces(registry: Registry) -> None:
    """A client without gzip gets pieces that are inflated while the client reads."""
    page = ScrapePages(registry.scrape()).body(TEXT, registry.everything, gzip=False)
    sizes = [len(piece) for piece in page.pieces]
    assert page.length == sum(sizes) > 5 * INFLATE_BYTES
    assert max(sizes) <= INFLATE_BYTES


class Sharing:
    """A collector of a counter that another collector has too."""

    def __init__(self, who: str) -> None:
        self.who = who

    def describe(self) -> Iterator[CounterFamily]:
        yield CounterFamily("shared", "Shared.", ("who",))

    def collect(self) -> Iterator[CounterFamily]:
        for family in self.describe():
            family.add((self.who,), 1, 0.0)
            yield family


def test_counter_of_two_collectors() -> None:
    """A page has of a shared counter the series of the selected collectors only."""
    registry = Registry({"a": Sharing("x"), "b": Sharing("y")})
    made = ScrapePages(registry.scrape())
    for collect, series in ((["a"], "x"), (["b"], "y"), (["a", "b"], "xy")):
        selection = registry.select(names=["shared"], collect=collect)
        page = made.body(TEXT, selection, gzip=False)
        text = b"".join(page.pieces).decode()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert [f'shared_total{{who="{who}"}} 1.0' for who in series] == lines
