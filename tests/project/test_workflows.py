"""The GitHub workflows run targets of the Makefile, with few permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import CHECKOUT


MAKEFILE = (CHECKOUT / "Makefile").read_text()
FILES = sorted((CHECKOUT / ".github/workflows").glob("*.yml"))

Job = dict[str, Any]


def jobs(path: Path) -> list[Job]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def commands(job: Job) -> Iterator[str]:
    """Yield the command of *job*, once for each value of its matrix."""
    (command,) = (step["run"] for step in job["steps"] if "run" in step)
    found = re.search(r"\$\{\{ matrix\.(\w+) \}\}", command)
    for value in job["strategy"]["matrix"][found[1]] if found else [""]:
        yield command.replace(found[0], value) if found else command


def targets(path: Path) -> list[str]:
    """Return the make targets that a workflow runs. It may run nothing else."""
    run = [command for job in jobs(path) for command in commands(job)]
    made = [re.fullmatch(r"make ([a-z0-9-]+)", command) for command in run]
    assert all(made), run
    return [each[1] for each in made if each]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_command_is_a_target(path: Path) -> None:
    """Each command of a workflow is a target of the Makefile, which anyone can run."""
    known = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))

    assert set() < set(targets(path)) <= known


def test_each_part_has_a_job() -> None:
    """Each part of `make test`, the image and Debian 13 have a job; tags release."""
    (listed,) = re.findall(r"^test: (.*?) ##", MAKEFILE, re.MULTILINE)
    wanted = {
        "ci.yml": [*listed.split(), "test-image", "test-debian13", "image"],
        "release.yml": ["release"],
    }

    assert wanted == {path.name: targets(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_job_may_read_and_no_more(path: Path) -> None:
    """The token of a job may only read, and is not left in the checkout."""
    assert {"contents": "read"} == yaml.safe_load(path.read_text())["permissions"]
    for job in jobs(path):
        assert "permissions" not in job
        (checkout,) = (s for s in job["steps"] if "/checkout@" in s.get("uses", ""))
        assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """Each action is pinned to a commit, with its version in a comment."""
    uses = re.findall(r"uses: (.*)", path.read_text())

    assert uses
    for each in uses:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
