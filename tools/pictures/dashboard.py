"""Draw the dashboard after some minutes of tools.harness.workload on this host."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tools.harness import dashboard, workload
from tools.harness.processes import poll
from tools.harness.servers.prometheus import scraping
from tools.harness.serving import LISTEN, serving
from tools.pictures.drawing import Drawn, draw


FLAGS = (LISTEN, f"--bpf.max-entries={workload.KEYS}", "--collector.groups.interval=1s")


def main() -> None:
    """Run the workload, ask every query once, and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pictures.dashboard", description=__doc__
    )
    parser.add_argument("path", type=Path, help="a PNG to write")
    parser.add_argument("--seconds", type=int, default=120, help="of which it tells")
    parser.add_argument("--all", action="store_true", help="not the first row only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        panels = look(Path(folder), options.seconds)
    rows = [n for n, each in enumerate(panels) if each.panel["type"] == "row"]
    draw(panels if options.all else panels[: rows[1]], options.path)


def look(folder: Path, seconds: int) -> list[Drawn]:
    """Return every panel and its answers after *seconds*."""
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
