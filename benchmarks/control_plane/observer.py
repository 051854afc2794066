"""When did which HTTPRoute say what: a watch of the API, nothing of the operator's is imported.

One line for each change: {route, at, backends: Services that get traffic, decision: the annotation as it is}.
"""

import sys
from pathlib import Path

from benchmarks.control_plane.api import ROUTES, Api
from benchmarks.control_plane.process import main, say
from benchmarks.control_plane.traffic import positions_of


async def observe(kubeconfig: Path, namespace: str) -> None:
    """Watch for ever."""
    async with Api(kubeconfig, "observer") as api:
        async for at, _, route in api.follow(f"{ROUTES}/namespaces/{namespace}/httproutes"):
            backends = sorted(set(positions_of(route).values()))
            decision = (route["metadata"].get("annotations") or {}).get("recsys.dev/decision", "")
            say(route=route["metadata"]["name"], at=at, backends=backends, decision=decision)


if __name__ == "__main__":
    main(observe(Path(sys.argv[1]), sys.argv[2]))
