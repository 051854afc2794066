"""From pages of pods and gateways to seconds of versions."""

import math

import pytest
from tests.unit.operator.pages import page
from tests.unit.operator.views import model_spec

from recsys_operator.adapters.metrics.gateway import (
    SETTLE_SECONDS,
    BackendCounts,
    GatewayIncrements,
    Page,
    RoutePositions,
    backends_of_page,
    statistics_path,
)
from recsys_operator.adapters.metrics.pods import PodCounters, PodIncrements, counters_of_page
from recsys_operator.adapters.metrics.prometheus_text import samples_of
from recsys_operator.core.world import RouteIntent
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.route import RouteSettings, build_route


def test_a_page_becomes_counters() -> None:
    counters = counters_of_page(page(10, deadline=2, unknown=3, slow=4, started=9.0), "v")
    assert (counters.started, counters.answers, counters.bad_fallbacks, counters.unknown_users) == (9.0, 15, 2, 3)
    assert counters.latency[0] == 6
    assert counters.latency[10] == 4
    assert sum(counters.latency) == 10
    assert counters.errors == ()


def test_requests_that_were_refused_are_no_answers_and_those_that_failed_are_told_apart() -> None:
    """Callers who send what is wrong would dilute the share of fallbacks."""
    counters = counters_of_page(page(10, deadline=2, wrong=90, failed=3), "v")
    assert (counters.answers, counters.failures) == (12, 3)
    increments = PodIncrements()
    increments.advance("p", counters)
    delta, _ = increments.advance("p", counters_of_page(page(11, deadline=2, wrong=100, failed=5), "v"))
    assert (delta.answers, delta.failures) == (1, 2)
    fallen, _ = increments.advance("p", counters_of_page(page(11, deadline=2, wrong=100, failed=4), "v"))
    assert fallen.errors


MODEL_SERIES = 'source="Model",version="v"}'


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (page().replace(f"{MODEL_SERIES} 10.0", f"{MODEL_SERIES} NaN", 1), "nan is not a count"),
        (page().replace(f"{MODEL_SERIES} 10.0", f"{MODEL_SERIES} -1.0", 1), "is negative"),
        (page() + page().splitlines()[2] + "\n", "twice"),
        (page().replace(" 10.0", " ten", 1), "unreadable"),
        ("", "no recsys metrics"),
        (page().replace('version="v"', 'version="w"'), "the page is of version 'w', not of v"),
        (page().replace('{version="v"}', ""), "the page is of version '', not of v"),
    ],
)
def test_what_is_not_a_count_is_an_error_and_no_number(spoilt: str, words: str) -> None:
    assert any(words in error for error in counters_of_page(spoilt, "v").errors)


def test_the_first_look_at_a_process_is_a_baseline() -> None:
    increments = PodIncrements()
    assert increments.advance("p", counters_of_page(page(10), "v"))[0].answers == 0
    delta, renewed = increments.advance("p", counters_of_page(page(14, slow=1), "v"))
    assert (delta.answers, delta.latency[10], sum(delta.latency), renewed) == (4, 1, 4, False)


def test_a_restarted_process_is_a_new_baseline() -> None:
    increments = PodIncrements()
    increments.advance("p", counters_of_page(page(10, started=1.0), "v"))
    delta, renewed = increments.advance("p", counters_of_page(page(3, started=2.0), "v"))
    assert (delta.answers, renewed) == (0, True)
    assert increments.advance("p", counters_of_page(page(5, started=2.0), "v"))[0].answers == 2


def test_a_counter_that_falls_without_a_restart_is_an_error() -> None:
    increments = PodIncrements()
    increments.advance("p", counters_of_page(page(10), "v"))
    delta, _ = increments.advance("p", counters_of_page(page(9), "v"))
    assert delta.answers == 0
    assert "fell" in delta.errors[0]


def test_a_bad_page_is_no_baseline() -> None:
    increments = PodIncrements()
    increments.advance("p", counters_of_page(page(10), "v"))
    assert increments.advance("p", PodCounters(errors=("x",)))[0].errors == ("x",)
    assert increments.advance("p", counters_of_page(page(12), "v"))[0].answers == 2


def test_a_page_of_another_version_is_no_restart_and_no_baseline() -> None:
    increments = PodIncrements()
    increments.advance("p", counters_of_page(page(10), "v"))
    other = page(500, started=9.0).replace('version="v"', 'version="w"')
    assert increments.advance("p", counters_of_page(other, "v"))[1] is False
    assert increments.advance("p", counters_of_page(page(11), "v"))[0].answers == 1


def test_labels_are_unescaped() -> None:
    text = 'm{a="x\\"y",b="l\\n2",c=""} 1 1700000000\nm_other{a="z"} 2\nm NaN\n'
    found = list(samples_of(text, ("m",)))
    assert found[0] == ("m", {"a": 'x"y', "b": "l\n2", "c": ""}, 1.0)
    assert len(found) == 2
    assert math.isnan(found[1][2])


MOVIES = ("shop", "movies")
GATEWAY_PAGE = """# TYPE envoy_cluster_upstream_rq_xx counter
NAME{envoy_response_code_class="2",envoy_cluster_name="httproute/shop/movies/rule/0/backend/0"} 90
NAME{envoy_response_code_class="5",envoy_cluster_name="httproute/shop/movies/rule/0/backend/0"} 10
NAME{envoy_response_code_class="2",envoy_cluster_name="httproute/shop/movies/rule/2/backend/1"} 7
NAME{envoy_response_code_class="2",envoy_cluster_name="xds_cluster"} 5
OTHER{envoy_response_code_class="2",envoy_cluster_name="httproute/shop/movies/rule/0/backend/0"} 90
""".replace("NAME", "envoy_cluster_upstream_rq_xx").replace("OTHER", "envoy_cluster_external_upstream_rq_xx")


def test_the_gateways_page_becomes_counts_by_position() -> None:
    assert backends_of_page(GATEWAY_PAGE) == {
        MOVIES: {(0, 0): BackendCounts(100, 10), (2, 1): BackendCounts(7, 0)},
    }


def test_a_gateways_count_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a count"):
        backends_of_page(GATEWAY_PAGE.replace(" 90", " NaN"))


def test_the_proxy_is_asked_for_the_watched_routes_alone() -> None:
    few = statistics_path([("shop", "movies"), ("shop", "books")])
    assert "shop/books%7Cshop/movies" in few
    assert "shop" not in statistics_path([("shop", f"m{n}") for n in range(40)])


def counted(requests: int, bad: int = 0) -> Page:
    """A page with one backend."""
    return {MOVIES: {(0, 0): BackendCounts(requests, bad)}}


def test_what_a_proxy_counted_since_its_last_page_is_known() -> None:
    increments = GatewayIncrements()
    assert increments.advance({"a": counted(5), "b": {}}) == {"a": None, "b": None}
    found = increments.advance({"a": counted(8, 1), "b": counted(2)})
    assert found == {"a": counted(3, 1), "b": counted(2)}


@pytest.mark.parametrize(
    ("then", "known"),
    [
        ({"a": counted(3), "b": counted(2)}, {"a": None, "b": counted(1)}),
        ({"a": None, "b": counted(2)}, {"a": None, "b": counted(1)}),
        ({"a": counted(9), "b": counted(1), "new": {}}, {"a": counted(4), "b": counted(0), "new": None}),
        ({"other": counted(9), "b": counted(1)}, {"other": None, "b": counted(0)}),
    ],
    ids=["counter-fell", "not-read", "proxy-came", "proxy-replaced"],
)
def test_of_a_proxy_that_is_new_was_reset_or_not_read_nothing_is_known(
    then: dict[str, Page | None], known: dict[str, Page | None]
) -> None:
    increments = GatewayIncrements()
    increments.advance({"a": counted(5), "b": counted(1)})
    assert increments.advance(then) == known


def test_a_proxy_that_was_not_read_starts_anew() -> None:
    increments = GatewayIncrements()
    pages = (counted(5), None, counted(9), counted(10))
    assert [increments.advance({"a": told})["a"] for told in pages] == [None, None, None, counted(1)]


def http_route(intent: RouteIntent) -> Manifest:
    """A route of the usual model."""
    return build_route("shop", "movies", intent, {}, RouteSettings.of("m", model_spec().rollout))


def test_a_position_that_changed_hands_says_nothing_until_the_proxies_surely_know() -> None:
    positions = RoutePositions()
    positions.observe(http_route(RouteIntent("v1")), 10.0)
    counts = {(0, 0): BackendCounts(50, 5), (1, 0): BackendCounts(50, 0)}
    assert positions.count("v1", counts) == BackendCounts(100, 5)
    positions.observe(http_route(RouteIntent("v1", "v2", 5, 0)), 11.0)
    assert positions.count("v2", counts) is None
    assert positions.count("v1", counts) is None
    positions.observe(http_route(RouteIntent("v1", "v2", 5, 0)), 11.0 + 1.0 + SETTLE_SECONDS)
    assert positions.count("v2", counts) == BackendCounts(50, 5)


def test_a_position_that_changed_hands_waits_for_the_longest_request_of_the_route_before() -> None:
    """Stable's requests that hang are answered 504 when their time is over, and counted where it was."""
    slow = model_spec(rollout={"gateway": {"name": "public", "requestTimeoutMilliseconds": 30_000}})
    positions = RoutePositions()
    positions.observe(build_route("shop", "movies", RouteIntent("v1"), {}, RouteSettings.of("m", slow.rollout)), 10.0)
    counts = {(0, 0): BackendCounts(50, 5)}
    for now, expected in ((11.0, None), (40.0, None), (42.0, BackendCounts(50, 5))):
        positions.observe(http_route(RouteIntent("v1", "v2", 5, 0)), now)
        assert positions.count("v2", counts) == expected


def test_a_weight_that_grows_leaves_the_positions_alone() -> None:
    positions = RoutePositions()
    for now, weight in ((10.0, 5), (20.0, 5), (20.5, 25)):
        positions.observe(http_route(RouteIntent("v1", "v2", weight, 0)), now)
    assert positions.count("v2", {(2, 1): BackendCounts(3)}) == BackendCounts(3)


def test_after_a_rollback_the_candidate_has_no_positions() -> None:
    positions = RoutePositions()
    positions.observe(http_route(RouteIntent("v1", "v2", 5, 0)), 10.0)
    positions.observe(http_route(RouteIntent("v1")), 20.0)
    positions.observe(http_route(RouteIntent("v1")), 30.0)
    assert positions.count("v2", {(0, 0): BackendCounts(9, 9)}) == BackendCounts()
