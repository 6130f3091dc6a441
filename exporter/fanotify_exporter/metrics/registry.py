"""The registry: run the collectors that a client selects, isolated from each other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.families import (
    CounterFamily,
    Family,
    IncompleteError,
    count_series,
    join,
)
from fanotify_exporter.metrics.own_families import Process, about_collectors


log = logging.getLogger(__name__)

# What the names of samples have after the name of their family, by type of the family.
SAMPLE_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
}


class Collector(Protocol):
    """The metric families of one subject, built anew for each scrape."""

    def describe(self) -> Iterable[Family]:
        """Yield the families without series."""

    def collect(self) -> Iterable[Family]:
        """
        Yield the families with their series.

        If this raises, the scrape has of the collector what an IncompleteError keeps.
        """


class SelectionError(Exception):
    """A selection that no scrape can answer. The text is for the client."""


class Selection(NamedTuple):
    """
    The part of a scrape that a client asks for.

    Attributes:
        collectors: the collectors to run, in the order of the registry.
        families: names of the families; None for all families of these collectors.
    """

    collectors: tuple[str, ...]
    families: frozenset[str] | None = None

    def has(self, family: str) -> bool:
        """Return whether the family called *family* belongs to the selection."""
        return self.families is None or family in self.families


class Result(NamedTuple):
    """The result of a collector in a scrape; after a failure, what the error keeps."""

    families: tuple[Family, ...]
    succeeded: bool
    seconds: float


class Registry:
    """
    The collectors, by name.

    Several collectors may describe a counter, in the same way: a page has it once, with
    the series of all of them. The collector "process" has the process_* metrics of the
    exporter itself.
    """

    def __init__(
        self,
        collectors: Mapping[str, Collector],
        sources: Iterable[OncePerScrape[Any]] = (),
        observe: Callable[[Iterable[Family]], None] = lambda _: None,
        after_scrape: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Wrap *collectors*.

        Args:
            sources: readings to forget before and after a scrape.
            observe: called with the families of each collector that succeeds. If
                this raises, the collector fails.
            after_scrape: called after each scrape.
        """
        self._collectors = {**collectors, "process": Process()}
        self._sources = tuple(sources)
        self._observe = observe
        self.after_scrape = after_scrape
        self._failures = dict[str, type[Exception]]()
        self._about = frozenset(family.name for family in about_collectors())
        self._owners: dict[str, tuple[str, ...]] = {}
        self._families = {name: name for name in self._about}
        for name, collector in self._collectors.items():
            for family in collector.describe():
                owners = self._owners.get(family.name, ())
                self._owners[family.name] = (*owners, name)
                for suffix in ("", *SAMPLE_SUFFIXES.get(family.type, ())):
                    self._families[family.name + suffix] = family.name
        self.everything = Selection(tuple(self._collectors))

    def describe(self) -> Iterator[Family]:
        """Yield the families of all collectors, then the families about collectors."""
        for name, collector in self._collectors.items():
            for family in collector.describe():
                if self._owners[family.name][0] == name:
                    yield family
        yield from about_collectors()

    def select(
        self,
        names: Collection[str] = (),
        collect: Collection[str] = (),
        exclude: Collection[str] = (),
    ) -> Selection:
        """
        Return the selection that a query asks for. Empty arguments select everything.

        Args:
            names: names of families or samples; unknown names select nothing.
            collect: names of collectors.
            exclude: names of collectors to leave out.

        Raises:
            SelectionError: a collector is unknown, or *collect* and *exclude* are both
                given.
        """
        if collect and exclude:
            raise SelectionError("use collect[] or exclude[], not both")
        if not self._collectors.keys() >= {*collect, *exclude}:
            known = ", ".join(self._collectors)
            raise SelectionError(
                "collect[] or exclude[] names a collector that does not exist or is "
                f"switched off (--collector.NAME); this exporter runs {known}"
            )
        chosen = [
            name
            for name in self._collectors
            if name not in exclude and (not collect or name in collect)
        ]
        if not names:
            return Selection(tuple(chosen))
        families = {self._families[each] for each in names if each in self._families}
        owners = {owner for each in families for owner in self._owners.get(each, ())}
        if families & self._about:
            owners.update(chosen)
        running = tuple(name for name in chosen if name in owners)
        return Selection(running, frozenset(families))

    def owners(self, family: str, selection: Selection) -> tuple[str, ...]:
        """Return the collectors in *selection* that describe the family."""
        owners = self._owners.get(family, ())
        return tuple(name for name in owners if name in selection.collectors)

    def scrape(self) -> Scrape:
        """Begin a scrape. No collector runs before its families are asked for."""
        self.forget_readings()
        return Scrape(self)

    def forget_readings(self) -> None:
        """Drop what a scrape has read. A reading may be large."""
        for source in self._sources:
            source.forget()

    def run(self, name: str) -> Result:
        """Run a collector. Log failures that are new."""
        extra = {"collector": name}
        started = time.perf_counter()
        try:
            families = tuple(self._collectors[name].collect())
            self._observe(families)
        except Exception as error:
            if self._failures.get(name) is not type(error):
                log.exception("collector failed", extra=extra)
            self._failures[name] = type(error)
            families = error.families if isinstance(error, IncompleteError) else ()
        else:
            if self._failures.pop(name, None):
                log.info("collector works again", extra=extra)
        seconds = time.perf_counter() - started
        return Result(families, name not in self._failures, seconds)


class Scrape:
    """One scrape: each collector runs at most once. For one thread at a time."""

    def __init__(self, registry: Registry) -> None:
        """Collect from *registry*."""
        self._registry = registry
        self._results: dict[str, Result] = {}

    def collect(self) -> Iterator[Family]:
        """Yield all families of all collectors, and the families about collectors."""
        everything = self._registry.everything
        yield from self.families(everything)
        yield from self.about_collectors(everything)

    def families(self, selection: Selection) -> Iterator[Family]:
        """Yield the families of the collectors in *selection*."""
        for name in selection.collectors:
            for family in self._result(name).families:
                if selection.has(family.name):
                    yield from self._once(family, selection)

    def about_collectors(self, selection: Selection) -> Iterator[Family]:
        """Yield the families about the collectors in *selection*."""
        success, duration, size = about_collectors()
        for name in selection.collectors:
            result = self._result(name)
            success.add_metric((name,), result.succeeded)
            duration.add_metric((name,), result.seconds)
            size.add_metric((name,), sum(map(count_series, result.families)))
        for family in (success, duration, size):
            if selection.has(family.name):
                yield family

    def owners(self, family: str, selection: Selection) -> tuple[str, ...]:
        """Return the collectors in *selection* whose series the family has."""
        return self._registry.owners(family, selection)

    def end(self) -> None:
        """Drop what the scrape has read."""
        self._results.clear()
        self._registry.forget_readings()
        self._registry.after_scrape()

    def _once(self, family: Family, selection: Selection) -> Iterator[Family]:
        """Yield *family*; of several with the name only the first, joined with all."""
        owners = self.owners(family.name, selection)
        if len(owners) < 2:  # noqa: PLR2004
            yield family
            return
        parts = [
            part
            for owner in owners
            for part in self._result(owner).families
            if part.name == family.name and isinstance(part, CounterFamily)
        ]
        if parts[0] is family:
            yield join(parts)

    def _result(self, name: str) -> Result:
        if name not in self._results:
            self._results[name] = self._registry.run(name)
        return self._results[name]
