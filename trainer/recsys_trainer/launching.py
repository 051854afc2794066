"""A process for each GPU of a pod. torchrun would do, but it returns 1 whatever happened; a Job must know whose fault it was."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from types import FrameType

import torch

from recsys_trainer.errors import PeerError
from recsys_trainer.parallel import Place

GRACE_SECONDS = 30.0
"""For the others after one has failed: they notice, and say so. Then they are ended."""


def processes_of_pod(gpus_per_node: int) -> int:
    """How many to start here: 1 where somebody else, such as torchrun, has started this one among others."""
    if "WORLD_SIZE" in os.environ:
        return 1
    return max(1, min(gpus_per_node, torch.cuda.device_count()))


def launched(command: Sequence[str], count: int, pod: Place, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run `count` processes of a command; returns 0, or the exit code of one that failed.

    Args:
        pod: which pod of how many; all start as many processes.
    """
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"} | os.environ
    common |= {"WORLD_SIZE": str(pod.world * count), "LOCAL_WORLD_SIZE": str(count)}
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for each in started:
            each.send_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        for local in range(count):
            ranks = {"RANK": str(pod.rank * count + local), "LOCAL_RANK": str(local)}
            started.append(subprocess.Popen(command, env=common | ranks))
        return _first_failure(started, grace_seconds)
    finally:
        for each in started:
            each.kill()
            each.wait()
        signal.signal(signal.SIGTERM, before)


def _first_failure(started: Sequence[subprocess.Popen[bytes]], grace_seconds: float) -> int:
    """0 once all have ended well, else the code of one that failed by itself, as a shell says it.

    Who only notices that another is gone ends with PeerError's code, which says nothing.
    """
    until = float("inf")
    while None in (found := [each.poll() for each in started]) and time.monotonic() < until:
        if until == float("inf") and any(found):
            until = time.monotonic() + grace_seconds
        time.sleep(0.05)
    codes = [code for code in found if code]
    code = next((each for each in codes if each != PeerError.exit_code), PeerError.exit_code if codes else 0)
    return 128 - code if code < 0 else code
