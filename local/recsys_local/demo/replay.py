"""Users ask for recommendations through the real gateway, again and again, at a bounded rate.

`python -m recsys_local.demo.replay --url … --users FILE --key HEX --log FILE` until SIGTERM, at most --max-seconds. Every
request has an id that the gateway's access log repeats, so that an observer can tell a lost request from a failed one.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import time
import uuid
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from recsys_api.buckets import BUCKET_HEADER, bucket_header


class Replay:
    """Asks for one user after another; clicks on what the user really took."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: bytes, log: TextIO) -> None:
        self._session, self._url, self._key, self._log = session, url, key, log

    async def visit(self, user: str, truth: set[str]) -> None:
        """One request, its line in the log, and a click if the answer holds something that the user took."""
        record: dict[str, Any] = {"at": time.time(), "id": str(uuid.uuid4()), "user": user}
        bucket = bucket_header(user, self._key)
        headers = {BUCKET_HEADER: bucket, "x-request-id": record["id"]}
        try:
            async with self._session.post(
                f"{self._url}/v1/recommend", json={"user": user, "k": 10}, headers=headers
            ) as response:
                body = await response.json(content_type=None) if response.status == 200 else {}
                record |= {"status": response.status}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            body = {}
            record |= {"status": 0, "error": f"{type(error).__name__}: {error}"}
        record |= {name: body.get(name) for name in ("version", "source", "fallbackReason")}
        record |= {"ms": round((time.time() - record["at"]) * 1000, 1), "bucket": bucket}
        liked = [entry["id"] for entry in body.get("items", []) if entry["id"] in truth]
        record["hits"] = len(liked)
        self._log.write(json.dumps(record) + "\n")
        if liked:
            await self._click(body["token"], liked[0], headers)

    async def _click(self, token: str, item: str, headers: dict[str, str]) -> None:
        event = {"token": token, "type": "click", "item": item}
        headers = {**headers, "x-request-id": str(uuid.uuid4())}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(f"{self._url}/v1/events", json=event, headers=headers):
                pass


async def run(options: argparse.Namespace) -> None:
    """Send `rate` requests a second until told to stop; then wait for the answers that are under way."""
    truth = {user: set(items) for user, items in json.loads(options.users.read_text()).items()}
    order = sorted(truth)
    random.Random(7).shuffle(order)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    timeout = aiohttp.ClientTimeout(total=10)
    connector = aiohttp.TCPConnector(limit=64)
    with options.log.open("a", buffering=1) as log:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            replay = Replay(session, options.url, bytes.fromhex(options.key), log)
            await _paced(replay, order, truth, stop, options)


async def _paced(
    replay: Replay, order: list[str], truth: dict[str, set[str]], stop: asyncio.Event, options: argparse.Namespace
) -> None:
    started, sent = time.monotonic(), 0
    under_way: set[asyncio.Task[None]] = set()
    while not stop.is_set() and time.monotonic() - started < options.max_seconds:
        user = order[sent % len(order)]
        task = asyncio.create_task(replay.visit(user, truth[user]))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        sent += 1
        pause = started + sent / options.rate - time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, pause))
    if under_way:
        await asyncio.wait(under_way, timeout=15)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Replay users of the test period through the gateway.")
    parser.add_argument("--url", required=True, help="gateway URL with the model's path prefix")
    parser.add_argument("--users", type=Path, required=True, help="JSON: user -> items really taken")
    parser.add_argument("--key", required=True, help="bucket key, hexadecimal")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--max-seconds", type=float, default=3600.0)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
