"""A process goes on from what another one banked: what came meanwhile is one block, where the counters live.

The same chance is given once: of the weights with which a fault is to begin in a second, those that the other process can
have tried since its bank are left out, and its account of the comparison with stable ended with it. See docs/adr/0013.
"""

import math
from collections.abc import Sequence

from recsys_operator.core.analysis.entries import Block, recover
from recsys_operator.core.analysis.evidence import Evidence, with_tallies
from recsys_operator.core.analysis.lines import fold_block
from recsys_operator.core.analysis.losses import Tally
from recsys_operator.core.analysis.objectives import Objective
from recsys_operator.core.counters import Reading

MOST_TRIED = 16
"""Seconds that a process can have looked at since its last bank: it banks every 15 s while counts move."""


def take_over(
    evidence: Evidence, stable: str, objectives: Sequence[Objective], begun: Reading, watched_since: float
) -> Evidence:
    """With what came between the bank and the first reading of this process.

    Args:
        begun: that reading: what this process counts, it counts from there.
        watched_since: since when it looks.
    """
    entries = evidence.entries
    known = max(evidence.folded_until, evidence.since)
    change: dict[str, object] = {"inherited": False, "entries": None}
    if entries is None:
        # what came meanwhile is lost at the next second (fold_evidence): nobody knows where it began
        return evidence.model_copy(update=change | {"skipped": evidence.skipped + _tried(begun.at - known)})
    own, other = recover(entries, begun, evidence.version, stable)
    whole = own.whole and other.whole
    lines = tuple(
        fold_block(evidence.line(o.name), o, own.second, other.second, evidence.skipped, compared=whole)
        if o.sli != "Availability" or own.availability
        else evidence.line(o.name)
        for o in objectives
    )
    requests = max(own.second.answers, own.second.gateway_requests or 0)
    unknown = any(o.sli == "Availability" for o in objectives) and not own.availability
    gap = max(0.0, begun.at - entries.at)
    change |= {
        "lines": lines, "answers": evidence.answers + requests,
        "server_restarts": evidence.server_restarts + own.second.server_restarts,
        "errors": evidence.errors + own.garbled, "quiet": 0 if requests else evidence.quiet,
        "skipped": evidence.skipped + _tried(begun.at - entries.at), "folded_until": max(evidence.folded_until, watched_since),
    }  # fmt: skip
    return with_tallies(
        evidence.model_copy(update=change), _tallied(evidence.candidate_tally, own, gap, unknown),
        _tallied(evidence.stable_tally, other, gap, unknown),
    )  # fmt: skip


def _tried(seconds: float) -> int:
    """How many starts of a fault to leave out; a clock that was set tells nothing."""
    return math.ceil(seconds) if 0 <= seconds <= MOST_TRIED else MOST_TRIED


def _tallied(tally: Tally, block: Block, gap: float, unknown: bool) -> Tally:
    requests = block.second.answers + block.second.failures
    if block.lost is None:
        tally = tally.unwatched(gap)
    return tally.with_block(requests, (block.lost or 0.0) + (requests if unknown else 0))
