"""What README.md lists is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.cli import build_parser
from exporter.exporter_health import ExporterHealthCollector
from exporter.groups import GroupsCollector
from exporter.hooks import LADDER
from exporter.limits import LimitsCollector
from exporter.maps import Snapshot
from exporter.mark_calls import MarkCallsCollector
from exporter.registry import IsolatedCollectors

from .test_golden import LOADED


README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_flag_is_listed() -> None:
    """The flags table and the parser name the same flags."""
    listed = set(re.findall(r"^\| `(--[^=` ]+)", README, re.MULTILINE))
    known = {
        flag.replace("--no-collector.", "--[no-]collector.")
        for action in build_parser()._actions
        for flag in action.option_strings
        if flag.startswith("--no-") or not re.match(r"-h|--collector\.\w+$", flag)
    }

    assert known - {"--help"} == listed


def test_every_family_is_listed() -> None:
    """Each metric family stands in the metrics table, and no other does."""
    empty = Snapshot(0, (), (), ())
    collectors = IsolatedCollectors(
        {
            "mark_calls": MarkCallsCollector(lambda: empty),
            "groups": GroupsCollector(lambda: None),
            "limits": LimitsCollector(),
            "exporter_health": ExporterHealthCollector(LOADED, lambda: empty),
        }
    )
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in collectors.describe()
    }
    table = README[README.index("## Metrics") : README.index("## Hooks")]
    listed = set()
    for row in re.findall(r"^\| (`fanotify_.*?) \|", table, re.MULTILINE):
        first, *others = re.findall(r"`(\w+)`", row)
        listed |= {first, *("fanotify_exporter" + other for other in others)}

    assert families == listed


def test_every_hook_is_listed() -> None:
    """Each hook of the ladder has its row, in the ladder's order."""
    rows = re.findall(r"^\| `(\w+)`: ", README, re.MULTILINE)

    assert list(dict.fromkeys(rung.hook for rung in LADDER)) == rows
