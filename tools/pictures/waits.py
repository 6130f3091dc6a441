"""
Draw the row of the dashboard about waits: `python -m tools.pictures.waits PATH`.

Gives the story of tools.harness.stall_story to Prometheus, sends the queries of the row
in grafana/fanotify.json, and draws the answers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grafana.dashboard import WAITS
from tools.harness import dashboard
from tools.harness import stall_story as stall
from tools.harness.dashboard import Target, View
from tools.pictures.drawing import draw
from tools.pictures.style import Drawn


def main() -> None:
    """Replay the story, send every query of the row once, and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pictures.waits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="PNG file to write")
    add(
        "--until",
        type=int,
        default=stall.SECONDS,
        help="second of the story at which the dashboard is opened (default: the end)",
    )
    options = parser.parse_args()
    end = time.time() - 60
    begin = end - options.until
    with (
        tempfile.TemporaryDirectory() as folder,
        stall.replayed_story(begin, Path(folder)) as prometheus,
    ):
        view = dashboard.open_view(prometheus, options.until, end)
        draw(list(drawn(row(WAITS), view)), options.path)


def row(title: str) -> list[Mapping[str, Any]]:
    """Return the row *title* of the dashboard and its panels, moved to the top."""
    panels = dashboard.document()["panels"]
    rows = [n for n, each in enumerate(panels) if each["type"] == "row"]
    (first,) = (n for n in rows if panels[n]["title"] == title)
    after = next((n for n in rows if n > first), len(panels))
    top = panels[first]["gridPos"]["y"]
    return [
        each | {"gridPos": each["gridPos"] | {"y": each["gridPos"]["y"] - top}}
        for each in panels[first:after]
    ]


def drawn(panels: Iterable[Mapping[str, Any]], view: View) -> Iterable[Drawn]:
    """Yield *panels* with the series of their queries."""
    by_panel: dict[str, list[Target]] = {}
    for each in dashboard.targets():
        by_panel.setdefault(each.panel, []).append(each)
    for panel in panels:
        targets = by_panel.get(panel["title"], ())
        answers = {each.ref_id: view.run(each) for each in targets}
        yield Drawn(panel, answers, view.end - view.seconds, view.end)


if __name__ == "__main__":
    main()
