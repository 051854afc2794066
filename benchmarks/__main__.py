"""`make bench`: every benchmark's table; `--json FILE` writes the rows and where they were measured."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import detection, ranking

Row = dict[str, Any]
BENCHMARKS: dict[str, Callable[[], list[Row]]] = {"detection": detection.rows, "ranking": ranking.rows}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Run benchmarks; each prints its peer's value and the ratio beside its own."
    )
    parser.add_argument("names", nargs="*", default=sorted(BENCHMARKS), help="default: all")
    parser.add_argument("--json", type=Path, help="write rows and environment to this file")
    options = parser.parse_args()
    found = [row for name in options.names for row in BENCHMARKS[name]()]
    print(f"{'what':<58} {'ours':>9} {'peer':>9} {'peer/ours':>9}")
    for row in found:
        mark = "" if row["ok"] else "  below what is wanted"
        print(f"{row['name']:<58} {row['value']:>9} {row['peerValue']:>9} {row['ratio']!s:>9} {row['unit']}{mark}")
    if options.json:
        environment = {"python": platform.python_version(), "cpus": os.cpu_count(), "machine": platform.machine()}
        options.json.write_text(json.dumps({"rows": found, "environment": environment}, indent=2) + "\n")


if __name__ == "__main__":
    main()
