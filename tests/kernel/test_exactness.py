"""The counts equal the calls that programs made: no call lost, none counted twice."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM
from fanotify_exporter.uapi.fanotify import MARK_COMMANDS, MARK_MODIFIERS, MARK_TYPES
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts, Load
from tools.harness.plans import ADD, FLUSH, NOBODY, OPEN, REMOVE, every_bit_and_pair


@pytest.mark.many_keys
@pytest.mark.parametrize("user", [0, NOBODY])
def test_every_flag_and_mask_bit(counts: Counts, caller: Caller, user: int) -> None:
    """Each flag, mask bit, pair of them and random number is counted with its errno."""
    made = caller.run(every_bit_and_pair(), "bits", user=user)

    counts.agree(made, "bits")


def test_prime_numbers_of_calls(counts: Counts, caller: Caller) -> None:
    """Prime numbers of calls of each command and type are counted."""
    primes = iter((23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89))
    plan = [
        (command | kind, OPEN, next(primes))
        for command in MARK_COMMANDS
        for kind in MARK_TYPES
    ]
    plan += [(ADD | min(MARK_MODIFIERS), OPEN, next(primes))]

    made = caller.run(plan, "primes")

    assert sum(n for _, _, n in plan) == sum(made.values())
    counts.agree(made, "primes")


def test_threads_of_many_names(counts: Counts, caller: Caller) -> None:
    """Of 200,000 calls by 8 threads, each is counted or reported as lost."""
    plan = [(ADD, 1 << bit, 5000) for bit in range(5)]

    made = caller.run(plan, "crowd", threads=8)

    assert 200_000 == made.total()
    counts.agree(made, *(f"crowd{n}" for n in range(8)))


def test_reading_disturbs_no_probe(counts: Counts, caller: Caller) -> None:
    """Calls are counted while another thread reads the maps all the time."""
    done = Event()
    sums: list[int] = []

    def read_on() -> None:
        while not done.is_set():
            sums.append(sum(counts.of("busy0", "busy1").values()))

    reader = Thread(target=read_on)
    reader.start()
    made = caller.run([(ADD, 1 << bit, 500) for bit in range(64)], "busy", threads=2)
    done.set()
    reader.join()

    assert sums == sorted(sums), "a counter went backwards"
    counts.agree(made, "busy0", "busy1")


def test_killed_in_the_middle(counts: Counts, caller: Caller, tmp_path: Path) -> None:
    """After SIGKILL, each call that ended is counted or reported as lost, once."""
    progress = tmp_path / "progress"
    progress.write_bytes(bytes(4096))
    with subprocess.Popen(
        [*caller.command("doomed"), str(progress)], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin
        process.stdin.write(b"1 20 1000\n101 20 7\n")
        process.stdin.close()
        deadline = time.monotonic() + 30
        while _progress(progress)[1] < 10_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    begun, ended = _progress(progress)
    total = counts.of("doomed").total()
    lost = counts.lost()

    assert ended >= 10_000
    assert ended <= total + lost
    assert total <= begun


def _progress(path: Path) -> tuple[int, int]:
    begun, ended = struct.unpack("@QQ", path.read_bytes()[:16])
    return begun, ended


@pytest.mark.any_hook
def test_full_map_keeps_the_sum(load: Load, caller: Caller) -> None:
    """Keys that do not fit are counted together, by action, type and success."""
    counts = load(64)

    made = caller.run([(ADD, 1 << 40 | n, 3) for n in range(500)], "flood")
    made += caller.run([(ADD, OPEN, 5), (FLUSH, 0, 7)], "late")
    calls = counts.read().calls["fanotify_mark"]
    other = Counter(
        {
            (call.flags, bool(call.errno)): call.count
            for call in calls
            if call.comm == OTHER_COMM
        }
    )
    kept = counts.of("flood", "late")

    assert kept <= made
    assert 64 >= len(kept) > 32, "the map has another number of keys than it should"
    missing = counts.missing(made.total(), kept.total() + other.total())
    assert other.total() == counts.found_no_room()
    assert {(ADD, True), (ADD, False), (FLUSH, False)} == set(other)
    assert 5 - missing <= other[ADD, False] <= 5
    assert 7 - missing <= other[FLUSH, False] <= 7


@pytest.mark.any_hook
def test_nobody_cannot_hide_root(load: Load, caller: Caller) -> None:
    """Many keys of another user leave room for new keys of root."""
    counts = load(64)

    flood = caller.run([(n, n, 1) for n in range(1, 2000)], "flood", user=NOBODY)
    made = caller.run([(ADD, OPEN, 23), (REMOVE, OPEN, 1)], "root")
    snapshot = counts.read()
    others = sum(
        call.count
        for call in snapshot.calls["fanotify_mark"]
        if call.comm == OTHER_COMM
    )

    kept = counts.of("flood", "root")
    missing = counts.missing((flood + made).total(), kept.total() + others)
    assert kept <= flood + made
    assert (made - kept).total() <= missing
    assert {"calls_user": 64} == {
        usage.map: usage.entries
        for usage in snapshot.usage
        if usage.entries == usage.max_entries
    }


@pytest.mark.any_hook
def test_two_exporters(counts: Counts, load: Load, caller: Caller) -> None:
    """Two sets of programs count the same calls, each exactly."""
    second = load(64)

    made = caller.run([(ADD, OPEN, 101), (REMOVE, OPEN, 103)], "shared")

    counts.agree(made, "shared")
    second.agree(made, "shared")


@pytest.mark.any_hook
def test_created_is_the_first_call(counts: Counts, caller: Caller) -> None:
    """A key's creation time is between the times before and after its first call."""
    before = time.time()
    caller.run([(ADD, OPEN, 1)], "first")
    after = time.time()
    caller.run([(ADD, OPEN, 1)], "first")
    if counts.of("first").total() != 2:
        counts.skip_if_lost()
    (created,) = {
        call.created
        for call in counts.read().calls["fanotify_mark"]
        if call.comm == "first"
    }

    assert before - 0.01 <= created <= after + 0.01


def test_one_caller_loses_nothing(counts: Counts, caller: Caller) -> None:
    """Without competing callers each call is counted, and no call is reported lost."""
    made = caller.run([(ADD, OPEN, 1009)], "quiet")

    counts.agree(made, "quiet")
    assert counts.counts_any_skip or counts.lost() == 0
