"""
The web configuration files in tests/unit/web/config, with certificates.

The exporter and promtool both accept NAME.good.yml and refuse NAME.bad.yml. Only the
exporter refuses NAME.stricter.yml. The first line of a refused file has the error.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools import CHECKOUT
from tools.harness.certificates import make_certificates


SOURCE = CHECKOUT / "tests/unit/web/config"

GOOD = sorted(path.name for path in SOURCE.glob("*.good.yml"))
REFUSED = sorted(path.name for path in SOURCE.glob("*.yml") if path.name not in GOOD)


def make_examples(folder: Path) -> None:
    """Write all examples and their certificates to *folder*."""
    make_certificates(folder)
    for source in SOURCE.glob("*.yml"):
        text = source.read_text()
        for name in re.findall(r"{{(\S+)}}", text):
            pem = (folder / name).read_text()
            text = text.replace(f"{{{{{name}}}}}", json.dumps(pem))
        (folder / source.name).write_text(text)


def expected_error(example: Path) -> str:
    """Return the expected error of a refused example."""
    reason = example.read_text().partition("\n")[0].removeprefix("# ")
    return f"{example}: {reason}".replace("{folder}", str(example.parent))
