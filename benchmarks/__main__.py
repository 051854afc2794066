"""`make bench`: every benchmark's table; `--json FILE` writes the rows and where they were measured."""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import recsys_trainer  # noqa: F401  first: it sets how torch waits and allocates before torch is loaded
from benchmarks import (
    detection,
    deterministic,
    large_tables,
    last_request,
    precision,
    preparing,
    ranking,
    waiting,
    whole_run,
)
from benchmarks.control_plane.measure import Options, measure
from benchmarks.sizes import Sizes

Row = dict[str, Any]
BENCHMARKS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "detection": lambda _: detection.rows(),
    "deterministic": lambda _: deterministic.rows(),
    "precision": lambda _: precision.rows(),
    "ranking": lambda _: ranking.rows(),
    "waiting": lambda _: waiting.rows(),
    "preparing": lambda given: preparing.rows(_sizes(given), given.memory_gib or preparing.MEMORY_GIB),
    "whole-run": lambda given: whole_run.rows(_sizes(given), given.memory_gib or whole_run.MEMORY_GIB),
    "large-tables": lambda given: large_tables.rows(_sizes(given), given.batch, given.seconds),
    "last-request": lambda _: last_request.rows(),
    "control-plane": lambda given: asyncio.run(
        measure(Options(given.models, given.rolling, given.rounds, given.idle_seconds, given.phase_seconds))
    ),
}


def _sizes(given: argparse.Namespace) -> Sizes:
    return Sizes(given.users, given.items, given.interactions)


def main() -> None:
    """Command line."""
    # whoever ends us politely lets us end what we started, as at Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    parser = argparse.ArgumentParser(
        description="Run benchmarks; each prints its peer's value and the ratio beside its own."
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--json", type=Path, help="write rows and environment to this file")
    control = parser.add_argument_group("control-plane")
    control.add_argument("--models", type=int, default=Options.models, help="default: %(default)s")
    control.add_argument("--rolling", type=int, default=Options.rolling, help="of them with rollouts that fail")
    control.add_argument("--rounds", type=int, default=Options.rounds, help="rollbacks to measure, twice")
    control.add_argument("--idle-seconds", type=int, default=Options.idle_seconds)
    control.add_argument("--phase-seconds", type=int, default=Options.phase_seconds, help="limit of each of the two")
    large = parser.add_argument_group("preparing, large-tables, whole-run")
    for name in ("users", "items", "interactions"):
        large.add_argument(f"--{name}", type=int, default=getattr(Sizes, name), help="default: %(default)s")
    limits = f"{preparing.MEMORY_GIB:g} while preparing, {whole_run.MEMORY_GIB:g} in a whole run"
    large.add_argument("--memory-gib", type=float, help=f"limit, default: {limits}")
    large.add_argument("--batch", type=int, default=large_tables.BATCH, help="training.batchSize")
    large.add_argument("--seconds", type=float, default=large_tables.SECONDS, help="to measure; an epoch at most")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]!r}; choose of {', '.join(BENCHMARKS)}")
    load = os.getloadavg()
    found = [row for name in options.names or BENCHMARKS for row in BENCHMARKS[name](options)]
    print(f"{'what':<76} {'ours':>9} {'peer':>9} {'peer/ours':>9}")
    for row in found:
        mark = "" if row["ok"] else "  below what is wanted"
        peer = "-" if row["peerValue"] is None else row["peerValue"]
        print(f"{row['name']:<76} {row['value']:>9} {peer:>9} {row['ratio'] or '-'!s:>9} {row['unit']}{mark}")
    if options.json:
        environment = {
            "python": platform.python_version(), "cpus": os.cpu_count(), "machine": platform.machine(),
            "nice": os.nice(0), "loadBefore": load, "loadAfter": os.getloadavg(),
        }  # fmt: skip
        options.json.write_text(json.dumps({"rows": found, "environment": environment}, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
