"""
The examples in web_config/, ready for use.

NAME.good.yml is accepted by us and by promtool, NAME.bad.yml refused by both,
NAME.stricter.yml by us only. The first line of what is refused says with what words.
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
    """Write all examples, and the certificates that they name, to *folder*."""
    make_certificates(folder)
    for source in SOURCE.glob("*.yml"):
        text = source.read_text()
        for name in re.findall(r"{{(\S+)}}", text):
            pem = (folder / name).read_text()
            text = text.replace(f"{{{{{name}}}}}", json.dumps(pem))
        (folder / source.name).write_text(text)


def expected_error(example: Path) -> str:
    """Return what must be said of an example that is refused."""
    why = example.read_text().partition("\n")[0].removeprefix("# ")
    return f"{example}: {why}".replace("{folder}", str(example.parent))
