"""What the permission programs counted, for comparison with listeners and openers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.bpf.missed_runs import preempts_programs
from fanotify_exporter.bpf.permission_maps import PermissionMaps
from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    UNKNOWN_COMM,
    WAIT_BUCKETS,
    PermissionSnapshot,
)
from tools.harness.permission.listener import Counts, Listener
from tools.harness.permission.opener import Access


# Reasons of lost waits and answers that are no skipped run of a program.
KNOWN_REASONS = ("no_begin", "writers_full", "map_full")


@dataclass(frozen=True, slots=True)
class Waits:
    """
    What the programs counted for one listener.

    Attributes:
        ends: ended waits by element of ENDS, without zeros.
        buckets: waits by bucket of WAIT_BUCKETS, not cumulative.
        seconds: sum of the lengths of the waits in *buckets*.
        responses: accepted answers by response and errno, without zeros.
    """

    ends: Counter[str]
    buckets: tuple[int, ...]
    seconds: float
    responses: Counter[tuple[str, str]]


class Counted:
    """Loaded permission programs, and what they counted since this object was made."""

    def __init__(self, loaded: LoadedPermission) -> None:
        self.loaded = loaded
        self._maps = PermissionMaps(loaded)
        self._before = self._maps.read()

    def read(self) -> PermissionSnapshot:
        """Return the content of the maps."""
        return self._maps.read()

    def of(self, comm: str, group_class: str = "content") -> Waits:
        """
        Return what was counted for the listener *comm*, which is new.

        Without an iterator the programs know a listener after its first answer, so the
        new waits for listeners that are not known count as well.
        """
        now = self.read()
        waits = _sum(now, comm, group_class)
        if not self.loaded.iterator_reason:
            return waits
        before, after = (
            _sum(each, UNKNOWN_COMM, group_class) for each in (self._before, now)
        )
        return Waits(
            waits.ends + after.ends - before.ends,
            tuple(
                named + new - old
                for named, new, old in zip(
                    waits.buckets, after.buckets, before.buckets, strict=True
                )
            ),
            waits.seconds + after.seconds - before.seconds,
            waits.responses + after.responses - before.responses,
        )

    def lost(self, probe: str) -> Counter[str]:
        """Return the new losses of *probe* by reason, without zeros."""
        return _lost(self.read(), probe) - _lost(self._before, probe)

    def skipped(self, probe: str) -> int:
        """Return how often the kernel did not run a program of *probe*."""
        reasons = self.lost(probe)
        return sum(n for reason, n in reasons.items() if reason not in KNOWN_REASONS)

    def agree(
        self,
        listener: Listener,
        counts: Counts | None = None,
        group_class: str = "content",
        began_before: int = 0,
        **ends: int,
    ) -> Waits:
        """
        Assert that waits ended as *ends* says, and the answers are those of *counts*.

        Without skipped runs each number is exact. A kernel that preempts programs skips
        a program that was preempted on the same CPU, and counts each skipped run: as
        many waits are missing as ends were skipped. A wait whose begin was skipped has
        no length, nor has one of the *began_before* that began before the programs.
        """
        made = Counter(ends)
        skipped = self.skipped("permission_wait")
        waits = self.of(listener.comm, group_class)
        no_begin = self.lost("permission_wait")["no_begin"]
        complete = not skipped and no_begin == began_before
        assert made.total() == waits.ends.total() + skipped, f"{made} {waits}"
        assert waits.ends.total() == sum(waits.buckets) + no_begin
        assert complete or preempts_programs()
        skipped_answers = self.skipped("permission_response")
        if counts:
            agree_answers(counts, waits, skipped_answers)
        if complete and not skipped_answers:
            assert dict(made) == dict(waits.ends)
        return waits


def agree_answers(counts: Counts, waits: Waits, skipped: int) -> None:
    """Assert that each answer of *counts* was counted, without *skipped* runs."""
    assert not waits.responses - counts.accepted
    assert 0 <= counts.answers - waits.responses.total() <= skipped


def agree_lengths(counts: Counts, accesses: list[Access], waits: Waits) -> None:
    """
    Assert that lengths are those of *accesses*, in the order of the answers.

    A wait is longer than the listener held the event, and shorter than the access.
    """
    shortest = sorted(end - begin for begin, end in counts.spans)
    longest = sorted(access.end - access.start for access in accesses)
    assert len(shortest) == len(longest)
    if sum(waits.buckets) < len(shortest):  # some have no length, or are missing
        assert waits.seconds <= sum(longest)
        return
    assert sum(shortest) <= waits.seconds <= sum(longest)
    for position, bound in enumerate(WAIT_BUCKETS):
        within = sum(waits.buckets[: position + 1])
        assert sum(length <= bound for length in longest) <= within
        assert within <= sum(length <= bound for length in shortest)


def _sum(snapshot: PermissionSnapshot, comm: str, group_class: str) -> Waits:
    """Return the sum over the cgroups of a listener."""
    ends, responses = Counter[str](), Counter[tuple[str, str]]()
    buckets = [0] * (len(WAIT_BUCKETS) + 1)
    own = (comm, group_class)
    totals = [each for each in snapshot.totals if own == (each.comm, each.group_class)]
    for each in totals:
        assert set(ENDS) == set(each.ends)
        ends.update(each.ends)
        responses.update(each.responses)
        buckets = [a + b for a, b in zip(buckets, each.buckets, strict=True)]
    seconds = sum(each.seconds for each in totals)
    return Waits(+ends, tuple(buckets), seconds, +responses)


def _lost(snapshot: PermissionSnapshot, probe: str) -> Counter[str]:
    found = Counter[str]()
    for lost in snapshot.lost:
        if lost.probe == probe:
            found[lost.reason] += lost.count
    return found
