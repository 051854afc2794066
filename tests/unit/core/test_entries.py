"""What counters say of the time in which nobody read them: only what surely is one process's own, and nothing twice."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_operator.core.analysis.entries import MAX_PODS, MAX_PROXIES, Entries, recover, write_entries
from recsys_operator.core.counters import BOUNDS, GatewayCounters, GatewayStanding, PodCounters, Reading

SLOW = BOUNDS


def pod(answers: int, **changes: Any) -> PodCounters:
    """One process; all its answers are fast."""
    latency = [0] * (BOUNDS + 1)
    latency[5] = answers
    return replace(PodCounters(started=1.5, answers=answers, latency=tuple(latency)), **changes)


def gateway(own: int, other: int, bad: int = 0, *, generation: int = 3, proxy: str = "p/0") -> GatewayStanding:
    counts = {"new": GatewayCounters(own, bad), "old": GatewayCounters(other)}
    return GatewayStanding(generation, {proxy: counts})


def reading(
    own: dict[str, PodCounters | None], other: dict[str, PodCounters | None], counted: GatewayStanding | None = None, **changes: Any
) -> Reading:  # fmt: skip
    return Reading(100.0, {"new": own, "old": other}, counted, **changes)


BEFORE = reading({"a": pod(10), "b": pod(20)}, {"x": pod(1000)}, gateway(30, 1000))
AFTER = reading({"a": pod(15), "b": pod(27)}, {"x": pod(1040)}, gateway(42, 1040, 2))


def test_what_live_processes_counted_is_one_block_of_each_arm() -> None:
    own, other = recover(write_entries(BEFORE, "new", "old"), AFTER, "new", "old")
    assert (own.second.answers, own.second.model_latency[5], own.unread, own.lost) == (12, 12, 0, 0.0)
    assert (own.second.gateway_requests, own.second.gateway_bad) == (12, 2)
    assert (other.second.answers, other.second.gateway_requests, other.second.gateway_bad) == (40, 40, 0)
    assert own.whole
    assert other.whole
    assert own.availability


PODS: list[Any] = [
    ({"a": pod(15)}, 5, 1, 5.0),
    ({"a": pod(15), "b": None}, 5, 1, 5.0),
    ({"a": pod(15), "b": pod(27, started=9.0)}, 5, 1, 5.0),
    ({"a": pod(15), "b": pod(27, errors=("NaN",), started=0.0)}, 5, 1, 5.0),
    ({"a": pod(15), "b": pod(27), "c": pod(400)}, 12, 1, 6.0),
    ({"a": pod(15), "b": pod(27), "c": None}, 12, 1, 6.0),
    ({}, 0, 2, None),
    ({"c": pod(3)}, 0, 3, None),
]


@pytest.mark.parametrize(
    ("own", "answers", "unread", "lost"), PODS,
    ids=["it went", "late", "restarted", "unreadable", "born", "born and unread", "all went", "all are others"],
)  # fmt: skip
def test_a_process_that_is_gone_late_or_new_says_nothing_and_the_arm_is_not_whole(
    own: dict[str, PodCounters | None], answers: int, unread: int, lost: float | None
) -> None:
    block, other = recover(
        write_entries(BEFORE, "new", "old"), reading(own, {"x": pod(1040)}, gateway(42, 1040)), "new", "old"
    )
    assert (block.second.answers, block.unread, block.lost) == (answers, unread, lost)
    assert not block.whole
    assert other.whole


FALLEN = ["answers", "failures", "bad_fallbacks", "unknown_users", "server_restarts"]


@pytest.mark.parametrize("name", [*FALLEN, "latency"])
def test_a_counter_that_fell_takes_its_arm_out(name: str) -> None:
    full = pod(20, failures=2, bad_fallbacks=2, unknown_users=2, server_restarts=2)
    less = {"latency": (0,) * (BOUNDS + 1)} if name == "latency" else {name: getattr(full, name) - 1}
    before = write_entries(reading({"a": full, "b": pod(1)}, {"x": pod(1)}), "new", "old")
    own, other = recover(before, reading({"a": replace(full, **less), "b": pod(90)}, {"x": pod(9)}), "new", "old")
    assert (own.second.answers, own.second.server_restarts, own.garbled, own.whole) == (0, 0, True, False)
    assert (other.second.answers, other.whole) == (8, True)


UNKNOWN: list[Any] = [
    None, gateway(42, 1040, generation=4), gateway(42, 1040, proxy="p/1"), gateway(29, 1040), gateway(42, 999),
    GatewayStanding(3, {"p/0": {"new": GatewayCounters(42)}}),
    GatewayStanding(3, {**gateway(42, 1040).proxies, **gateway(0, 0, proxy="q/0").proxies}),
    GatewayStanding(3, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    "counted", UNKNOWN,
    ids=["unread", "another route", "restarted", "fell", "stable's fell", "positions unsure", "one more", "none"],
)  # fmt: skip
def test_without_the_same_proxies_and_route_nothing_is_said_of_availability(counted: GatewayStanding | None) -> None:
    own, _ = recover(write_entries(BEFORE, "new", "old"), replace(AFTER, gateway=counted), "new", "old")
    assert (own.availability, own.second.gateway_requests, own.second.answers) == (False, None, 12)


@pytest.mark.parametrize(("then", "now", "known"), [(False, False, True), (True, False, False), (False, True, False)])
def test_pods_say_it_only_where_no_gateway_is_read_at_all(then: bool, now: bool, known: bool) -> None:
    """A pod does not know of the requests that it never answered."""
    before = replace(BEFORE, gateway=BEFORE.gateway if then else None, by_gateway=then)
    own, _ = recover(write_entries(before, "new", "old"), replace(AFTER, gateway=None, by_gateway=now), "new", "old")
    assert own.availability == known


def test_many_pods_are_told_from_those_that_nobody_wrote_down() -> None:
    own = {f"n{n:03}": pod(n) for n in range(50)}
    other = {f"s{n:03}": pod(n) for n in range(50)}
    entries = write_entries(reading(own, other), "new", "old")
    assert len(entries.candidate) + len(entries.stable) == MAX_PODS
    later = reading(
        {uid: pod(c.answers + 2) for uid, c in own.items()}, {uid: pod(c.answers + 3) for uid, c in other.items()}
    )
    mine, stable = recover(entries, later, "new", "old")
    assert (mine.second.answers, mine.whole) == (100, True)
    assert (stable.second.answers, stable.unread, stable.lost) == (14 * 3, 36, 36 * 3.0)
    fewer = replace(later, pods={**later.pods, "old": {uid: later.pods["old"][uid] for uid in entries.stable}})
    assert recover(entries, fewer, "new", "old")[1].unread == 36, "those that were left out went"


def test_too_many_proxies_are_not_written_down() -> None:
    counts = gateway(1, 1).proxies["p/0"]
    many = GatewayStanding(1, {f"p{n}/0": counts for n in range(MAX_PROXIES + 1)})
    assert write_entries(replace(BEFORE, gateway=many), "new", "old").gateway == {}


COUNT = st.integers(0, 10**12)
PAGE = st.builds(
    PodCounters, started=st.floats(0, 4e9), answers=COUNT, failures=COUNT, bad_fallbacks=COUNT, unknown_users=COUNT,
    server_restarts=COUNT, latency=st.one_of(
        st.just((0,) * (BOUNDS + 1)), st.lists(COUNT, min_size=BOUNDS + 1, max_size=BOUNDS + 1).map(tuple)
    ),
)  # fmt: skip


@given(PAGE)
def test_what_is_written_down_is_read_as_it_was(page: PodCounters) -> None:
    entries = Entries.model_validate_json(
        write_entries(reading({"a": page}, {}), "new", "old").model_dump_json(by_alias=True)
    )
    own, _ = recover(entries, reading({"a": page}, {}), "new", "old")
    assert own.whole
    assert (own.second.answers, sum(own.second.model_latency)) == (0, 0)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1.5 1 2", "1.5 1 2 3 4 five", "nan 1 0 0 0 0", "1.5 " + "9 " * 40])
def test_what_another_release_wrote_in_another_form_says_nothing(text: str) -> None:
    entries = write_entries(BEFORE, "new", "old").model_copy(
        update={"candidate": {"a": text, "b": text}, "gateway": {"p/0": text}}
    )
    own, other = recover(entries, AFTER, "new", "old")
    assert (own.second.answers, own.unread, own.availability) == (0, 2, False)
    assert other.whole
