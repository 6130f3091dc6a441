"""Waits and answers that the exporter's programs counted in a test."""

from __future__ import annotations

from collections import Counter

from fanotify_exporter.bpf.permission_maps import PermissionMaps
from tools.harness.products.chroot import Answers


class Counted:
    """What the programs counted since this object was made."""

    def __init__(self, maps: PermissionMaps) -> None:
        self._maps = maps
        self._before = self._read()

    def check(self, comm: str, answers: Answers) -> None:
        """
        Check that the programs counted *answers* of the listener *comm*, and its waits.

        Each wait was answered. Fewer may be counted than there were, by no more than
        the programs report as lost.
        """
        now = self._read()
        now.subtract(self._before)
        lost = sum(number for (kind, _), number in now.items() if kind == "lost")
        for what, expected in (
            ("allow", answers.allow),
            ("deny EPERM", answers.deny),
            ("answered", answers.allow + answers.deny),
        ):
            assert expected - lost <= now.pop((comm, what), 0) <= expected, (what, now)
        others = {key: n for key, n in now.items() if n and key[0] != "lost"}
        assert not others or lost, others

    def _read(self) -> Counter[tuple[str, str]]:
        """Return all numbers: by listener and kind, and by "lost" and reason."""
        snapshot = self._maps.read()
        found = Counter[tuple[str, str]]()
        for total in snapshot.totals:
            for end, number in total.ends.items():
                found[total.comm, end] += number
            for response, number in total.responses.items():
                found[total.comm, " ".join(filter(None, response))] += number
        for lost in snapshot.lost:
            found["lost", f"{lost.probe} {lost.reason}"] += lost.count
        return found
