"""What the sampler tells of where counters stand, so that another process can go on from there."""

from dataclasses import replace

import pytest
from tests.unit.operator.pages import gateway_line, page
from tests.unit.operator.test_sampler import KEY, Bench, bench

from recsys_operator.adapters.metrics.sampler import Sampler
from recsys_operator.adapters.proxy_pods import Proxy
from recsys_operator.core.analysis.entries import recover, write_entries
from recsys_operator.core.counters import GatewayCounters, Reading
from recsys_operator.core.world import RouteIntent
from recsys_operator.errors import Unavailable

__all__ = ["bench"]


def standing(bench: Bench) -> Reading:
    found = bench.sampler.standing(KEY)
    assert found is not None
    return found


def begun(bench: Bench) -> Reading:
    found = bench.sampler.begun(KEY)
    assert found is not None
    return found


def restart(bench: Bench) -> None:
    """Another process, which knows nothing."""
    bench.sampler = Sampler(bench.cache, bench.fetch, bench.proxies, bench.clock, bench.ticks.append)
    bench.sampler.watch("shop", "movies", ("v1", "v2"))


async def test_counters_stand_where_the_seconds_end(bench: Bench) -> None:
    first = await bench.second()
    assert begun(bench) == standing(bench)
    bench.pages |= {"b:8080": page(14), "proxy:19001": gateway_line(2, 0, 14) + gateway_line(5, 0, 1)}
    second = await bench.second()
    own = standing(bench).pods["v2"]["b"]
    assert own is not None
    assert (standing(bench).at, begun(bench).at, own.answers) == (second.at, first.at, 14)
    gateway = standing(bench).gateway
    assert gateway is not None
    assert gateway.proxies == {"proxy": {"v1": GatewayCounters(), "v2": GatewayCounters(15, 1)}}
    # what cannot be read stands where it was read last: no second has more of it
    bench.pages |= {"b:8080": TimeoutError(), "proxy:19001": TimeoutError()}
    await bench.second()
    assert (standing(bench).pods["v2"]["b"], standing(bench).gateway) == (own, None)
    bench.pages["b:8080"] = page(20).replace("20.0", "NaN")
    await bench.second()
    assert standing(bench).pods["v2"]["b"] == own


async def test_a_new_process_reads_what_came_while_there_was_none(bench: Bench) -> None:
    for count in (10, 14, 20):
        bench.pages |= {"b:8080": page(count), "proxy:19001": gateway_line(2, 0, count)}
        await bench.second()
    entries = write_entries(standing(bench), "v2", "v1")
    bench.pages |= {
        "a:8080": page(190), "b:8080": page(70, slow=30), "proxy:19001": gateway_line(2, 0, 60) + gateway_line(5, 0, 9)
    }  # fmt: skip
    restart(bench)
    second = await bench.second()
    assert (second.answers, second.gateway_requests) == (0, None), "no second has it"
    own, other = recover(entries, begun(bench), "v2", "v1")
    assert (own.second.answers, own.second.model_latency[10]) == (50, 30)
    assert (own.second.gateway_requests, own.second.gateway_bad, other.second.answers) == (49, 9, 90)
    assert own.whole
    assert other.whole


async def test_what_was_read_first_is_kept_as_long_as_it_is_watched(bench: Bench) -> None:
    bench.pages |= {"a:8080": TimeoutError(), "b:8080": TimeoutError(), "proxy:19001": TimeoutError()}
    await bench.second()
    assert bench.sampler.begun(KEY) is None, "nothing could be read"
    bench.pages["a:8080"] = page(100)
    first = await bench.second()
    bench.pages["b:8080"] = page(10)
    await bench.second()
    assert begun(bench).at == first.at
    assert begun(bench).pods["v2"] == {"b": None}, "it was late: nobody knows when its requests came"
    bench.sampler.watch("shop", "movies", ())
    assert bench.sampler.begun(KEY) is None
    assert bench.sampler.standing(KEY) is None


@pytest.mark.parametrize("what", ["route", "proxy", "restart", "list"])
async def test_a_gateway_that_changed_meanwhile_tells_nothing(bench: Bench, what: str) -> None:
    await bench.second()
    entries = write_entries(standing(bench), "v2", "v1")
    assert entries.gateway
    bench.pages["proxy:19001"] = gateway_line(2, 0, 60)
    if what == "route":
        bench.route(RouteIntent("v1", "v2", 25, 0))
        (route,) = [found for found in bench.cache.of_kind("HTTPRoute")]
        route["metadata"]["generation"] = 2
    if what == "proxy":
        bench.proxy_pods["other"] = Proxy("http://proxy:19001")
    if what == "restart":
        bench.proxy_pods = {"proxy/1": replace(bench.proxy_pods["proxy"])}
    if what == "list":
        bench.refused = Unavailable("GET /api/v1/namespaces/infra/pods", "because")
    restart(bench)
    await bench.second()
    own, _ = recover(entries, begun(bench), "v2", "v1")
    assert (own.availability, own.second.gateway_requests, own.whole) == (False, None, True)


async def test_positions_that_changed_hands_a_moment_ago_are_not_written_down(bench: Bench) -> None:
    bench.route(RouteIntent("v1", "v2", 100, 0))
    await bench.second()
    bench.route(RouteIntent("v1"))
    await bench.second()
    assert write_entries(standing(bench), "v2", "v1").gateway == {}
