"""
Programs that cause the incidents that alerts are about.

The limits of the host do not change. One program exhausts the marks in a user namespace
with its own limit (user.max_fanotify_marks, see namespaces(7) and fanotify(7)). Another
program exhausts the groups of a user that has no other processes. Both need fanotify
without privileges: Linux 5.13.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.harness.listeners import Installed, Listener, as_user, installed, listening


# A uid without other processes.
EXHAUSTING_UID = 61_305

# A comm that fanotify_protector_comm in the shipped settings lists.
PROTECTOR = "fapolicyd"

# Run a command in a user namespace, which has its own limits.
OWN_LIMITS = ("unshare", "--user", "--map-root-user")

PROTECT = f"""
    name({PROTECTOR!r})
    group = init(CONTENT)
    os.mkdir("protected")
    mark(group, ADD, OPEN_PERM, ".")
    mark(group, ADD, OPEN_PERM, "protected")
"""
UNPROTECT = """
    say()
    mark(group, 2, OPEN_PERM, ".")
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
UNKNOWN_BIT = """
    try:
        mark(init(), ADD | 1 << 31, OPEN, ".")
    except OSError as error:
        say(error.errno)
"""

# Programs of the distribution, with arguments to mark a filesystem and print nothing.
WATCHERS = {
    "fatrace": ("--current-mount", "--command=nobody"),
    "fsnotifywait": ("--monitor", "--filesystem", "--event=move_self", "."),
}


@dataclass(frozen=True, slots=True)
class Incidents:
    """
    The running programs.

    Attributes:
        out_of_marks: comm of the program that exhausted its user's marks.
        out_of_groups: comm of the program that exhausted its user's groups.
        unknown_bit: comm of the program that used a bit without a name.
        blockers: comms of the programs with blocking marks.
        watchers: programs of the distribution with a filesystem mark, by name.
    """

    out_of_marks: str
    out_of_groups: str
    unknown_bit: str
    blockers: tuple[str, str]
    watchers: Mapping[str, Installed]


@contextmanager
def protected(folder: Path) -> Iterator[Listener]:
    """Run a protector with blocking marks. Listener.go_on() makes it remove one."""
    with listening(PROTECT, UNPROTECT, folder=str(folder)) as protector:
        yield protector


@contextmanager
def happening(folder: Path) -> Iterator[Incidents]:
    """Run all programs, with marks on files in *folder*, until the context ends."""
    with ExitStack() as stack:

        def run(code: str, *said: int, prefix: Sequence[str] = ()) -> str:
            program = listening(code, prefix=prefix, folder=str(folder))
            listener = stack.enter_context(program)
            assert said == listener.said
            return listener.comm

        def watch(program: str, *options: str) -> Installed:
            own_folder = folder / program
            own_folder.mkdir()
            return stack.enter_context(installed(program, *options, folder=own_folder))

        yield Incidents(
            run(RUN_OUT_OF_MARKS, errno.ENOSPC, prefix=OWN_LIMITS),
            run(RUN_OUT_OF_GROUPS, errno.EMFILE, prefix=as_user(EXHAUSTING_UID)),
            run(UNKNOWN_BIT, errno.EINVAL),
            (run(BLOCK), run(BLOCK)),
            {name: watch(name, *options) for name, options in WATCHERS.items()},
        )
