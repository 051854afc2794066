"""The HTTPRoute: intent to rules and back."""

import copy
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.views import model_spec

from recsys_operator.core.world import RouteIntent
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.route import (
    RouteSettings,
    backend_versions,
    build_route,
    measure_range,
    read_intent,
    read_route,
    request_seconds,
    settings_of_route,
)

STICKY = RouteSettings.of("m-uid", model_spec().rollout)
TO_STABLE = RouteSettings(STICKY.model_uid, STICKY.gateway, sticky=True, weighted=False)
NOT_STICKY = RouteSettings(STICKY.model_uid, STICKY.gateway, sticky=False, weighted=True)
CANARY = RouteIntent("v1", "v2", 5, 9800)


def route(intent: RouteIntent = CANARY, chosen: RouteSettings = STICKY, **status: object) -> Manifest:
    """The route as the API server would return it."""
    decision = {"weight": intent.weight, "bucketOffset": intent.bucket_offset}
    made = copy.deepcopy(build_route("shop", "movies", intent, decision, chosen))
    made["metadata"] |= {"uid": "r", "resourceVersion": "3", "generation": 2}
    return made | {"status": status}


def parents(**conditions: str) -> dict[str, object]:
    """Status of our parentRef."""
    found = [
        {"type": name, "status": value, "observedGeneration": 2, "reason": "R", "message": "M"}
        for name, value in conditions.items()
    ]
    return {"parents": [{"parentRef": {"name": "public", "namespace": "shop"}, "conditions": found}]}


def gateway(programmed: str = "True") -> Manifest:
    """The Gateway."""
    listener = {"name": "http", "conditions": [{"type": "Programmed", "status": programmed}]}
    return {"metadata": {"name": "public"}, "status": {"listeners": [listener]}}


def served(manifest: Manifest, bucket: str | None) -> dict[str, int]:
    """Backends and weights of the first rule that matches, as a gateway would choose it."""
    for rule in manifest["spec"]["rules"]:
        headers = rule["matches"][0].get("headers")
        if headers is None or (bucket is not None and re.fullmatch(headers[0]["value"], bucket)):
            return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    raise AssertionError("no rule matches")


def test_buckets_in_range_go_to_the_candidate_and_all_others_to_stable() -> None:
    made = route()
    assert served(made, "9799") == {"v1": 100}
    assert served(made, "9800") == served(made, "9999") == {"v2": 100}
    assert served(made, "0000") == served(made, "0299") == {"v2": 100}
    assert served(made, "0300") == {"v1": 100}
    assert served(made, None) == {"v1": 95, "v2": 5}


def test_without_a_bucket_everything_can_go_to_stable() -> None:
    assert served(route(chosen=TO_STABLE), None) == {"v1": 100}


def test_at_weight_0_the_candidate_is_gone() -> None:
    made = route(RouteIntent("v1", "v2", 0, 9800))
    assert "v2" not in str(made["spec"])
    assert len(made["spec"]["rules"]) == 2


def test_every_backend_has_a_header_filter_of_its_own_and_every_rule_a_timeout() -> None:
    for rule in route()["spec"]["rules"]:
        assert rule["timeouts"] == {"request": "1000ms"}
        for backend in rule["backendRefs"]:
            header = backend["filters"][0]["requestHeaderModifier"]["set"][0]
            assert header == {"name": "x-recsys-version", "value": backend["name"]}


def test_the_prefix_is_cut_off_unless_it_is_the_root() -> None:
    rewrite = route()["spec"]["rules"][0]["filters"][0]["urlRewrite"]["path"]
    assert rewrite == {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    root = RouteSettings("m", STICKY.gateway.model_copy(update={"path_prefix": "/"}))
    assert "filters" not in route(chosen=root)["spec"]["rules"][0]


@settings(max_examples=60, deadline=None)
@given(weight=st.integers(0, 100), offset=st.integers(0, 9999), chosen=st.sampled_from([STICKY, TO_STABLE, NOT_STICKY]))
def test_every_intent_is_read_back_from_its_rules(weight: int, offset: int, chosen: RouteSettings) -> None:
    intent = RouteIntent("v1", "v2", weight, offset)
    read = read_intent(route(intent, chosen))
    assert (read.stable, read.weight) == ("v1", weight)
    assert read.candidate == ("v2" if weight else "")
    if weight and chosen.sticky:
        assert read.bucket_offset == offset
    assert not read_route(route(intent, chosen), None, chosen).drifted


@pytest.mark.parametrize(("stable", "candidate", "percent"), [(1, 1, 50), (1, 0, 0), (999, 1, 1), (0, 3, 100)])
def test_weights_that_a_person_wrote_are_shares(stable: int, candidate: int, percent: int) -> None:
    made = route(RouteIntent("v1", "v2", 5, 0), NOT_STICKY)
    for backend, weight in zip(made["spec"]["rules"][-1]["backendRefs"], (stable, candidate), strict=True):
        backend["weight"] = weight
    assert read_intent(made).of("v2") == percent


def test_a_range_that_somebody_widened_is_seen_as_it_is() -> None:
    made = route()
    made["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] = "[0-4][0-9][0-9][0-9]"
    view = read_route(made, None, STICKY)
    assert (view.intent.weight, view.intent.bucket_offset) == (50, 0)


@pytest.mark.parametrize(
    ("pattern", "range_"), [("0000", (0, 1)), ("[0-9]{3}", (0, 0)), ("99[0-9][0-9]|00[0-9][0-9]", (9900, 2))]
)
def test_ranges_are_measured_by_trying_every_bucket(pattern: str, range_: tuple[int, int]) -> None:
    assert measure_range(pattern) == range_


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(10, "10ms"), (1000, "1000ms"), (99999, "99999ms"), (100000, "100s"), (600000, "600s"), (123456, "123s456ms")],
)
def test_every_timeout_that_a_manifest_may_name_is_one_of_the_gateway_api_and_is_read_back(
    milliseconds: int, written: str
) -> None:
    rollout = model_spec(rollout={"gateway": {"name": "g", "requestTimeoutMilliseconds": milliseconds}}).rollout
    made = route(chosen=RouteSettings.of("m-uid", rollout))
    assert {rule["timeouts"]["request"] for rule in made["spec"]["rules"]} == {written}
    assert re.fullmatch(r"([0-9]{1,5}(h|m|s|ms)){1,4}", written), "the pattern of its CRD"
    found = settings_of_route(made)
    assert found is not None
    assert found.gateway.request_timeout_milliseconds == milliseconds


def test_a_changed_timeout_is_drift() -> None:
    made = route()
    made["spec"]["rules"][0]["timeouts"]["request"] = "9s"
    assert read_route(made, None, STICKY).drifted


def test_defaults_of_the_api_server_are_not_drift() -> None:
    made = route()
    made["spec"]["parentRefs"][0] |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    made["spec"]["rules"][0]["backendRefs"][0] |= {"group": "", "kind": "Service"}
    assert not read_route(made, None, STICKY).drifted


@pytest.mark.parametrize("chosen", [STICKY, TO_STABLE, NOT_STICKY])
def test_settings_are_read_back_for_when_the_spec_is_unreadable(chosen: RouteSettings) -> None:
    found = settings_of_route(route(chosen=chosen))
    assert found is not None
    rebuilt = build_route("shop", "movies", RouteIntent("v1"), {}, found)
    assert rebuilt["spec"] == build_route("shop", "movies", RouteIntent("v1"), {}, chosen)["spec"]


def gateway_rule(manifest: Manifest) -> Manifest:
    """The rule by which settings are read."""
    return manifest["spec"]["rules"][-1]  # type: ignore[no-any-return]


EDITS: tuple[tuple[str, Callable[[Manifest], object], int], ...] = (
    ("a short timeout", lambda made: gateway_rule(made)["timeouts"].update(request="5ms"), 1000),
    ("no timeout", lambda made: gateway_rule(made)["timeouts"].update(request="0s"), 1000),
    ("a timeout of hours", lambda made: gateway_rule(made)["timeouts"].update(request="2h"), 1000),
    ("a timeout in minutes", lambda made: gateway_rule(made)["timeouts"].update(request="1m30s"), 90000),
    ("words for a timeout", lambda made: gateway_rule(made)["timeouts"].update(request="soon"), 1000),
    ("no timeouts", lambda made: gateway_rule(made).pop("timeouts"), 1000),
    ("an empty segment", lambda made: gateway_rule(made)["matches"][0]["path"].update(value="/a//b"), 1000),
    ("no path", lambda made: gateway_rule(made)["matches"][0].pop("path"), 1000),
    ("no match", lambda made: gateway_rule(made).pop("matches"), 1000),
    ("no backends", lambda made: gateway_rule(made).pop("backendRefs"), 1000),
    ("an empty namespace", lambda made: made["spec"]["parentRefs"][0].update(namespace=""), 1000),
)
"""(what a person did to the route, how, timeout that is read from it)."""


@pytest.mark.parametrize(("edit", "timeout"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_what_a_person_wrote_into_the_route_is_drift_from_what_is_read_of_it(
    edit: Callable[[Manifest], object], timeout: int
) -> None:
    made = route()
    edit(made)
    found = settings_of_route(made)
    assert found is not None
    assert found.gateway.request_timeout_milliseconds == timeout
    assert read_route(made, None, found).drifted


def test_a_route_whose_gateway_has_no_name_of_ours_says_nothing() -> None:
    made = route()
    made["spec"]["parentRefs"][0]["name"] = "Not A Name"
    assert settings_of_route(made) is None


@pytest.mark.parametrize(("written", "seconds"), [("1m", 60.0), ("1h2m3s4ms", 3723.004), ("999ms", 0.999), ("5d", 1.0)])
def test_a_request_may_take_as_long_as_the_rules_say(written: str, seconds: float) -> None:
    made = route()
    for rule in made["spec"]["rules"]:
        rule["timeouts"]["request"] = written
    assert request_seconds(made) == seconds


def test_positions_tell_versions() -> None:
    assert backend_versions(route()) == {(0, 0): "v2", (1, 0): "v1", (2, 0): "v1", (2, 1): "v2"}


def test_accepted_needs_both_conditions_and_a_programmed_listener() -> None:
    good = parents(Accepted="True", ResolvedRefs="True")
    assert read_route(route(**good), gateway(), STICKY).accepted
    assert not read_route(route(**good), gateway("False"), STICKY).accepted


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "no controller has answered"),
        (parents(Accepted="False", ResolvedRefs="True"), "Accepted is False: M"),
        (parents(Accepted="True"), "ResolvedRefs is not yet known"),
        (parents(Accepted="True", ResolvedRefs="True", PartiallyInvalid="True"), "PartiallyInvalid is True"),
    ],
)
def test_what_is_missing_is_said(status: dict[str, object], words: str) -> None:
    view = read_route(route(**status), gateway(), STICKY)
    assert not view.accepted
    assert words in view.message


def test_conditions_of_an_older_generation_do_not_count() -> None:
    made = route(**parents(Accepted="True", ResolvedRefs="True"))
    made["metadata"]["generation"] = 3
    assert "generation 3" in read_route(made, gateway(), STICKY).message


def test_a_gateway_of_that_name_elsewhere_does_not_answer_for_ours() -> None:
    status = parents(Accepted="True", ResolvedRefs="True")
    status["parents"][0]["parentRef"]["namespace"] = "infra"  # type: ignore[index]
    view = read_route(route(**status), gateway(), STICKY)
    assert (view.accepted, view.message) == (False, "no controller has answered for Gateway public")


def test_a_route_whose_parents_somebody_removed_is_drift_and_not_accepted() -> None:
    changed = route(**parents(Accepted="True", ResolvedRefs="True"))
    del changed["spec"]["parentRefs"]
    view = read_route(changed, None, STICKY)
    assert (view.accepted, view.drifted, view.intent) == (False, True, CANARY)
    assert "parentRefs" in view.message


def test_an_expression_that_only_a_gateway_can_read_may_send_users() -> None:
    changed = route()
    changed["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] = r"9\pN+"
    assert read_intent(changed).of("v2") > 0


def test_an_unreadable_annotation_is_no_decision() -> None:
    made = route()
    made["metadata"]["annotations"]["recsys.dev/decision"] = "{"
    assert read_route(made, None, STICKY).decision == {}
