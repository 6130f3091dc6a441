"""What the command lines of tools.vm and tools.bcc have in common."""

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
    """Return a parser for `python -m` *module*, with the options that both have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = CHECKOUT / ".cache" / module.rpartition(".")[2]
    add = parser.add_argument
    add("--cache", type=lambda text: Path(text).resolve(), default=cache, metavar="DIR")
    add("--mirror", metavar="URL", help="Debian mirror, instead of the machine's own")
    return parser


def main(
    run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace
) -> int:
    """Return the exit status of *run*; say in one line what kept it from running."""
    try:
        need_root()
        with alone(arguments.cache):
            return run(arguments)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted, nothing is left running", file=sys.stderr)
        return 130


def need_root() -> None:
    """Raise if this is another user: guests and chroots are made by root."""
    if os.geteuid():
        raise HarnessError("needs root")


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Keep a second run from using *cache* during the block."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarnessError(f"another run uses {cache}") from None
        yield
