"""Read the maps of the loaded programs into samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from operator import itemgetter

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import SYSCALLS, LoadedCalls
from fanotify_exporter.bpf.missed_runs import MissedRuns
from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot, Usage
from fanotify_exporter.uapi.comm import comm_text


# Members of struct slot and struct call that every layout has, besides the count.
CALL_MEMBERS = (
    "syscall",
    "comm",
    "flags",
    "mask",
    "error",
    "created_ns",
)

# Sections of the slots: keys of privileged callers, keys of all other callers, keys of
# inotify_add_watch(2), and the fixed slots for keys that did not fit.
PRIVILEGED, USER, WATCH, OVERFLOW = range(4)


class CallMaps:
    """The maps of loaded programs."""

    def __init__(self, loaded: LoadedCalls) -> None:
        """Map the arrays whose descriptors *loaded* holds."""
        self._loaded = loaded
        self._slots = SharedArray(loaded.fds["slots"], loaded.layouts["slots"])
        self._lost = SharedArray(loaded.fds["lost"], loaded.layouts["lost"])
        names = loaded.layouts["slots"].names
        members = [*CALL_MEMBERS, *({"cgroup"} & set(names))]
        self._pick = itemgetter(*map(names.index, members))
        self._missed_runs = MissedRuns(loaded)

    def read(self) -> Snapshot:
        """
        Read each map once.

        A key is complete once its count is above 0, so all counts are read before the
        first key.
        """
        first_user = self._loaded.max_entries
        first_watch = first_user + self._loaded.max_user_entries
        first_overflow = first_watch + self._loaded.max_watch_entries
        calls: dict[str, list[Call]] = {syscall: [] for syscall in SYSCALLS}
        used = [0, 0, 0, 0]
        map_full = dict.fromkeys(SYSCALLS, 0)
        for index, count in enumerate(self._slots.first_members()):
            if not count:
                continue
            slot = self._pick(self._slots[index])
            number, comm, flags, mask, errno, created_ns, *cgroup = slot
            syscall = SYSCALLS[number]
            section = (
                (index >= first_user)
                + (index >= first_watch)
                + (index >= first_overflow)
            )
            used[section] += 1
            if section == OVERFLOW:
                map_full[syscall] += count
            name = OTHER_COMM if section == OVERFLOW else comm_text(comm)
            created = self._loaded.booted + created_ns / 1e9
            call = Call(name, flags, mask, errno, count, created, *cgroup)
            calls[syscall].append(call)
        return Snapshot(
            counting_since=self._loaded.counting_since,
            calls=calls,
            usage=tuple(self._usage(used)),
            lost=(
                *(
                    Lost(name, "map_full", map_full[name])
                    for name in self._loaded.syscalls
                ),
                *self._read_lost(),
            ),
        )

    def _usage(self, used: Sequence[int]) -> Iterator[Usage]:
        """Yield the use of each section; *used* has the used slots by section."""
        loaded = self._loaded
        yield Usage("calls_privileged", used[PRIVILEGED], loaded.max_entries)
        yield Usage("calls_user", used[USER], loaded.max_user_entries)
        if "inotify_add_watch" in loaded.syscalls:
            yield Usage("inotify_add_watch", used[WATCH], loaded.max_watch_entries)

    def _read_lost(self) -> Iterator[Lost]:
        """Yield the calls that the programs could not count, then the missed runs."""
        kinds = product(SYSCALLS, self._loaded.lost_reasons)
        for (syscall, reason), (count,) in zip(kinds, self._lost, strict=True):
            if syscall in self._loaded.syscalls:
                yield Lost(syscall, reason, count)
        for syscall in self._loaded.syscalls:
            yield from self._missed_runs.read(syscall)


class NoCallMaps:
    """The place of CallMaps without programs: no calls."""

    def read(self) -> Snapshot:
        """Return a snapshot without calls."""
        return Snapshot(counting_since=0, calls={}, usage=(), lost=())
