"""Shared parts of the command lines of tools.vm, tools.vm.jobs and tools.bcc."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import CHECKOUT
from tools.vm.errors import HarnessError, UsageError


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for `python -m` *module* with the shared options."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = CHECKOUT / ".cache" / module.rpartition(".")[2]
    add = parser.add_argument
    add(
        "--cache",
        type=lambda text: Path(text).resolve(),
        default=cache,
        metavar="DIR",
        help="folder for downloads and results",
    )
    add("--mirror", metavar="URL", help="Debian mirror (default: the mirror of apt)")
    return parser


def main(
    run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace
) -> int:
    """Return the exit status of *run*; print an error as one line."""
    try:
        need_root()
        with alone(arguments.cache):
            return run(arguments)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; all child processes have ended", file=sys.stderr)
        return 130


def need_root() -> None:
    """Raise HarnessError unless the user is root."""
    if os.geteuid():
        raise HarnessError("guests and chroots need root: run the command as root")


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Hold a lock on *cache* during the block, so that no second run uses *cache*."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarnessError(
                f"another run uses {cache}: wait until it ends"
            ) from None
        yield
