"""Child processes that never outlive the block that started them."""

import asyncio
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


PATIENCE = 5.0


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[Process]:
    """
    Run *command* for the length of the block, with its output in *log*.

    It has a session of its own, so that Ctrl-C reaches only us and we end it; and
    the kernel ends it if we are killed.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", *command),
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await end(process)


async def end(process: Process) -> None:
    """Ask *process* to end, then insist."""
    for ask in (process.terminate, process.kill):
        with suppress(ProcessLookupError):  # ended by itself meanwhile
            ask()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE)
            return
