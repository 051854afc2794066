"""`python -m recsys_serving fetch | supervisor | api`: the image's entry point."""

import importlib
import sys

from recsys_serving.errors import SettingsError, run_main

PROGRAMS = ("fetch", "supervisor", "api")


def main() -> int:
    """Run the named program; it reads its settings from the environment."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS:
        raise SettingsError(f"program is {name!r}; use one of {', '.join(PROGRAMS)}")
    program = importlib.import_module(f"recsys_serving.{name}")
    return run_main(f"recsys-{name}", program.main)


if __name__ == "__main__":
    sys.exit(run_main("recsys-serving", main))
