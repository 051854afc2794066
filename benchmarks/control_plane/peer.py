"""The loop that canary controllers run: every interval the error rate since the last one, above the limit weight 0.

Routes of its own in the same API server, the same traffic, the same statistics page; no statistics beside the threshold.
Lines: {decided: route, at: clock} when it has decided and before it writes.
"""

import asyncio
import random
import re
import sys
import time
from pathlib import Path

import aiohttp

from benchmarks.control_plane.api import ROUTES, Api, Object
from benchmarks.control_plane.gateway import OWN_PAGE
from benchmarks.control_plane.process import main, say

LIMIT, REST_SECONDS = 0.01, 3.0
_LINE = re.compile(r'class="(\d)",envoy_cluster_name="httproute/[^"]+/rule/0/backend/0"\} (\d+)')


def build_route(name: str, weight: int) -> Object:
    """Shaped as the operator's: the candidate's bucket first."""

    def rule(version: str, bucket: str) -> Object:
        header = {"type": "RegularExpression", "name": "x-recsys-bucket", "value": bucket}
        return {"matches": [{"path": {"type": "PathPrefix", "value": f"/{name}"}, "headers": [header]}],
                "backendRefs": [{"name": f"{name}-{version}", "port": 8080}]}  # fmt: skip

    rules = [rule("stable", "[0-9]{4}")]
    if weight:
        rules.insert(0, rule("candidate", f"0[0-{weight // 10}][0-9]{{2}}"))
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {"parentRefs": [{"name": "public", "namespace": "infra"}], "rules": rules}}  # fmt: skip


class Loop:
    """One route's rollouts, one after the other, for ever."""

    def __init__(self, api: Api, pages: aiohttp.ClientSession, namespace: str, name: str, url: str) -> None:
        self._api, self._pages, self._name, self._url = api, pages, name, url
        self._path = f"{ROUTES}/namespaces/{namespace}/httproutes/{name}"

    async def run(self, interval: float) -> None:
        """Canary, breach, back, rest."""
        await asyncio.sleep(random.uniform(0.0, interval))
        while True:
            await self._api.patch(self._path, build_route(self._name, 5))
            good, bad = await self._read()
            share = 0.0
            while share <= LIMIT:
                await asyncio.sleep(interval)
                now = await self._read()
                requests = sum(now) - good - bad
                share = (now[1] - bad) / requests if requests else 0.0
                good, bad = now
            say(decided=self._name, at=time.time())
            await self._api.patch(self._path, build_route(self._name, 0))
            await asyncio.sleep(REST_SECONDS)

    async def _read(self) -> tuple[int, int]:
        async with self._pages.get(self._url) as answer:
            found = dict(_LINE.findall(await answer.text()))
        return int(found.get("2", 0)), int(found.get("5", 0))


async def analyse(kubeconfig: Path, namespace: str, proxy: str, routes: int, intervals: tuple[float, ...]) -> None:
    """So many routes for each interval, named peer-<interval>-<n>."""
    async with Api(kubeconfig, "peer") as api, aiohttp.ClientSession() as pages, asyncio.TaskGroup() as group:
        for interval in intervals:
            for n in range(routes):
                name = f"peer-{interval:g}-{n}"
                await api.create(f"{ROUTES}/namespaces/{namespace}/httproutes", build_route(name, 0))
                url = f"{proxy}/stats/prometheus?{OWN_PAGE}&filter=httproute/{namespace}/{name}/"
                group.create_task(Loop(api, pages, namespace, name, url).run(interval))


if __name__ == "__main__":
    main(analyse(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), tuple(map(float, sys.argv[5:]))))
