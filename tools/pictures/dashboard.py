"""
Draw a picture of the dashboard: `python -m tools.pictures.dashboard PATH`.

Runs the exporter, Prometheus and the programs of tools.harness.workload on this host,
sends the queries of grafana/fanotify.json to Prometheus, and draws the answers. Needs
root.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tools.harness import dashboard, workload
from tools.harness.processes import poll
from tools.harness.servers.prometheus import scraping
from tools.harness.serving import LISTEN, serving
from tools.pictures.drawing import draw
from tools.pictures.style import Drawn


FLAGS = (
    LISTEN,
    f"--bpf.max-user-entries={workload.KEYS}",
    "--collector.groups.interval=1s",
)


def main() -> None:
    """Run the workload, send every query once, and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pictures.dashboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="PNG file to write")
    add("--seconds", type=int, default=120, help="time range (default: %(default)s)")
    add("--all", action="store_true", help="draw all rows instead of the first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        panels = queried(Path(folder), options.seconds)
    rows = [n for n, each in enumerate(panels) if each.panel["type"] == "row"]
    draw(panels if options.all else panels[: rows[1]], options.path)


def queried(folder: Path, seconds: int) -> list[Drawn]:
    """Run the workload for *seconds*; return every panel with its series."""
    end = time.time() + seconds
    pause = seconds / 2 / workload.SIZE
    with (
        serving(folder / "exporter.log", *FLAGS) as exporter,
        scraping(exporter.addresses[0], folder) as prometheus,
    ):
        poll(lambda: prometheus.query("up == 1"))
        with workload.busy(folder, pause=lambda: time.sleep(pause)):
            time.sleep(max(0, end - time.time()))
            view = dashboard.open_view(prometheus, seconds, time.time())
            answers: dict[str, dict[str, list[dashboard.Series]]] = {}
            for each in dashboard.targets():
                answers.setdefault(each.panel, {})[each.ref_id] = view.run(each)
    return [
        Drawn(panel, answers.get(panel["title"], {}), view.end - seconds, view.end)
        for panel in dashboard.document()["panels"]
    ]


if __name__ == "__main__":
    main()
