"""What the helper processes share: lines of JSON on stdout, an end when the parent's pipe closes."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Coroutine
from typing import Any


def say(**line: object) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(work: Coroutine[Any, Any, None]) -> None:
    """Run until stdin ends: whoever started us holds the other end, however it dies."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, None]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = [asyncio.create_task(work), asyncio.create_task(_until_closed(reader))]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(1024):
        pass
