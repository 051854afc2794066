"""The verdict on the running candidate, as a recorded rollout defines it."""

from functools import lru_cache

from recsys_api.spec.rollout import ServiceLevelObjective
from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.objectives import Objective, resolve_objectives
from recsys_operator.core.analysis.verdicts import PASS_BUDGET, Verdict, judge, segment_alpha
from recsys_operator.core.rollout_state import RolloutState


def objectives_of(state: RolloutState) -> tuple[Objective, ...]:
    """Recorded SLOs, the undeclared Fallback and the unknown users."""
    return _resolve(state.policy.slos)


@lru_cache(maxsize=256)
def _resolve(slos: tuple[ServiceLevelObjective, ...]) -> tuple[Objective, ...]:
    return resolve_objectives(slos)


def pass_alpha(state: RolloutState) -> float:
    """Error level of Pass in the current segment."""
    part = state.ledger[-1].part if state.ledger else "Canary"
    ordinal = max(1, sum(spend.part == part for spend in state.ledger))
    return segment_alpha(PASS_BUDGET, ordinal)


def judge_candidate(state: RolloutState, evidence: Evidence, now: float, watched_since: float) -> Verdict:
    """The verdict on a candidate's segment."""
    return judge(
        evidence, objectives_of(state), state.alpha(), pass_alpha(state), now,
        watched_since=watched_since, alone=state.weight >= 100, against_stable_only=state.stable_was_unhealthy,
    )  # fmt: skip
