"""A parser of the landing page that checks its markup."""

from __future__ import annotations

from html.parser import HTMLParser


VOID = {"meta", "link"}

# The attributes in page.html; a comm must not add another.
ATTRIBUTES = {
    *("charset", "class", "content", "hidden", "href", "id", "lang", "name"),
    *("rel", "role", "scope", "title"),
}


class Page(HTMLParser):
    """The tables of a page by caption, and its findings, as a browser shows them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.notes: dict[str, str] = {}
        self.findings: list[tuple[str, str]] = []
        self.elements: set[str] = set()
        self.titles: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self.open

    @staticmethod
    def squeeze(text: str) -> str:
        """Return *text* as HTML shows it, with single spaces."""
        return " ".join(text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]
        assert {name for name, _ in attrs} <= ATTRIBUTES
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        elif tag == "table":
            self.rows: list[list[str]] = []
        elif tag == "caption":
            self.caption = ["", ""]
        elif tag == "li":
            self.findings.append((dict(attrs)["class"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()
        if tag == "table":
            caption, note = map(self.squeeze, self.caption)
            self.tables[caption] = [
                [self.squeeze(cell) for cell in row] for row in self.rows
            ]
            self.notes[caption] = note
        elif tag == "li":
            level, text = self.findings[-1]
            self.findings[-1] = level, self.squeeze(text)

    def handle_data(self, data: str) -> None:
        if "caption" in self.open:
            self.caption["small" in self.open] += data
        elif {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data
        elif "li" in self.open:
            level, text = self.findings[-1]
            self.findings[-1] = level, text + data
