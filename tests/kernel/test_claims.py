"""A scrape that reads slots while they are claimed has only whole keys."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.bpf.samples import Call
from tools.harness.loaded_programs import UNUSED, make_loaded


SLOTS = 256
ROUNDS = 2000
SOURCE = Path(__file__).with_name("claims.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile claims.c."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc here")
    built = tmp_path_factory.mktemp("claims") / "claims"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", SOURCE, "-o", built], check=True)
    return built


def is_whole(call: Call) -> bool:
    """Return whether all members of the key are of one claim that was counted."""
    mask = call.mask
    expected = (mask * 7 % 2**32, mask % 1000 + 1, 1)
    return 0 < mask < 1 << 20 and expected == (call.flags, call.errno, call.count)


def test_keys_are_whole(program: Path) -> None:
    """Each of 512,000 keys is read with the members of the counted claim."""
    loaded = make_loaded([UNUSED] * SLOTS, max_entries=SLOTS)
    maps = CallMaps(loaded)
    memory = loaded.fds["slots"]
    broken: list[Call] = []
    with subprocess.Popen(
        [program, str(SLOTS), str(memory)], stdin=subprocess.PIPE, pass_fds=[memory]
    ) as claims:
        assert claims.stdin
        for _ in range(ROUNDS):
            os.pwrite(memory, bytes(len(UNUSED) * SLOTS), 0)
            os.write(claims.stdin.fileno(), b"\0")
            calls: Sequence[Call] = ()
            while len(calls) < SLOTS and claims.poll() is None:
                calls = maps.read().calls["fanotify_mark"]
                broken += [call for call in calls if not is_whole(call)]
            assert SLOTS == len(calls)
    for fd in loaded.fds.values():
        os.close(fd)
    assert [] == broken


@pytest.mark.any_hook
def test_count_is_the_first_member(shared_probes: LoadedCalls) -> None:
    """The count of a slot is the first member in the map, a u64 without padding."""
    layout = shared_probes.layouts["slots"]
    assert "count" == layout.names[0]
    assert layout.format[:2] in {"@Q", "@L"}
