"""`python -m benchmarks.peers neumf als bpr --data FOLDER`: the trainer's rows against its peers."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import torch

from benchmarks.peers import neumf, tuned
from benchmarks.peers.data import DataFileError
from benchmarks.peers.environment import PeerError
from benchmarks.peers.race import Row
from benchmarks.peers.spaces import TRIALS
from benchmarks.peers.tuned import PEERS
from benchmarks.peers.worker import WorkerError


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="The trainer beside its peers, in turn on the same machine.")
    parser.add_argument("names", nargs="+", choices=["neumf", *PEERS])
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_DATA"), help="default: $RECSYS_DATA")
    parser.add_argument("--threads", type=int, default=2, help="of both sides; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="of each side; default: %(default)s")
    parser.add_argument("--share", type=float, default=1.0, help="neumf: of an epoch that a peer's round is")
    parser.add_argument(
        "--trials", type=Path, default=Path("benchmarks/results"), help="folder of the searches' JSON lines: continued"
    )
    parser.add_argument("--count", type=int, default=TRIALS, help="als, bpr: trials of each side; default: %(default)s")
    parser.add_argument("--json", type=Path, help="write rows and environment to this file")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data is missing; give the folder that holds ml-100k and ml-1m, or set RECSYS_DATA")
    load = os.getloadavg()
    found = []
    for name in options.names:
        given = options.data.resolve(), options.threads, options.rounds
        trials = options.trials / f"peers-{name}.jsonl"
        found += (
            neumf.rows(*given, options.share)
            if name == "neumf"
            else tuned.rows(name, *given, trials.resolve(), options.count)
        )
    show(found)
    if options.json:
        where = {
            "python": platform.python_version(), "torch": torch.__version__, "cpus": os.cpu_count(),
            "machine": platform.machine(), "threads": options.threads, "rounds": options.rounds, "share": options.share, "trials": options.count,
            "loadBefore": load, "loadAfter": os.getloadavg(),
        }  # fmt: skip
        options.json.write_text(json.dumps({"rows": found, "environment": where}, indent=2) + "\n")


def show(found: list[Row]) -> None:
    """The table."""
    for row in found:
        mark = "" if row["ok"] else f"  below {row['atLeast']}x"
        print(
            f"{row['name']:<80} {row['value']:>10,} {row['peerValue']:>10,} {row['ratio']:>6}x {row['unit']}, {row['peer']}{mark}"
        )


if __name__ == "__main__":
    try:
        main()
    except (DataFileError, PeerError, WorkerError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
