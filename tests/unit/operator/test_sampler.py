"""The sampler over a cache, with pages from memory."""

from collections.abc import Mapping
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from tests.unit.operator.clocks import FakeClock
from tests.unit.operator.pages import gateway_line, page
from tests.unit.operator.views import model_spec

from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.metrics.sampler import KEEP_SECONDS, PAGE_BYTES, Sampler, fetch_with
from recsys_operator.adapters.proxy_pods import Proxy
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import RouteIntent
from recsys_operator.errors import ApiError, Forbidden, Unavailable
from recsys_operator.resources.kinds import Manifest, labels_of
from recsys_operator.resources.route import RouteSettings, build_route

KEY = "shop/movies"


class Bench:
    """A sampler with everything that it reads."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = Cache()
        self.pages: dict[str, str | Exception] = {}
        self.ticks: list[str] = []
        self.refused: ApiError | None = None
        """Instead of the list of proxies."""
        self.version = 0
        self.versions: dict[str, str] = {}
        self.proxy_pods = {"proxy": Proxy("http://proxy:19001")}
        self.sampler = Sampler(self.cache, self.fetch, self.proxies, self.clock, self.ticks.append)

    async def fetch(self, url: str) -> str:
        """The page of a URL's host, as the version that the pod has."""
        host = url.split("/")[2]
        found = self.pages[host]
        if isinstance(found, Exception):
            raise found
        return found.replace('version="v"', f'version="{self.versions.get(host, "")}"')

    async def proxies(self) -> Mapping[str, Proxy]:
        """Those that are there."""
        if self.refused is not None:
            raise self.refused
        return dict(self.proxy_pods)

    def pod(self, name: str, version: str, *, ready: bool = True, restarts: int = 0) -> None:
        """A pod in the cache."""
        self.version += 1
        self.versions[f"{name}:8080"] = version
        labels = labels_of("movies", version, "serving")
        status = {
            "podIP": name, "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "api", "restartCount": restarts}],
        }  # fmt: skip
        metadata = {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "resourceVersion": str(self.version),
            "labels": labels,
        }
        self.cache.put({"kind": "Pod", "metadata": metadata, "status": status})

    def route(self, intent: RouteIntent) -> None:
        """The route in the cache."""
        self.version += 1
        made: Manifest = build_route("shop", "movies", intent, {}, RouteSettings.of("m", model_spec().rollout))
        made["metadata"] |= {"uid": "route", "resourceVersion": str(self.version)}
        self.cache.put(made)

    async def second(self, version: str = "v2") -> VersionSecond:
        """One tick; what it said of a version."""
        self.clock.advance(1.0)
        await self.sampler.tick()
        return [found for found in self.sampler.seconds(KEY) if found.version == version][-1]


@pytest.fixture
def bench() -> Bench:
    """Two versions with a pod each, a route and a proxy."""
    made = Bench()
    made.pod("a", "v1")
    made.pod("b", "v2")
    made.route(RouteIntent("v1", "v2", 5, 0))
    made.pages = {"a:8080": page(100), "b:8080": page(10), "proxy:19001": gateway_line(2, 0, 10)}
    made.sampler.watch("shop", "movies", ("v1", "v2"))
    return made


async def test_increments_of_pods_and_gateway_make_a_second(bench: Bench) -> None:
    await bench.second()
    bench.pages |= {
        "b:8080": page(14, deadline=1, slow=2),
        "proxy:19001": gateway_line(2, 0, 14) + gateway_line(5, 0, 1),
    }
    second = await bench.second()
    assert (second.pods_expected, second.pods_scraped, second.answers, second.bad_fallbacks) == (1, 1, 5, 1)
    assert (second.model_latency[10], sum(second.model_latency)) == (2, 4)
    assert (second.gateway_requests, second.gateway_bad) == (5, 1)
    assert bench.ticks == [KEY, KEY]


async def test_what_was_counted_before_the_watch_is_not_evidence(bench: Bench) -> None:
    second = await bench.second()
    assert (second.answers, second.gateway_requests) == (0, None)


async def test_a_model_watched_later_does_not_count_its_past(bench: Bench) -> None:
    bench.sampler.watch("shop", "movies", ())
    bench.sampler.watch("shop", "books", ("x",))
    await bench.sampler.tick()
    bench.sampler.watch("shop", "movies", ("v1", "v2"))
    bench.pages["proxy:19001"] = gateway_line(5, 0, 1000)
    assert (await bench.second()).gateway_bad is None
    assert (await bench.second()).gateway_bad == 0


async def test_a_pod_that_does_not_answer_is_expected_but_not_scraped(bench: Bench) -> None:
    await bench.second()
    bench.pages["b:8080"] = TimeoutError()
    second = await bench.second()
    assert (second.pods_expected, second.pods_scraped) == (1, 0)
    bench.pages["b:8080"] = page(16)
    assert (await bench.second()).answers == 6


async def test_it_is_told_when_the_pod_that_was_read_least_lately_was_read(bench: Bench) -> None:
    whole = await bench.second()
    assert whole.read_since == whole.at
    bench.pages["b:8080"] = TimeoutError()
    first, second = await bench.second(), await bench.second()
    assert first.read_since == second.read_since == whole.at
    bench.pages["b:8080"] = page(12)
    assert (await bench.second()).read_since == bench.clock.now()
    bench.pod("new", "v2")
    bench.pages["new:8080"] = TimeoutError()
    assert (await bench.second()).read_since == 0.0, "it was never read"
    bench.pod("new", "v2", ready=False)
    assert (await bench.second()).read_since == bench.clock.now(), "nobody expects its page"


async def test_a_restart_counts_once_however_it_is_noticed(bench: Bench) -> None:
    await bench.second()
    bench.pages["b:8080"] = page(0, started=2.0)
    assert (await bench.second()).restarts == 1
    bench.pod("b", "v2", restarts=1)
    assert (await bench.second()).restarts == 0


async def test_what_a_pod_counted_before_it_went_unread_is_told_as_lost(bench: Bench) -> None:
    for count in range(10, 60, 5):
        bench.pages["b:8080"] = page(count)
        assert (await bench.second()).lost == 0.0
    bench.pages["b:8080"] = TimeoutError()
    assert (await bench.second()).lost == 0.0, "its next page may still tell"
    bench.cache.drop("b")
    assert (await bench.second()).lost == pytest.approx(10.0)
    assert (await bench.second()).lost == 0.0
    assert [second.lost for second in bench.sampler.seconds(KEY) if second.version == "v1"] == [0.0] * 13


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
async def test_a_clock_that_is_set_changes_no_estimate_of_what_was_lost(bench: Bench, seconds: float) -> None:
    for count in range(10, 60, 5):
        bench.pages["b:8080"] = page(count)
        await bench.second()
    bench.clock.step(seconds)
    bench.pages["b:8080"] = page(60)
    await bench.second()
    bench.cache.drop("b")
    assert (await bench.second()).lost == pytest.approx(5.0)


async def test_what_a_process_counted_around_its_restart_is_told_as_lost(bench: Bench) -> None:
    for count in range(10, 60, 5):
        bench.pages["b:8080"] = page(count)
        await bench.second()
    bench.pages["b:8080"] = page(3, started=2.0, failed=1)
    second = await bench.second()
    assert (second.lost, second.answers) == (pytest.approx(9.0), 0)


async def test_a_server_that_restarts_inside_its_pod_counts_once(bench: Bench) -> None:
    bench.pages["b:8080"] = page(10, server_restarts=3)
    assert (await bench.second()).server_restarts == 0, "what was before is no evidence"
    bench.pages["b:8080"] = page(10, server_restarts=4)
    assert (await bench.second()).server_restarts == 1
    assert (await bench.second()).server_restarts == 0


async def test_a_container_that_restarts_unready_counts(bench: Bench) -> None:
    await bench.second()
    bench.pod("b", "v2", ready=False, restarts=1)
    second = await bench.second()
    assert (second.pods_expected, second.restarts) == (0, 1)


async def test_an_unreadable_gateway_is_no_data(bench: Bench) -> None:
    await bench.second()
    bench.pages["proxy:19001"] = aiohttp.ClientConnectionError()
    assert (await bench.second()).gateway_requests is None


@pytest.mark.parametrize("kind", [Unavailable, Forbidden])
async def test_proxies_that_cannot_be_listed_are_no_data_and_pods_are_read_on(
    bench: Bench, kind: type[ApiError]
) -> None:
    await bench.second()
    bench.refused = kind("GET /api/v1/namespaces/infra/pods", "because")
    bench.pages["b:8080"] = page(14)
    second = await bench.second()
    assert (second.answers, second.gateway_requests) == (4, None)


async def test_after_a_gap_the_gateways_counts_start_anew(bench: Bench) -> None:
    await bench.second()
    bench.pages["proxy:19001"] = aiohttp.ClientConnectionError()
    await bench.second()
    bench.pages["proxy:19001"] = gateway_line(5, 0, 500)
    assert (await bench.second()).gateway_bad is None
    assert (await bench.second()).gateway_bad == 0


OTHER = Proxy("http://other:19001", ("infra", "internal"))
"""Of a Gateway that is not the model's."""


async def test_a_proxy_of_another_gateway_that_cannot_be_read_blinds_nobody(bench: Bench) -> None:
    bench.proxy_pods = {"proxy": Proxy("http://proxy:19001", ("shop", "public")), "other": OTHER}
    bench.pages["other:19001"] = TimeoutError()
    await bench.second()
    bench.pages["proxy:19001"] = gateway_line(2, 0, 14)
    assert (await bench.second()).gateway_requests == 4


async def test_without_a_proxy_of_its_gateway_nothing_is_known_whatever_others_say(bench: Bench) -> None:
    bench.proxy_pods = {"other": OTHER}
    bench.pages["other:19001"] = gateway_line(2, 0, 10)
    assert [(await bench.second()).gateway_requests for _ in range(2)] == [None, None]


async def test_merged_gateways_are_told_by_their_class(bench: Bench) -> None:
    metadata = {"name": "public", "namespace": "shop", "uid": "g", "resourceVersion": "1"}
    bench.cache.put({"kind": "Gateway", "metadata": metadata, "spec": {"gatewayClassName": "merged"}})
    bench.proxy_pods = {
        "proxy": Proxy("http://proxy:19001", gateway_class="merged"),
        "other": Proxy("http://other:19001", gateway_class="others"),
    }
    bench.pages["other:19001"] = TimeoutError()
    await bench.second()
    assert (await bench.second()).gateway_requests == 0


async def test_one_of_several_proxies_of_its_gateway_that_cannot_be_read_blinds_the_model(bench: Bench) -> None:
    bench.proxy_pods["second"] = Proxy("http://second:19001")
    bench.pages["second:19001"] = gateway_line(2, 0, 0)
    await bench.second()
    assert (await bench.second()).gateway_requests == 0
    bench.pages["second:19001"] = TimeoutError()
    assert [(await bench.second()).gateway_requests for _ in range(3)] == [None, None, None]


async def test_a_proxy_that_ends_is_read_as_long_as_it_answers(bench: Bench) -> None:
    """Who is connected to it still is served; one that has ended keeps nobody waiting."""
    bench.proxy_pods["old"] = Proxy("http://old:19001")
    bench.pages["old:19001"] = gateway_line(2, 0, 100)
    await bench.second()
    bench.proxy_pods["old"] = replace(bench.proxy_pods["old"], ready=False)
    bench.pages["old:19001"] = gateway_line(2, 0, 103) + gateway_line(5, 0, 1)
    second = await bench.second()
    assert (second.gateway_requests, second.gateway_bad) == (4, 1)
    bench.pages["old:19001"] = TimeoutError()
    assert (await bench.second()).gateway_requests is None, "what it counted last is not known"
    bench.pages["old:19001"] = gateway_line(2, 0, 999)
    assert (await bench.second()).gateway_requests == 0, "it is not asked again"


async def test_a_clock_that_is_set_makes_no_position_sure_before_its_time(bench: Bench) -> None:
    bench.route(RouteIntent("v1", "v2", 100, 0))
    await bench.second()
    bench.route(RouteIntent("v1"))
    assert (await bench.second()).gateway_requests is None, "the last rule was v2's until now"
    bench.clock.step(3600.0)
    assert (await bench.second("v1")).gateway_requests is None
    assert (await bench.second("v1")).gateway_requests == 0


async def test_a_data_error_is_told_with_its_pod(bench: Bench) -> None:
    await bench.second()
    bench.pages["b:8080"] = page(9)
    assert "b: a counter fell" in (await bench.second()).errors[0]


async def test_an_address_that_went_on_to_another_version_counts_for_nobody(bench: Bench) -> None:
    await bench.second()
    bench.versions["b:8080"] = "v1"
    bench.pages["b:8080"] = page(900, started=9.0)
    second = await bench.second()
    assert (second.answers, second.restarts) == (0, 0)
    assert second.errors == ("b: the page is of version 'v1', not of v2",)


async def test_seconds_are_kept_for_two_minutes(bench: Bench) -> None:
    for _ in range(5):
        await bench.second()
    bench.clock.advance(KEEP_SECONDS)
    await bench.second()
    assert len(bench.sampler.seconds(KEY)) == 2


async def test_a_clock_that_is_set_back_leaves_no_second_to_be_counted_twice(bench: Bench) -> None:
    for _ in range(5):
        await bench.second()
    bench.clock.step(-31.0)
    await bench.second()
    assert {second.at for second in bench.sampler.seconds(KEY)} == {bench.clock.now()}


@pytest.mark.parametrize("kind", ["empty", "redirect", "endless", "binary"])
async def test_what_is_no_page_is_no_answer(kind: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if kind == "redirect":
            raise web.HTTPFound("/elsewhere")
        if kind == "empty":
            return web.Response(status=204)
        return web.Response(body=b"\xff" if kind == "binary" else b"# " * PAGE_BYTES)

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(text=page(5))

    app = web.Application()
    app.router.add_get("/metrics", answer)
    app.router.add_get("/elsewhere", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, UnicodeDecodeError)):
            await fetch_with(session)(f"http://127.0.0.1:{runner.addresses[0][1]}/metrics")
    await runner.cleanup()


async def test_pods_that_are_gone_are_not_remembered(bench: Bench) -> None:
    """A rollout of days sees many pods come and go."""
    await bench.second()
    bench.cache.drop("b")
    bench.pod("c", "v2", restarts=2)
    bench.pages["c:8080"] = page(5)
    assert (await bench.second()).restarts == 0
    (watched,) = bench.sampler._watched.values()
    assert watched.restarts == {"a": 0, "c": 2}


async def test_an_ended_watch_forgets(bench: Bench) -> None:
    await bench.second()
    assert bench.sampler.since(KEY) is not None
    bench.sampler.watch("shop", "movies", ())
    assert bench.sampler.seconds(KEY) == ()
    assert bench.sampler.since(KEY) is None
