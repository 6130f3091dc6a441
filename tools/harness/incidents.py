"""
What goes wrong on a host, done for real: programs that call fanotify until they end.

No limit of the host is touched. Marks run out in a user namespace with a limit of its
own (user.max_fanotify_marks, see namespaces(7) and fanotify(7)), groups by a user who
has as many as the host allows. Both need fanotify without privileges: Linux 5.13.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.harness.listeners import Installed, Listener, as_user, installed, listening


HOARDER = 61_305
"""A user whom nobody else has."""

PROTECTOR = "fapolicyd"
"""A name that the shipped settings know."""

OWN_LIMITS = ("unshare", "--user", "--map-root-user")

PROTECT = f"""
    name({PROTECTOR!r})
    group = init()
    mark(group, ADD, OPEN, ".")
"""
UNPROTECT = """
    say()
    mark(group, 2, OPEN, ".")
"""
RUN_OUT_OF_MARKS = """
    with open("/proc/sys/user/max_fanotify_marks", "w") as limit:
        limit.write("1")
    group = init(FID)
    mark(group, ADD, OPEN, ".")
    try:
        mark(group, ADD, OPEN, "..")
    except OSError as error:
        say(error.errno)
"""
RUN_OUT_OF_GROUPS = """
    try:
        while True:
            init(FID)
    except OSError as error:
        say(error.errno)
"""
BLOCK = """
    mark(init(CONTENT), ADD, OPEN_PERM, ".")
"""
UNNAMED_BIT = """
    try:
        mark(init(), ADD | 1 << 31, OPEN, ".")
    except OSError as error:
        say(error.errno)
"""


WATCHERS = {
    "fatrace": ("--current-mount", "--command=nobody"),
    "fsnotifywait": ("--monitor", "--filesystem", "--event=move_self", "."),
}
"""Programs of the distribution, and how they mark a filesystem and print nothing."""


@dataclass(frozen=True, slots=True)
class Incidents:
    """Programs that do what alerts are about; the distribution's, and comms of ours."""

    out_of_marks: str
    out_of_groups: str
    newer: str
    blockers: tuple[str, str]
    watchers: Mapping[str, Installed]

    @property
    def comms(self) -> tuple[str, ...]:
        """Those of all."""
        watchers = (program.comm for program in self.watchers.values())
        ours = (self.out_of_marks, self.out_of_groups, self.newer, *self.blockers)
        return (*ours, *watchers)


@contextmanager
def protected(folder: Path) -> Iterator[Listener]:
    """Have a protector with a mark; it removes that when it goes on."""
    with listening(PROTECT, UNPROTECT, folder=str(folder)) as protector:
        yield protector


@contextmanager
def happening(folder: Path) -> Iterator[Incidents]:
    """Have all incidents at once, on files in *folder*, for as long as it is wanted."""
    with ExitStack() as stack:

        def does(code: str, *said: int, prefix: Sequence[str] = ()) -> str:
            program = listening(code, prefix=prefix, folder=str(folder))
            listener = stack.enter_context(program)
            assert said == listener.said
            return listener.comm

        def watches(program: str, *options: str) -> Installed:
            own = folder / program
            own.mkdir()
            return stack.enter_context(installed(program, *options, folder=own))

        yield Incidents(
            does(RUN_OUT_OF_MARKS, errno.ENOSPC, prefix=OWN_LIMITS),
            does(RUN_OUT_OF_GROUPS, errno.EMFILE, prefix=as_user(HOARDER)),
            does(UNNAMED_BIT, errno.EINVAL),
            (does(BLOCK), does(BLOCK)),
            {name: watches(name, *options) for name, options in WATCHERS.items()},
        )
