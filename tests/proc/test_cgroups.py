"""Names of real cgroups, some of which belong to a user without privileges."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.system.cgroups import Cgroups
from tools.harness.cgroup2 import cgroup, hierarchy
from tools.harness.processes import poll, resident_kb


# Chosen by environment: LEAVES=10000 is the attack in its full size.
LEAVES = int(os.environ.get("LEAVES", "2000"))
USER = 65_534
ID = "5eed" * 16
FORGED = "f" * 64

# In the path of these folders each byte becomes 4 characters.
LONG = os.fsdecode(b"\xff" * 255)
NESTED = "/".join([LONG] * 13)

MAX_BYTES = 4_000_000
SECONDS = 10.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with hierarchy(tmp_path_factory.mktemp("cgroups")) as root:
        yield root


@pytest.fixture(scope="module")
def delegated(root: Path) -> Iterator[Path]:
    """Delegate a cgroup to a user, who makes many and deep cgroups there."""
    with cgroup(root / f"t-user-{os.getpid()}.slice") as folder:
        for leaf in range(LEAVES):
            (folder / f"{leaf:05}{LONG[:250]}").mkdir()
        for deep in range(20):
            (folder / f"deep{deep}" / NESTED).mkdir(parents=True)
        for path, _, _ in os.walk(folder):
            os.chown(path, USER, USER)
        yield folder


def number(path: Path) -> int:
    return path.stat().st_ino


def test_labels_are_short(root: Path, delegated: Path) -> None:
    """The path of the deepest cgroup has 291 characters, and is a path of its own."""
    cgroups = Cgroups(root)
    deep = [number(delegated / f"deep{n}" / NESTED) for n in range(20)]

    def paths() -> set[str]:
        cgroups.walk()
        return {cgroups(inode)[0] for inode in deep}

    found = poll(paths, lambda paths: all(path[0] == "/" for path in paths))
    assert [291] * 20 == list(map(len, found))


def test_memory(root: Path, delegated: Path) -> None:
    """The names of a user's cgroups take little memory."""
    assert delegated
    cgroups = Cgroups(root)
    before = resident_kb(os.getpid())
    tracemalloc.start()
    for _ in range(20):
        cgroups.walk()
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    growth = resident_kb(os.getpid()) - before
    print(f"{LEAVES} leaves: {used} bytes, at most {peak}; {growth} kB more")
    assert peak < MAX_BYTES


def test_new_container(root: Path, delegated: Path) -> None:
    """A new container gets its name within seconds, whatever a user has made."""
    assert delegated
    cgroups = Cgroups(root)
    started = time.thread_time()
    cgroups.walk()
    seconds = time.thread_time() - started
    cgroups.start()
    time.sleep(1.5)  # the first walk of the thread comes after a second
    try:
        with cgroup(root / f"docker-{ID}.scope") as container:
            made = time.monotonic()
            expected = (f"/docker-{ID}.scope", ID)
            inode = number(container)
            found = poll(lambda: cgroups(inode), lambda name: name == expected)
            waited = time.monotonic() - made
    finally:
        cgroups.stop()
    print(f"{LEAVES} leaves: a walk {seconds:.3f} s, a container {waited:.1f} s")
    assert expected == found
    assert waited < SECONDS


def test_forged_container(root: Path) -> None:
    """Cgroups that a container makes below its own have the container's name and id."""
    with cgroup(root / f"docker-{ID}.scope") as container:
        inner = container / f"docker-{FORGED}.scope"
        inner.mkdir()
        cgroups = Cgroups(root)
        cgroups.walk()
        expected = (f"/docker-{ID}.scope", ID)
        assert [expected] * 2 == [cgroups(number(each)) for each in (container, inner)]
