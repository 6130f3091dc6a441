"""Tests of real groups on this machine's /proc, which need root and no BPF."""

from __future__ import annotations

import os

import pytest

from tools.harness.requirements import missing


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        missing("tests/proc make groups of many kinds and users: run them as root")
