"""The fold over seconds: what is known about a candidate in its segment.

Evidence starts anew at every weight change (a segment). A second is folded once: `folded_until` remembers. What a process had
not yet banked into the version's status the next one reads from the counters that live (takeover.py); what they do not tell is
lost: fewer events, never wrong ones, and declared (losses.py). Where too much is lost, what a Pass needs begins anew within the segment; what speaks for a Fail goes on.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from pydantic import Field

from recsys_api.base import Observed
from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.entries import Entries
from recsys_operator.core.analysis.lines import Line, fold_line
from recsys_operator.core.analysis.losses import Tally
from recsys_operator.core.analysis.objectives import Objective
from recsys_operator.core.samples import VersionSecond

STABLE_BREACH = 20.0
"""Evidence (an e-value) from which stable counts as outside its objective."""
UNREADABLE_SECONDS = 10.0
"""Without a reading of every ready pod for this long the metrics are unavailable."""
LOG_BREACH = math.log(STABLE_BREACH)
"""The same as ln M."""


class Evidence(Observed):
    """Everything about one segment of one version; banked into status as it is."""

    version: str
    segment: int
    since: float
    """Seconds after this belong to the segment."""
    folded_until: float = 0.0
    lines: tuple[Line, ...] = ()
    answers: int = 0
    """Requests that the candidate answered (or that the gateway sent it)."""
    read_at: float = 0.0
    """Last second in which every ready pod could be read."""
    seen_at: float = 0.0
    """The last of these in which the candidate had requests."""
    quiet: int = 0
    """How many of these there were since then: a second that nobody could read is not one without requests."""
    unread: int = Field(0, ge=0)
    """How many seconds were looked at since `read_at`: those in which no operator ran are none."""
    server_restarts: int = 0
    """Restarts of tritonserver in the candidate's pods."""
    errors: int = Field(0, ge=0)
    """Seconds with data errors: what the pods said is in no count."""
    candidate_tally: Tally = Tally()
    stable_tally: Tally = Tally()
    lost: float = 0.0
    """About how many requests of both arms nobody read, in the whole segment."""
    begun_anew: int = 0
    """How often too many were lost, so that the evidence for a Pass began anew."""
    skipped: int = Field(0, ge=0)
    """Weights of a fault's start that are left out: processes that are gone may have tried them."""
    entries: Entries | None = None
    """Where the counters stood at `folded_until`: in what is banked, and in what was taken over until the first reading."""
    inherited: bool = False
    """Another process banked it, and this one has read nothing yet."""

    def line(self, name: str) -> Line:
        """The objective's line; an empty one before its first event."""
        return next((line for line in self.lines if line.name == name), Line(name=name))

    def banked(self, entries: Entries | None) -> "Evidence":
        """As it is written down, with where the counters stand."""
        kept = self.entries if self.inherited else entries
        return self.model_copy(update={"lines": tuple(line.banked() for line in self.lines), "entries": kept})

    def looked_at(self, banked: "Evidence") -> "Evidence":
        """With what a look at what is written down has shown."""
        shown = {line.name: line.worst_difference for line in banked.lines}
        lines = tuple(
            line.model_copy(
                update={"worst_difference": max(line.worst_difference, shown.get(line.name, sequential.NOTHING))}
            )
            for line in self.lines
        )
        return self if lines == self.lines else self.model_copy(update={"lines": lines})


def before(evidence: Evidence, now: float, latest: float) -> Evidence:
    """What it says of times after now is said of now: a clock that was set back would hide every second until then."""
    late = {name: now for name in ("folded_until", "read_at", "seen_at") if getattr(evidence, name) > now}
    since = {"since": latest} if evidence.since > latest else {}
    return evidence.model_copy(update=late | since) if late or since else evidence


def fold_evidence(
    evidence: Evidence, stable: str, objectives: Sequence[Objective], seconds: Iterable[VersionSecond],
    watched_since: float = 0.0,
) -> Evidence:  # fmt: skip
    """Add the seconds that were not yet folded.

    Args:
        watched_since: what was counted between the last folded second and this moment is lost.
    """
    new = [second for second in seconds if second.at > max(evidence.folded_until, evidence.since)]
    for at, group in groupby(sorted(new, key=lambda second: second.at), key=lambda second: second.at):
        arms = {second.version: second for second in group}
        known = max(evidence.folded_until, evidence.since)
        unwatched = at - known if known < watched_since <= at else 0.0
        folded = _fold_second(evidence, at, arms.get(evidence.version), arms.get(stable), objectives, unwatched)
        unread = 0 if folded.read_at > evidence.read_at else evidence.unread + (evidence.version in arms)
        evidence = folded.model_copy(update={"unread": unread}) if unread != folded.unread else folded
    return evidence


def stable_breach(evidence: Evidence, name: str) -> bool:
    """Whether stable is outside this objective too, now."""
    return sequential.log_evidence(evidence.line(name).stable_objective) >= LOG_BREACH


def was_read(second: VersionSecond) -> bool:
    """Whether the second says anything: a pod was scraped or the gateway could be read."""
    return not second.errors and (second.pods_scraped > 0 or second.gateway_requests is not None)


def read_at(second: VersionSecond) -> float:
    """Since when no ready pod was read; 0 where one never was: latency and fallbacks are counted by pods alone, and the
    one that is not read may be the sick one. Of many pods one is late in most seconds, and says it all in the next."""
    if second.errors or not second.pods_expected:
        return 0.0
    return second.at if second.pods_scraped >= second.pods_expected else second.read_since


def _fold_second(
    evidence: Evidence,
    at: float,
    own: VersionSecond | None,
    other: VersionSecond | None,
    objectives: Sequence[Objective],
    unwatched: float,
) -> Evidence:
    evidence = _tallied(evidence, own, other, unwatched)
    if own is None:
        return evidence.model_copy(update={"folded_until": at})
    if own.errors:
        evidence = evidence.model_copy(update={"errors": evidence.errors + 1})
    own, other = _without_errors(own), _without_errors(other) if other is not None else None
    # an outage of reading takes both arms at once; a failed scrape of the candidate alone is harm
    if not was_read(own) and (other is None or not was_read(other)):
        return evidence.model_copy(update={"folded_until": at})
    if own.errors:
        return evidence.model_copy(update={"folded_until": at})
    usable = other if other is not None and was_read(other) else None
    requests = max(own.answers, own.gateway_requests or 0)
    change: dict[str, object] = {
        "folded_until": at,
        "lines": tuple(fold_line(evidence.line(o.name), o, own, usable, evidence.skipped) for o in objectives),
        "answers": evidence.answers + requests,
        "server_restarts": evidence.server_restarts + own.server_restarts,
    }
    read = read_at(own)
    if at - read <= UNREADABLE_SECONDS:
        change["read_at"] = max(evidence.read_at, read)
        if requests:
            change |= {"seen_at": at, "quiet": 0}
        else:
            # requests of a pod that is late come with its next reading, long before these seconds are too many
            change["quiet"] = evidence.quiet + 1
    return evidence.model_copy(update=change)


def _tallied(evidence: Evidence, own: VersionSecond | None, other: VersionSecond | None, unwatched: float) -> Evidence:
    """With what was seen and lost in this second and in those before it that nobody watched."""
    # a candidate that cannot be believed takes stable's second with it: nothing is compared in it
    spoilt = own is not None and bool(own.errors) and own.gateway_requests is None
    tallies: list[Tally] = []
    for before, second in ((evidence.candidate_tally, own), (evidence.stable_tally, other)):
        tally = before.unwatched(unwatched)
        if second is not None:
            tally = tally.with_second(second, believed=not second.errors and not spoilt)
        tallies.append(tally)
    return with_tallies(evidence, *tallies)


def with_tallies(evidence: Evidence, candidate: Tally, stable: Tally) -> Evidence:
    """With newer tallies of both arms; where too much is lost in one, what a Pass needs begins anew."""
    lost = candidate.lost + stable.lost - evidence.candidate_tally.lost - evidence.stable_tally.lost
    change = {"candidate_tally": candidate, "stable_tally": stable, "lost": round(evidence.lost + lost, 2)}
    done = evidence.model_copy(update=change)
    return _begun_anew(done) if candidate.is_broken or stable.is_broken else done


def _begun_anew(evidence: Evidence) -> Evidence:
    """Only what a Pass needs: whoever loses their own evidence must not lose what speaks against them."""
    return evidence.model_copy(
        update={
            "lines": tuple(line.marked() for line in evidence.lines), "candidate_tally": Tally(),
            "stable_tally": Tally(), "begun_anew": evidence.begun_anew + 1,
        }
    )  # fmt: skip


def _without_errors(second: VersionSecond) -> VersionSecond:
    """With data errors only the gateway is believed: the candidate that garbles its metrics may fail its users as well."""
    if not second.errors or second.gateway_requests is None:
        return second
    return replace(
        second, errors=(), pods_scraped=0, answers=0, model_latency=(), bad_fallbacks=0, unknown_users=0,
        server_restarts=0,
    )  # fmt: skip
