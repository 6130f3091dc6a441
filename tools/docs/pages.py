"""
Render the generated pages as Markdown.

Collectors come from the catalogue, families, labels and HELP from the collectors, and
numbers and names from fanotify_exporter.uapi, so that the pages agree with the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanotify_exporter.collectors.catalog import CATALOG, CollectorInfo
from fanotify_exporter.metrics.families import (
    CounterFamily,
    Family,
    HistogramFamily,
)
from fanotify_exporter.uapi.fanotify import (
    BLOCKING_MASK,
    INIT_CLASSES,
    INIT_FLAGS,
    MARK_COMMANDS,
    MARK_MODIFIERS,
    MARK_TYPES,
    MASK,
)
from tools import CHECKOUT
from tools.docs import licences, uapi_facts
from tools.docs.family_facts import FAMILIES, LABELS
from tools.docs.uapi_facts import Fact
from tools.harness.golden import registry


DOCS = CHECKOUT / "docs"
METRICS = DOCS / "metrics.md"
FANOTIFY_MARK = DOCS / "fanotify_mark.md"
LICENCES = DOCS / "licences.md"

METRICS_HEAD = """\
# Metrics

Written by `make docs` from the collectors; do not edit. The calls themselves are
explained in [fanotify_mark.md](fanotify_mark.md).

- The sum over `fanotify_mark_calls_total` is the number of calls that returned since
  the programs were attached, except calls that the hook cannot see
  ([README](../README.md#what-it-cannot-see)).
- When a key does not fit into its map, the call is still counted, with
  `comm="[other: map full]"` and empty `flags`, `mask` and `errno`, and, whatever labels
  are dropped, in `fanotify_exporter_lost_calls_total{reason="map_full"}`. Keys of
  callers with CAP_SYS_ADMIN in the initial user namespace have slots of their own.
- `inotify_add_watch_*` have neither the mask nor the cgroup: an editor adds 100,000
  watches. Their keys have 256 slots of their own, which all callers share. A user who
  calls under many names hides the names of other callers of this call, and of no
  other.
- Gauges by comm or uid have all series of owners with CAP_SYS_ADMIN in the initial user
  namespace, and in each family the 100 largest of the others. The rest is combined as
  `comm="[other: too many]"` or `uid="[other: too many]"`: the largest ratio of
  `fanotify_queue_fill_ratio`, the sums of the other families.
- `fanotify_queue_length`, `_queue_fill_ratio`, `_queue_overflow_pending` and
  `fanotify_unanswered_events` have no series where the exporter finds groups in /proc:
  no file there tells the length of a queue.
- `fanotify_user_groups`, `fanotify_user_marks`, `inotify_user_instances` and
  `inotify_user_watches` are the numbers that the kernel compares with its limits, where
  an iterator reads them. The kernel charges the user who made a group or an instance,
  whoever holds it later. For a group that was made in a user namespace, the kernel
  charges a user there, and in the initial user namespace the user who made the
  namespace: the latter is the `uid`. Elsewhere these families are sums by effective
  user of the oldest process that has the group or instance open. A daemon that makes a
  group as root and then changes its user counts for the new user there, and the users
  of a user namespace count for themselves.
- A user without groups and marks has no series in `fanotify_user_*`, and a user without
  instances and watches none in `inotify_user_*`.
- A call that no BPF program saw because the kernel skipped the run has
  `comm="[other: not seen]"`, and all other labels are empty.
- With `--label.container` all families of calls by comm except `inotify_add_watch_*`,
  those of permission waits, and the gauges of groups, queues, inotify instances and
  calls in progress by comm have two more labels: `cgroup`, the path of the cgroup of
  the caller, listener or owner (`[unknown: ID]` until its name is read, and if the
  cgroup was removed before), and `container_id`, 64 digits,
  empty outside a container. Bytes of a path are escaped as those of `comm` are, so a
  backslash becomes two. A path longer than 256 characters is cut and ends with a hash
  of the whole path. A cgroup inside a container has the path and the id of the
  outermost container. A cgroup below 16 others has `cgroup="[unknown: ID]"` for good,
  and an empty `container_id`.
  A user to whom a cgroup is delegated, such as `user@UID.service`, chooses the names of
  the cgroups inside, also names like those of containers. So a `container_id` is as
  trustworthy as the owner of the first folders in `cgroup`: a container of root is not
  below `/user.slice`.
  The rules `container:fanotify_mark_calls:rate5m`, `container:inotify_instances:sum`
  and `container:inotify_watches:sum` add the labels of kube-state-metrics, whose ids
  begin with the name of the runtime. Containers that wait all have an empty id there,
  and init containers have a family of their own. For another family:

  ```
  sum by (instance, comm, container_id) (
    rate(fanotify_init_calls_total{container_id!=""}[5m])
  )
    * on (container_id) group_left (namespace, pod, container)
  max by (container_id, namespace, pod, container) (
    label_replace(
      kube_pod_container_info{container_id!=""}
      or
      kube_pod_init_container_info{container_id!=""},
      "container_id", "$1", "container_id", ".+://(.+)"
    )
  )
  ```
- `--label.drop` drops labels of counters and sums over them.
- The sum of `fanotify_permission_waits_total` over `end` is the number of waits that
  ended. `fanotify_permission_wait_seconds` has all of them but those whose begin was
  not seen (`fanotify_exporter_lost_calls_total{reason="no_begin"}`). Waits in progress
  are in the gauges only, as the last pass over the waiting tasks saw them.
- `fanotify_permission_deadlocked_listeners` counts listeners in a cycle of waits that
  were each at least 5 seconds old, and then stood unchanged for 5 seconds more, in
  which no listener of the cycle answered. Two listeners that each need more than 10
  seconds for an answer, and wait for each other's, look like that too. A cycle through
  a process that is no listener is not found.
- `fanotify_mark_mask_bit_calls_total` has no `comm`, so that users can add no more than
  a few hundred series to it. This query finds the callers that request an event:

  ```
  sum by (comm) (
    rate(fanotify_mark_calls_total{mask=~"(.*\\\\|)?FAN_OPEN_PERM(\\\\|.*)?"}[5m])
  )
  ```
- A series appears with its first call, at its count and not at 0. The counters of a
  permission listener are there from the start, at 0.
- With `--web.created-samples` OpenMetrics also has the time of a series' first call, as
  a sample whose name ends in `_created`. Prometheus stores each of these samples as a
  series of its own. With `--enable-feature=created-timestamp-zero-ingestion`,
  Prometheus instead takes the time as the start of the counter, at 0. The text format
  never has these samples.

## Collectors

`--collector.NAME` and `--no-collector.NAME` switch a collector on and off.
`--collector.disable-defaults` leaves only the collectors that a flag or variable
switches on. The exporter keeps the listed capabilities while it serves. A collector
that works may have no series for the reason in the last column.

"""
FAMILIES_HEAD = """
## Families

"""
LABELS_HEAD = """
## Labels

"""
LICENCES_HEAD = """\
# Licences

Written by `make docs` from the installed packages; do not edit. The parts that an
exporter uses at run time, beside Python and its standard library:

"""
LICENCES_TAIL = """
The wheel contains the first two, and both licence texts. pip installs the packages
below them. The SBOM of a release lists them too, in the versions of the container
image. The distribution provides bcc, LLVM and libbpf: Debian and Ubuntu keep the
licences of a package in `/usr/share/doc/PACKAGE/copyright`.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Names by number, as the exporter decodes them, and the facts on each name."""

    names: Mapping[int, str]
    facts: Mapping[str, Fact]


# By the name in the markers of docs/fanotify_mark.md.
TABLES: Final = {
    "commands": Table(MARK_COMMANDS, uapi_facts.MARK_COMMANDS),
    "types": Table(MARK_TYPES, uapi_facts.MARK_TYPES),
    "modifiers": Table(MARK_MODIFIERS, uapi_facts.MARK_MODIFIERS),
    "mask": Table(MASK, uapi_facts.MASK),
    "init_classes": Table(INIT_CLASSES, uapi_facts.INIT_CLASSES),
    "init_flags": Table(INIT_FLAGS, uapi_facts.INIT_FLAGS),
}

MARKED = re.compile(
    r"(<!-- (\w+): written by `make docs` -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL
)


def render() -> dict[Path, str]:
    """Return the text that each page should have."""
    tables = {name: _uapi_table(name, table) for name, table in TABLES.items()}
    return {
        METRICS: metrics_page(registry().scrape().collect()),
        FANOTIFY_MARK: with_tables(FANOTIFY_MARK.read_text(), tables),
        LICENCES: licences_page(),
    }


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """
    Return *page* with the *tables* between its markers.

    Raises:
        ValueError: *page* has not exactly one pair of markers for each table.
    """
    marked = sorted(name for _, name, _ in MARKED.findall(page))
    if marked != sorted(tables):
        raise ValueError(f"markers are for {marked}, tables are {sorted(tables)}")
    return MARKED.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", page)


def metrics_page(families: Iterable[Family]) -> str:
    """Return docs/metrics.md: tables of the collectors, families and labels."""
    listed = list(families)
    used = dict.fromkeys(label for family in listed for label in labels(family))
    return (
        METRICS_HEAD
        + table(
            (
                "collector",
                "default",
                "exports",
                "needs",
                "capabilities",
                "series missing",
            ),
            map(_collector_row, CATALOG),
        )
        + FAMILIES_HEAD
        + table(
            ("family", "type", "labels", "meaning", "source", "since Linux"),
            map(_family_row, listed),
        )
        + LABELS_HEAD
        + table(("label", "value"), ((f"`{name}`", LABELS[name]) for name in used))
    )


def licences_page() -> str:
    """Return docs/licences.md."""
    head = ("part", "licence", "source")
    return LICENCES_HEAD + table(head, licences.rows()) + LICENCES_TAIL


def exposed_name(family: Family) -> str:
    """Return the name that a query uses: with _total, if it is a counter."""
    return family.name + ("_total" if family.type == "counter" else "")


def labels(family: Family) -> Sequence[str]:
    """Return the names of the labels that each series of *family* has."""
    if isinstance(family, CounterFamily | HistogramFamily):
        return family.labels
    names: Sequence[str] = family._labelnames  # type: ignore[attr-defined]
    return names


def _collector_row(collector: CollectorInfo) -> tuple[str, ...]:
    return (
        f"`{collector.name}`",
        "on" if collector.on_by_default else "off",
        collector.help,
        collector.needs,
        ", ".join(sorted(collector.capabilities)) or "none",
        collector.missing or "never",
    )


def _family_row(family: Family) -> tuple[str, ...]:
    facts = FAMILIES[exposed_name(family)]
    return (
        f"`{exposed_name(family)}`",
        family.type,
        ", ".join(labels(family)) or "none",
        family.documentation,
        facts.source,
        facts.since,
    )


def _uapi_table(name: str, known: Table) -> str:
    blocks = ("blocks",) if name == "mask" else ()
    rows = (
        (
            f"`{number:#x}`",
            f"`{word}`",
            known.facts[word].since,
            known.facts[word].meaning,
            known.facts[word].needs,
            *("yes" * bool(number & BLOCKING_MASK) for _ in blocks),
        )
        for number, word in sorted(known.names.items())
    )
    return table(("number", "name", "since Linux", "meaning", "needs", *blocks), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table. A "|" in a cell is escaped."""
    return "".join(_lines((head, ("---",) * len(head), *rows)))


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n"
