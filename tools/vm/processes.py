"""Child processes that end with the block that started them."""

import asyncio
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


# Seconds from SIGTERM to SIGKILL.
GRACE_SECONDS = 5.0


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[Process]:
    """
    Run *command* during the block, with its output in *log*.

    *command* has a session of its own, so that Ctrl-C does not reach it before this
    process does its cleanup. The kernel ends *command* if this process is killed.
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
    """Send SIGTERM to *process*, and SIGKILL if it does not end."""
    for send_signal in (process.terminate, process.kill):
        with suppress(ProcessLookupError):  # the process has ended already
            send_signal()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_SECONDS)
            return
