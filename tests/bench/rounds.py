"""Run variants in turn, each in a process of its own, and take medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence


ROUNDS = 5


def medians(
    module: str, variants: Sequence[str], rounds: int = ROUNDS
) -> dict[str, dict[str, float]]:
    """
    Return each variant's figures: medians over interleaved rounds.

    ``python -m MODULE VARIANT`` prints one JSON object of figures.
    """
    runs: dict[str, list[Mapping[str, float]]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            runs[variant].append(_run(module, variant))
    return {
        variant: {
            figure: statistics.median(run[figure] for run in each) for figure in each[0]
        }
        for variant, each in runs.items()
    }


def _run(module: str, variant: str) -> Mapping[str, float]:
    output = subprocess.run(
        [sys.executable, "-m", module, variant],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    ).stdout
    figures: Mapping[str, float] = json.loads(output.splitlines()[-1])
    return figures


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, columns aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in (head, rule, *rows)
    )
