"""Run variants in turn, each in a process of its own, and take medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Runs:
    """
    What interleaved rounds gave.

    Attributes:
        figures: variant -> its figures, one mapping a round.
        refused: variant -> why it cannot run here.
    """

    figures: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def median(self, variant: str, figure: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(run[figure] for run in self.figures[variant])


def run_rounds(module: str, variants: Sequence[str], rounds: int = ROUNDS) -> Runs:
    """
    Run every variant once a round.

    ``python -m MODULE VARIANT`` prints one JSON object of figures, or
    {"refused": reason}; a refused variant is not run again.
    """
    runs = Runs({variant: [] for variant in variants})
    for _ in range(rounds):
        for variant in list(runs.figures):
            answer = _run(module, variant)
            if "refused" in answer:
                runs.refused[variant] = str(answer["refused"])
                del runs.figures[variant]
            else:
                runs.figures[variant].append(answer)
    return runs


def medians(
    module: str, variants: Sequence[str], rounds: int = ROUNDS
) -> dict[str, dict[str, float]]:
    """Return the figures of variants that always run: medians over the rounds."""
    runs = run_rounds(module, variants, rounds)
    return {
        variant: {figure: runs.median(variant, figure) for figure in each[0]}
        for variant, each in runs.figures.items()
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
