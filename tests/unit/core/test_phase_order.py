"""Which phase began last: told by numbers, because the clock of the operator's node may be set back between two of them."""

from dataclasses import replace

import pytest
from tests.unit.core.factories import NOW, WATCHED, build_pods, build_route, build_serving, build_version, build_world

from recsys_operator.core import clock
from recsys_operator.core.decision import RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, VersionView, World


def served(*versions: VersionView, route: RouteIntent) -> World:
    """Versions with all their pods."""
    pods = tuple(pod for version in versions for pod in build_pods(version, 4))
    serving = {version.name: build_serving(version, 4) for version in versions}
    return build_world(None, *versions, pods=pods, serving=serving, route=build_route(route))


def numbered(version: VersionView, number: int, since: float = NOW) -> VersionView:
    return replace(
        version,
        status=version.status.model_copy(update={"phase_number": number, "phase_since": clock.to_text(since)}),
    )


def phases(world: World) -> dict[str, str]:
    """What the next pass makes of them."""
    return {a.name: a.status.phase for a in decide(world, NOW, WATCHED).acts if isinstance(a, RecordVersion)}


@pytest.mark.parametrize("ahead", [0.0, 3600.0], ids=["within a second", "the clock was set back by an hour"])
def test_a_promotion_that_was_cut_short_is_finished_and_not_undone(ahead: float) -> None:
    """Killed after the new version was recorded as Stable, before the old one became Previous; a pin chose an older one."""
    before = numbered(build_version(2, "Stable"), 5, NOW + ahead)
    after = numbered(build_version(1, "Stable"), 6, NOW)
    assert phases(served(before, after, route=RouteIntent(after.name))) == {before.name: "Previous"}


@pytest.mark.parametrize("ahead", [0.0, 3600.0], ids=["within a second", "the clock was set back by an hour"])
def test_the_older_of_two_previous_versions_is_retired(ahead: float) -> None:
    older = numbered(build_version(2, "Previous"), 3, NOW + ahead)
    newer = numbered(build_version(1, "Previous"), 5, NOW)
    stable = numbered(build_version(3, "Stable"), 5, NOW)
    assert phases(served(older, newer, stable, route=RouteIntent(stable.name))) == {older.name: "Retired"}


def test_phases_of_a_release_before_the_numbers_are_older_and_go_by_time() -> None:
    old, newer_old = (
        numbered(build_version(2, "Previous"), 0, NOW - 200),
        numbered(build_version(1, "Previous"), 0, NOW - 100),
    )
    stable = numbered(build_version(3, "Stable"), 0, NOW - 100)
    assert phases(served(old, newer_old, stable, route=RouteIntent(stable.name))) == {old.name: "Retired"}
    first = numbered(newer_old, 1, NOW - 300)
    assert phases(served(old, first, stable, route=RouteIntent(stable.name))) == {old.name: "Retired"}


def test_each_phase_that_begins_has_a_larger_number_than_all_before() -> None:
    stable, previous = numbered(build_version(2, "Stable"), 7, NOW + 900), numbered(build_version(1, "Previous"), 9)
    world = served(stable, previous, route=RouteIntent(stable.name))
    moved = decide(
        replace(
            world,
            versions=(
                stable,
                replace(previous, status=previous.status.model_copy(update={"phase_since": clock.to_text(NOW - 700)})),
            ),
        ),
        NOW,
        WATCHED,
    )
    numbers = [
        a.status.phase_number for a in moved.acts if isinstance(a, RecordVersion) and a.status.phase == "Retired"
    ]
    assert numbers == [10]
