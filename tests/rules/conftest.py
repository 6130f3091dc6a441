from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tools.harness.rules.releases import Release, installed, newest


@pytest.fixture(scope="session", params=[installed, newest], ids=["2.x", "3.x"])
def release(request: pytest.FixtureRequest) -> Release:
    """Return the programs of each release in turn."""
    find: Callable[[], Release] = request.param
    return find()


@pytest.fixture
def run() -> Callable[..., str]:
    """Return a function that runs a command, asserts success and returns the output."""

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == 0, f"{command[:2]} failed"
        return done.stdout

    return run
