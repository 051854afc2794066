"""What serves a version is made again where somebody deleted a part of it, and goes with the version as a whole."""

from dataclasses import replace

import pytest
from tests.unit.core.factories import NOW, build_pods, build_route, build_serving, build_version, build_world, writes

from recsys_operator.core.decision import DeleteObject, EnsureServing
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World

STABLE = build_version(1, "Stable")
ENDED = build_version(2, "RolledBack", quarantined=True)


def serving_world(**changes: object) -> World:
    """A stable version with all it needs, and one that was rolled back."""
    fields = {
        "pods": build_pods(STABLE, 4), "serving": {STABLE.name: build_serving(STABLE, 4)},
        "route": build_route(RouteIntent(STABLE.name)),
    }  # fmt: skip
    return build_world(None, STABLE, ENDED, **{**fields, **changes})


def test_nothing_is_done_where_all_is_there() -> None:
    assert not [act for act in writes(decide(serving_world(), NOW)) if isinstance(act, (DeleteObject, EnsureServing))]


@pytest.mark.parametrize(
    "changes",
    [
        {"serving": {STABLE.name: replace(build_serving(STABLE, 4), has_service=False)}},
        {"serving": {}},
        {"serving": {}, "leftovers": frozenset({STABLE.name})},
    ],
    ids=["no-service", "nothing", "service-alone"],
)
def test_what_is_missing_of_a_version_that_serves_is_made_again(changes: dict[str, object]) -> None:
    acts = writes(decide(serving_world(**changes), NOW))
    assert EnsureServing(STABLE.name, 4) in acts
    assert not any(isinstance(act, DeleteObject) for act in acts)


def test_what_a_deleted_deployment_left_of_a_version_that_ended_is_deleted() -> None:
    acts = writes(decide(serving_world(leftovers=frozenset({ENDED.name})), NOW))
    assert DeleteObject("Serving", ENDED.name, "", "", ENDED.resource_version) in acts


def test_what_is_left_of_a_version_that_still_has_users_stays() -> None:
    route = build_route(RouteIntent(STABLE.name, ENDED.name, 5, 0))
    world = serving_world(leftovers=frozenset({ENDED.name}), route=route)
    assert not any(isinstance(act, DeleteObject) for act in decide(world, NOW).acts)


def test_what_a_deleted_deployment_left_goes_with_the_model() -> None:
    world = replace(serving_world(leftovers=frozenset({ENDED.name})), model=None, route=None)
    deleted = [act for act in decide(world, NOW).acts if isinstance(act, DeleteObject)]
    assert [(act.name, act.uid) for act in deleted] == [(STABLE.name, f"uid-serving-{STABLE.name}"), (ENDED.name, "")]
