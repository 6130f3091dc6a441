"""The dashboard's queries in a real Prometheus: none is empty, and they are right."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.harness import board, caller, workload
from tools.harness.board import Target, View
from tools.harness.caller import Calls
from tools.harness.processes import poll
from tools.harness.prometheus_server import JOB, Prometheus, scraping
from tools.harness.serving import LISTEN, Exporter, serving


pytestmark = pytest.mark.whole_host

SECONDS = 60
MAX_USER_GROUPS = Path("/proc/sys/fs/fanotify/max_user_groups")
NOWHERE = "127.0.0.1:9"
"""Where nobody listens: a target of Prometheus that is none of ours, and down."""

FLAGS = (
    LISTEN,
    f"--bpf.max-entries={workload.KEYS}",
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
    """Scrape, and only then start the workload: what is new has to be seen as new."""
    folder = tmp_path_factory.mktemp("busy")
    target = exporter.addresses[0]
    with scraping(target, folder, elsewhere=NOWHERE) as prometheus:
        seen = f'fanotify_exporter_build_info{{job="{JOB}"}}'
        rate = board.RATE_SECONDS
        assert poll(lambda: prometheus.query(f"{seen} and {seen} offset {rate}s"))
        with workload.busy(folder):
            yield prometheus


def look(prometheus: Prometheus, **chosen: str) -> View:
    return board.opened(prometheus, SECONDS, time.time(), **chosen)


def target(panel: str, letter: str = "A") -> Target:
    (found,) = (
        each for each in board.targets() if (each.panel, each.letter) == (panel, letter)
    )
    return found


def number(view: View, panel: str, letter: str = "A") -> float:
    """Return the one number that a query gives."""
    ((_, points),) = view.ask(target(panel, letter))
    return points[-1][1]


def column(view: View, panel: str, *labels: str, letter: str = "A") -> dict[str, float]:
    """Return a column of a table, or the end of a graph, by values of *labels*."""
    found = view.ask(target(panel, letter))
    return {
        " ".join(series.get(name, "") for name in labels): points[-1][1]
        for series, points in found
    }


def label(target: Target) -> str:
    return f"{target.panel} {target.letter}"


@pytest.mark.parametrize("target", tuple(board.targets()), ids=label)
def test_every_query_returns_series(prometheus: Prometheus, target: Target) -> None:
    """No panel is empty on a busy host."""
    assert poll(lambda: look(prometheus).ask(target))


def test_variables_offer_what_there_is(
    prometheus: Prometheus, exporter: Exporter
) -> None:
    """Jobs and hosts are those of exporters; callers are all, of calls or of groups."""
    view = look(prometheus)
    offered = {name: view.values(query) for name, query in board.choices().items()}
    assert offered["job"] == [JOB]
    assert offered["instance"] == [exporter.addresses[0]]
    assert {"scanner", "hoarder", "leaker", "fatrace"} <= set(offered["comm"])
    assert {"filesystem", "inode"} <= set(offered["mark_type"])


def test_the_first_screen_tells_the_truth(prometheus: Prometheus) -> None:
    """Its numbers are what the workload did, or more where others of the host count."""

    def numbers() -> dict[str, float]:
        view = look(prometheus)
        return {
            "blocking": number(view, "Can a host hang?"),
            "groups": number(view, "Is a limit near?", "B"),
            "keys": number(view, "Is a limit near?", "C"),
            "ENOSPC": number(view, "Was a limit hit?"),
            "EMFILE": number(view, "Was a limit hit?", "B"),
            "nameless": number(view, "Are the counts complete?", "D"),
        }

    least = {
        "blocking": 2,
        "groups": workload.HOARD / int(MAX_USER_GROUPS.read_text()),
        "keys": 1,
        "ENOSPC": 7,
        "EMFILE": 3,
        "nameless": workload.FLOOD - workload.KEYS,
    }

    def enough(got: dict[str, float]) -> bool:
        return all(got[name] >= least[name] for name in least)

    shown = poll(numbers, enough)
    assert enough(shown), shown
    view = look(prometheus)
    for letter in "AB":  # what is down is no exporter
        assert number(view, "Are the counts complete?", letter) == 0


def test_tables_are_exact(prometheus: Prometheus) -> None:
    """Each caller has as many calls, errors and blocking marks as it made."""
    view = look(prometheus)
    who = "Who puts marks on what, and does it work?"
    calls = column(view, who, "comm", "action", "mask")
    assert calls["scanner add FAN_OPEN_PERM"] == 12
    assert calls["guard add FAN_OPEN|FAN_OPEN_EXEC_PERM"] == 3
    assert calls["uninstaller add FAN_OPEN"] == 7
    assert calls["uninstaller remove FAN_OPEN"] == 3
    assert calls["uninstaller flush 0"] == 1
    refused = column(view, who, "comm", letter="B")
    assert refused["indexer"] == 7
    assert "scanner" not in refused
    why = column(view, "What was refused, and why?", "comm", "errno")
    assert (why["indexer ENOSPC"], why["prober EINVAL"]) == (7, 1)
    assert why["[other: map full] not known"] >= workload.FLOOD - workload.KEYS
    blocking = column(view, "Who can hang which host?", "comm", "mark_type")
    assert (blocking["scanner inode"], blocking["guard inode"]) == (12, 3)


def test_first_calls_are_drawn(prometheus: Prometheus) -> None:
    """Programs that only call when they start have bars: three calls make up three."""

    def drawn() -> dict[str, float]:
        return {
            series["comm"]: sum(value for _, value in points) * board.STEP_SECONDS
            for series, points in look(prometheus).ask(
                target("Calls that ask to block")
            )
        }

    got = poll(drawn, lambda got: got.get("guard", 0) > 2.9)
    assert got["guard"] == pytest.approx(3)
    assert got["scanner"] == pytest.approx(12)


def test_a_chosen_caller_is_seen_alone(prometheus: Prometheus) -> None:
    """Tables and graphs are about it only; what endangers the host stays in sight."""
    everyone, view = look(prometheus), look(prometheus, comm="fatrace")
    for panel in (
        "Who puts marks on what, and does it work?",
        "Every call it made",
        "Groups that exist, by caller",
        "Groups it opened",
    ):
        assert {"fatrace"} == set(column(view, panel, "comm")), panel
    for panel in ("Can a host hang?", "Was a limit hit?"):
        assert number(view, panel) == number(everyone, panel), panel
    assert {"scanner", "guard"} <= set(column(view, "Who can hang which host?", "comm"))


def test_a_restart_is_shown(tmp_path: Path) -> None:
    """That the exporter is down is said; its starts are marked; its counts go on."""
    comm = f"e2e-db-{os.getpid()}"
    failing = Calls(comm.encode(), 1, 1 << 40, 7, errno.EINVAL)
    with ExitStack() as stack:
        exporter = stack.enter_context(serving(tmp_path / "first.log"))
        (address,) = exporter.addresses
        watching = stack.enter_context(scraping(address, tmp_path, elsewhere=NOWHERE))

        def calls() -> float:
            return column(look(watching), "Every call it made", "comm").get(comm, 0)

        def down() -> float:
            return number(look(watching), "Are the counts complete?")

        assert poll(lambda: watching.query("up == 1"))
        caller.make(tmp_path, failing)
        assert poll(calls) == 7
        caller.make(tmp_path, failing)
        assert poll(calls, lambda got: got > 7) == 14
        exporter.stop(signal.SIGTERM)
        assert poll(down) == 1
        flag = f"--web.listen-address={address}"
        stack.enter_context(serving(tmp_path / "second.log", flag))
        caller.make(tmp_path, failing)
        assert poll(calls, lambda got: got > 14) > 14
        assert down() == 0
        (annotation,) = board.document()["annotations"]["list"]
        view = look(watching)
        found = view.query(annotation["expr"], view.over_time)
    ((_, starts),) = found
    assert len({start for _, start in starts}) == 2
    assert all(view.end - SECONDS < start / 1000 < view.end for _, start in starts)
