"""The configurations in docs/scale.md are valid."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import CHECKOUT
from tools.harness.rules.releases import Release


PAGE = (CHECKOUT / "docs/scale.md").read_text()
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.split(":")[0])
def test_snippets(
    snippet: str, release: Release, run: Callable[..., str], tmp_path: Path
) -> None:
    """`promtool check config` accepts each snippet."""
    config = tmp_path / "prometheus.yml"
    config.write_text(snippet)
    assert "is valid prometheus config" in run(
        release.promtool, "check", "config", str(config)
    )
