"""Windows: what they forbid, until when, and what they leave alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    WATCHED,
    build_model,
    build_rollout,
    recorded,
    routes,
    with_policy,
)

from recsys_api.spec.rollout import Window
from recsys_operator.core import clock
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.windows import closed

WEEKEND = {"name": "no-weekend", "schedule": "0 16 * * 5", "seconds": 230400}
OFFICE = {"name": "office", "schedule": "0 9 * * 1-5", "seconds": 28800, "effect": "Allow"}
LUNCH = {"name": "lunch", "schedule": "0 12 * * *", "seconds": 3600}
NEVER = {"name": "never", "schedule": "0 0 30 2 *", "seconds": 3600, "effect": "Allow"}
ALWAYS = {"schedule": "* * * * *", "seconds": 3600}


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("windows", "now", "name", "until"),
    [
        ([], "2026-11-27 17:00", None, None),
        ([WEEKEND], "2026-11-27 15:59", None, None),  # a Friday
        ([WEEKEND], "2026-11-27 16:00", "no-weekend", "2026-11-30 08:00"),
        ([WEEKEND], "2026-11-30 08:00", None, None),
        ([OFFICE], "2026-11-27 09:00", None, None),
        ([OFFICE], "2026-11-27 17:00", "office", "2026-11-30 09:00"),
        ([OFFICE, LUNCH], "2026-11-27 12:30", "lunch", "2026-11-27 13:00"),
        ([LUNCH, WEEKEND], "2026-11-28 12:30", "no-weekend", "2026-11-30 08:00"),
        ([OFFICE, NEVER], "2026-11-27 10:00", None, None),
        ([NEVER], "2026-11-27 10:00", "never", None),
    ],
)
def test_deny_wins_and_allow_closes_what_is_outside(
    windows: list[dict[str, Any]], now: str, name: str | None, until: str | None
) -> None:
    found = closed([Window.model_validate(window) for window in windows], _at(now))
    assert (found and found.name) == name
    assert (found and found.until) == (_at(until) if until else None)


def _with(window: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """A canary whose step is over, and a model with this window."""
    over = {"segment_at": NOW - 80, "clock_start": NOW - 79}
    rollout = build_rollout(**over, **changes)
    spec = with_policy(windows=[window] if window else [])
    return {"world": rollout.world(seconds=70, model=build_model(spec)), "name": rollout.candidate.name}


@pytest.mark.parametrize(
    ("window", "changes", "raised"),
    [
        (None, {}, True),
        ({"name": "freeze", **ALWAYS}, {}, False),
        ({"name": "open", **ALWAYS, "effect": "Allow"}, {}, True),
        (NEVER, {}, False),
        ({"name": "freeze", **ALWAYS}, {"promoted": True}, True),
    ],
)
def test_a_window_stops_raises_but_no_person(
    window: dict[str, Any] | None, changes: dict[str, Any], raised: bool
) -> None:
    found = _with(window, **changes)
    decision = decide(found["world"], NOW, WATCHED)
    assert bool(routes(decision)) == raised
    if not raised:
        status = recorded(decision, found["name"])
        assert (status.phase, status.reason) == ("Canary", "WindowClosed")
        assert window is not None
        assert window["name"] in status.message


def test_a_window_stops_no_rollback_and_says_until_when() -> None:
    freeze = {"name": "freeze", **ALWAYS}
    rollout = build_rollout()
    world = rollout.world(own={"gateway_bad": 18}, model=build_model(with_policy(windows=[freeze])))
    assert routes(decide(world, NOW, WATCHED))[0].intent.weight == 0
    waiting = _with(freeze)
    message = recorded(decide(waiting["world"], NOW, WATCHED), waiting["name"]).message
    assert clock.to_text(closed([Window.model_validate(freeze)], NOW).until) in message  # type: ignore[union-attr, arg-type]
