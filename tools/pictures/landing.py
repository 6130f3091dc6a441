"""
Take a picture of the landing page: `python -m tools.pictures.landing PATH`.

Runs the exporter and the programs of tools.harness.workload on this host, and opens the
page in Chromium. Needs root.
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
from pathlib import Path

from PIL import Image

from tools.harness import workload
from tools.harness.chromium import Chromium, chromium
from tools.harness.processes import poll
from tools.harness.serving import LISTEN, serving


FLAGS = (
    LISTEN,
    f"--bpf.max-user-entries={workload.KEYS}",
    "--collector.groups.interval=1s",
)
# Enough colours for antialiased text, in a file of a third of the size.
COLOURS = 64


def main() -> None:
    """Run the workload until the page shows its groups, and write the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pictures.landing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="PNG file to write")
    add("--width", type=int, default=1280, help="CSS pixels (default: %(default)s)")
    add("--scheme", choices=("light", "dark"), default="light", help="colour scheme")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            serving(folder / "exporter.log", *FLAGS) as exporter,
            chromium(folder / "profile") as browser,
            workload.busy(folder),
        ):
            browser.open(
                f"http://{exporter.addresses[0]}/",
                width=options.width,
                scheme=options.scheme,
            )
            poll(browser.rows, lambda rows: "uninstaller" in str(rows))
            take(browser, options.width).save(options.path, optimize=True)


def take(browser: Chromium, width: int) -> Image.Image:
    """Return a picture of the whole page."""
    height = browser.run("return document.body.offsetHeight")
    answer = browser.command(
        "Page.captureScreenshot",
        captureBeyondViewport=True,
        clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
    )
    image = Image.open(io.BytesIO(base64.b64decode(answer["data"])))
    return image.convert("RGB").quantize(COLOURS)


if __name__ == "__main__":
    main()
