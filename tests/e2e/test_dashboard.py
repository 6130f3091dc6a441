"""The dashboard's queries in a real Prometheus return series with the right values."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.harness import caller, dashboard, workload
from tools.harness.caller import Calls
from tools.harness.dashboard import Target, View
from tools.harness.processes import poll
from tools.harness.servers.prometheus import JOB, Prometheus, scraping
from tools.harness.serving import LISTEN, Exporter, serving
from tools.harness.stall_story import in_story


pytestmark = pytest.mark.whole_host

# Length of the dashboard's time range.
SECONDS = 60
MAX_USER_GROUPS = Path("/proc/sys/fs/fanotify/max_user_groups")
# A port without a server: a target that is down and is not an exporter.
NO_SERVER = "127.0.0.1:9"

BLOCKING_PROGRAMS = "Programs that can block"
USED_LIMITS = "Used share of limits"
ERRORS_AT_LIMITS = "Calls that failed at a limit"
COMPLETENESS = "Are the counts complete?"
CALLS_BY_CALLER = "fanotify_mark calls by caller and events"
ERRORS_BY_CALLER = "Failed fanotify_mark calls by caller and errno"
BLOCKING_MARKS = "Blocking marks by host and program"
BLOCKING_REQUESTS = "Requests for blocking events"
ALL_CALLS = "All fanotify_mark calls"

# The others are in test_story_rows.py: few hosts give them all values.
TARGETS = tuple(each for each in dashboard.targets() if not in_story(each))

FLAGS = (
    LISTEN,
    f"--bpf.max-user-entries={workload.KEYS}",
    "--collector.groups.interval=1s",
)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with serving(tmp_path_factory.mktemp("exporter") / "log", *FLAGS) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def prometheus(
    exporter: Exporter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Scrape first, then start the workload, so that its series appear as new."""
    folder = tmp_path_factory.mktemp("busy")
    target = exporter.addresses[0]
    with scraping(target, folder, elsewhere=NO_SERVER) as prometheus:
        info = f'fanotify_exporter_build_info{{job="{JOB}"}}'
        rate = dashboard.RATE_SECONDS
        assert poll(lambda: prometheus.query(f"{info} and {info} offset {rate}s"))
        with workload.busy(folder):
            yield prometheus


def open_view(prometheus: Prometheus, **selected: str) -> View:
    return dashboard.open_view(prometheus, SECONDS, time.time(), **selected)


def find_target(panel: str, ref_id: str = "A") -> Target:
    (found,) = (
        each
        for each in dashboard.targets()
        if (each.panel, each.ref_id) == (panel, ref_id)
    )
    return found


def number(view: View, panel: str, ref_id: str = "A") -> float:
    """Return the value of a query that has one series."""
    ((_, points),) = view.run(find_target(panel, ref_id))
    return points[-1][1]


def column(view: View, panel: str, *labels: str, ref_id: str = "A") -> dict[str, float]:
    """Return the last values of a query, by the values of *labels*."""
    found = view.run(find_target(panel, ref_id))
    return {
        " ".join(series.get(name, "") for name in labels): points[-1][1]
        for series, points in found
    }


def label(target: Target) -> str:
    return f"{target.panel} {target.ref_id}"


@pytest.mark.parametrize("target", TARGETS, ids=label)
def test_every_query_returns_series(prometheus: Prometheus, target: Target) -> None:
    """Every query of every other panel returns series on a busy host."""
    assert poll(lambda: open_view(prometheus).run(target))


def test_values_of_variables(prometheus: Prometheus, exporter: Exporter) -> None:
    """Job and Host offer exporters only; Caller offers those with calls or groups."""
    view = open_view(prometheus)
    queries = dashboard.variable_queries()
    offered = {name: view.values(query) for name, query in queries.items()}
    assert [JOB] == offered["job"]
    assert [exporter.addresses[0]] == offered["instance"]
    assert {"scanner", "hoarder", "leaker", "fatrace"} <= set(offered["comm"])
    assert {"filesystem", "inode"} <= set(offered["mark_type"])


def test_overview_numbers(prometheus: Prometheus) -> None:
    """Numbers are at least those of the workload; other programs may add to them."""

    def numbers() -> dict[str, float]:
        view = open_view(prometheus)
        return {
            "blocking": number(view, BLOCKING_PROGRAMS),
            "groups": number(view, USED_LIMITS, "B"),
            "keys": number(view, USED_LIMITS, "C"),
            "ENOSPC": number(view, ERRORS_AT_LIMITS),
            "EMFILE": number(view, ERRORS_AT_LIMITS, "B"),
            "map full": number(view, COMPLETENESS, "D"),
        }

    minimum = {
        "blocking": 2,
        "groups": workload.USER_GROUPS / int(MAX_USER_GROUPS.read_text()),
        "keys": 1,
        "ENOSPC": 7,
        "EMFILE": 3,
        "map full": workload.FLOOD - workload.KEYS,
    }

    def enough(actual: dict[str, float]) -> bool:
        return all(actual[name] >= minimum[name] for name in minimum)

    shown = poll(numbers, enough)
    assert enough(shown), shown
    view = open_view(prometheus)
    for ref_id in "AB":  # the target that is down is not an exporter
        assert 0 == number(view, COMPLETENESS, ref_id)


def test_tables_are_exact(prometheus: Prometheus) -> None:
    """Tables show exactly the calls, errors and blocking marks of each caller."""
    view = open_view(prometheus)
    calls = column(view, CALLS_BY_CALLER, "comm", "action", "mask")
    assert 12 == calls["scanner add FAN_OPEN_PERM"]
    assert 3 == calls["guard add FAN_OPEN|FAN_OPEN_EXEC_PERM"]
    assert 7 == calls["uninstaller add FAN_OPEN"]
    assert 3 == calls["uninstaller remove FAN_OPEN"]
    assert 1 == calls["uninstaller flush 0"]
    failed = column(view, CALLS_BY_CALLER, "comm", ref_id="B")
    assert 7 == failed["indexer"]
    assert "scanner" not in failed
    errors = column(view, ERRORS_BY_CALLER, "comm", "errno")
    assert 7 == errors["indexer ENOSPC"]
    assert 1 == errors["prober EINVAL"]
    assert errors["[other: map full] not known"] >= workload.FLOOD - workload.KEYS
    marks = column(view, BLOCKING_MARKS, "comm", "mark_type")
    assert 12 == marks["scanner inode"]
    assert 3 == marks["guard inode"]


def test_first_calls_are_drawn(prometheus: Prometheus) -> None:
    """The bars of a program that calls only when it starts add up to its calls."""

    def drawn() -> dict[str, float]:
        found = open_view(prometheus).run(find_target(BLOCKING_REQUESTS))
        return {
            series["comm"]: sum(value for _, value in points) * dashboard.STEP_SECONDS
            for series, points in found
        }

    actual = poll(drawn, lambda sums: sums.get("guard", 0) > 2.9)
    assert pytest.approx(3) == actual["guard"]
    assert pytest.approx(12) == actual["scanner"]


def test_a_selected_caller(prometheus: Prometheus) -> None:
    """Tables and graphs show the selected caller only; panels about risks show all."""
    everyone, view = open_view(prometheus), open_view(prometheus, comm="fatrace")
    for panel in (
        CALLS_BY_CALLER,
        ALL_CALLS,
        "Existing groups by caller",
        "fanotify_init calls",
    ):
        assert {"fatrace"} == set(column(view, panel, "comm")), panel
    for panel in (BLOCKING_PROGRAMS, ERRORS_AT_LIMITS):
        assert number(everyone, panel) == number(view, panel), panel
    assert {"scanner", "guard"} <= set(column(view, BLOCKING_MARKS, "comm"))


def test_a_restart(tmp_path: Path) -> None:
    """The dashboard shows that an exporter is down and marks starts; counts go on."""
    comm = f"e2e-db-{os.getpid()}"
    failing = Calls(comm.encode(), 1, 1 << 40, 7, errno.EINVAL)
    with ExitStack() as stack:
        exporter = stack.enter_context(serving(tmp_path / "first.log"))
        (address,) = exporter.addresses
        prometheus = scraping(address, tmp_path, elsewhere=NO_SERVER)
        running = stack.enter_context(prometheus)

        def calls() -> float:
            return column(open_view(running), ALL_CALLS, "comm").get(comm, 0)

        def down() -> float:
            return number(open_view(running), COMPLETENESS)

        assert poll(lambda: running.query("up == 1"))
        caller.make(tmp_path, failing)
        assert 7 == poll(calls)
        caller.make(tmp_path, failing)
        assert 14 == poll(calls, lambda count: count > 7)
        exporter.stop(signal.SIGTERM)
        assert 1 == poll(down)
        flag = f"--web.listen-address={address}"
        stack.enter_context(serving(tmp_path / "second.log", flag))
        caller.make(tmp_path, failing)
        assert poll(calls, lambda count: count > 14) > 14
        assert 0 == down()
        (annotation,) = dashboard.document()["annotations"]["list"]
        view = open_view(running)
        found = view.query(annotation["expr"], view.range_parameters)
    (starts,) = (starts for labels, starts in found if labels["programs"] == "calls")
    assert 2 == len({start for _, start in starts})
    assert all(view.end - SECONDS < start / 1000 < view.end for _, start in starts)
