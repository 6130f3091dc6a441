"""
Programs that use fanotify, so that every metric has values.

Some are programs of the distribution, the others are written for this module. Their
blocking marks cannot hang the host: they are on files in a new folder that no process
opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.harness.listeners import as_user, listening
from tools.harness.privileges import AS_NOBODY
from tools.harness.processes import Running, running
from tools.harness.requirements import need


FILES = 60
# Groups of one user. The default limit of Linux is 128.
USER_GROUPS = 110
# Value for --bpf.max-user-entries.
KEYS = 256
# Callers of the program flood, which is not privileged: more than KEYS.
FLOOD = 400

HELPERS = """
import errno

REMOVE, FLUSH = 0x2, 0x80

def refused(error, call, *arguments):
    try:
        call(*arguments)
    except OSError as problem:
        assert problem.errno == error, problem
    else:
        raise AssertionError("not refused")
"""


@dataclass(frozen=True, slots=True)
class Program:
    """Code of a program, and the command prefix that runs the program."""

    code: str
    prefix: tuple[str, ...] = ()


def limited(name: str, number: int) -> tuple[str, ...]:
    """Return a prefix: run a command in a user namespace with a limit of *number*."""
    shell = f'echo {number} >/proc/sys/user/max_fanotify_{name} && exec "$@"'
    return ("unshare", "--user", "--map-root-user", "sh", "-c", shell, "sh")


# Programs by comm. Their code may use listeners.PREAMBLE and HELPERS.
PROGRAMS = {
    "scanner": Program("""
        group = init(CONTENT)
        for number in range(12):
            mark(group, ADD, OPEN_PERM, f"files/{number}")
    """),
    "guard": Program("""
        group = init(CONTENT)
        for number in range(12, 15):
            mark(group, ADD, OPEN_EXEC_PERM | OPEN, f"files/{number}")
    """),
    "uninstaller": Program("""
        group = init()
        for number in range(7):
            mark(group, ADD, OPEN, f"files/{number}")
        for number in range(3):
            mark(group, REMOVE, OPEN, f"files/{number}")
        mark(group, FLUSH, 0, "files")
    """),
    "prober": Program("""
        group = init()
        refused(errno.EINVAL, mark, group, ADD, 1 << 40, "files")
        refused(errno.EINVAL, lambda: checked(libc.inotify_init1(1)))
        refused(errno.EBADF, watch, -1, "files")
    """),
    "walker": Program("""
        group = init()
        def walk():
            number = 0
            while True:
                mark(group, ADD, OPEN, f"files/{number % 60}")
                number += 1
                time.sleep(0.05)
        threading.Thread(target=walk, daemon=True).start()
    """),
    "indexer": Program(
        """
        group = init(FID)
        for number in range(50):
            mark(group, ADD, OPEN, f"files/{number}")
        for number in range(50, 57):
            refused(errno.ENOSPC, mark, group, ADD, OPEN, f"files/{number}")
        """,
        limited("marks", 50),
    ),
    "hoarder": Program(
        f"""
        groups = [init(FID) for _ in range({USER_GROUPS})]
        mark(groups[0], ADD, OPEN, "files/0")
        """,
        as_user(61_001),
    ),
    "leaker": Program(
        """
        groups = [init(FID) for _ in range(5)]
        for _ in range(3):
            refused(errno.EMFILE, init, FID)
        """,
        limited("groups", 5),
    ),
    "flood": Program(
        f"""
        def call(number):
            name(f"flood-{{number}}")
            refused(errno.EBADF, mark, -1, ADD, OPEN, "files")
            os._exit(0)
        for number in range({FLOOD}):
            pid = os.fork()
            pid or call(number)
            os.waitpid(pid, 0)
        """,
        as_user(61_002),
    ),
}
# Number of programs, including the five of distribution_programs().
SIZE = len(PROGRAMS) + 5


@contextmanager
def busy(folder: Path, pause: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Run all programs on files in *folder*, calling *pause* before each start."""
    files = folder / "files"
    files.mkdir()
    for number in range(FILES):
        (files / str(number)).touch()
    folder.chmod(0o755)
    with ExitStack() as stack:
        for each in distribution_programs(folder):
            pause()
            stack.enter_context(each)
        for comm, program in PROGRAMS.items():
            pause()
            stack.enter_context(
                listening(
                    HELPERS,
                    f"name({comm!r})\n",
                    program.code,
                    prefix=program.prefix,
                    folder=str(folder),
                )
            )
        yield


def distribution_programs(
    folder: Path,
) -> Iterator[AbstractContextManager[Running]]:
    """Yield programs of the distribution, not yet started."""
    fatrace = (need("fatrace"), "--current-mount", "--command=nobody")
    commands: dict[str, tuple[str, ...]] = {
        "fatrace": fatrace,
        "refused": (*AS_NOBODY, *fatrace),
        "filesystem": (need("fsnotifywait"), "--monitor", "--filesystem", "files"),
        "folder": (need("fsnotifywait"), "--monitor", "--fanotify", "files"),
        "tail": ("tail", "--follow=name", f"files/{FILES - 1}"),
    }
    for name, command in commands.items():
        yield running(command, folder / f"{name}.log", cwd=folder)
