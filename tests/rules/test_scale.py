"""The configurations in docs/scale.md are valid."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fanotify_exporter.commands import serve
from fanotify_exporter.options.parser import SERVE, Parser
from tools import CHECKOUT
from tools.harness.rules.releases import Release


PAGE = (CHECKOUT / "docs/scale.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (\d+)[^|]* \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)
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


def limits() -> dict[tuple[int, int], tuple[int, int]]:
    """Return sample_limit, and that with _created, by the numbers of slots."""
    rows = [[int(each.replace(",", "")) for each in row] for row in ROW.findall(PAGE)]
    return {(slots, users): (plain, created) for slots, users, plain, created in rows}


def test_limits_of_samples() -> None:
    """Each limit is above the page's formula; with _created above twice the formula."""
    assert 4 == len(limits())
    for slots, (plain, created) in limits().items():
        samples = 2 * sum(slots) + 5_000
        assert samples <= plain
        assert 2 * samples <= created


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "prometheus/prometheus.yml",
        "deploy/kubernetes/prometheus-operator/podmonitor.yml",
    ],
)
def test_limits_beside_the_default(path: str) -> None:
    """Limits for labels of containers and for _created are those of docs/scale.md."""
    (text,) = re.findall(
        r"With `?--label.container`? set .*? both\s[\d,]+",
        (CHECKOUT / path).read_text().replace("#", ""),
        re.DOTALL,
    )
    container, created, both = (
        int(each.replace(",", "")) for each in re.findall(r"[\d,]{5,}", text)
    )
    assert (container, both) == limits()[slots_by_default("--label.container")]
    assert created == limits()[slots_by_default()][1]


def slots_by_default(*flags: str) -> tuple[int, int]:
    parser = Parser(SERVE)
    bpf = serve.add_flags(parser)(parser.parse(flags, {})).bpf
    return bpf.max_entries, bpf.max_user_entries
