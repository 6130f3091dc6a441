"""The C loop of tools.bench.hooks: build and run it, and check its figures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path


SOURCE = Path(__file__).with_name("hooks_caller.c")


class RefusedError(Exception):
    """A variant without figures: the kernel refused a program, or calls were missed."""


def build_caller(folder: str, source: Path = SOURCE) -> list[str]:
    """Compile *source* into *folder*; return the command that runs the program."""
    program = f"{folder}/{source.stem}"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", program, source], check=True)
    return [program]


def run_caller(caller: list[str]) -> dict[str, float]:
    """Return the figures that *caller* prints."""
    output = subprocess.run(caller, check=True, stdout=subprocess.PIPE).stdout
    return dict(json.loads(output))


def check(figures: Mapping[str, float], counted: int) -> None:
    """Raise RefusedError unless a probe *counted* every call of *figures*."""
    if counted != figures["marks"]:
        raise RefusedError(f"counted {counted} of {figures['marks']:.0f} calls")
