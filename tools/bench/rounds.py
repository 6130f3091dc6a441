"""Run the variants of a benchmark in turn, each in a new process; take medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


# Default number of rounds.
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Runs:
    """
    The figures of all rounds.

    Attributes:
        figures: variant -> its figures, a mapping for each round.
        refused: variant -> the reason why it cannot run here.
    """

    figures: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def median(self, variant: str, figure: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(run[figure] for run in self.figures[variant])


def run_rounds(module: str, variants: Sequence[str], rounds: int = ROUNDS) -> Runs:
    """
    Run every variant once in each round.

    ``python -m MODULE VARIANT`` must print a JSON object of figures, or
    {"refused": reason}. A refused variant does not run again.
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
    """Return the medians of the figures of *variants*, none of which may be refused."""
    runs = run_rounds(module, variants, rounds)
    return {
        variant: {figure: runs.median(variant, figure) for figure in each[0]}
        for variant, each in runs.figures.items()
    }


def _run(module: str, variant: str) -> Mapping[str, float]:
    """Return the figures that the process of *variant* prints."""
    output = subprocess.run(
        [sys.executable, "-m", module, variant],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    ).stdout
    figures: Mapping[str, float] = json.loads(output.splitlines()[-1])
    return figures


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in (head, rule, *rows)
    )
