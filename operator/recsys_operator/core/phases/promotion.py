"""Towards risk: the record first, then the route.

start_step    the next weight: intent, segment and its share of the error budget are recorded, then the route is raised
make_stable   the version answers everybody; the one before becomes Previous
restore       the stable version is gone (rolled back): the previous one takes its place in the record
"""

from recsys_api.model_version import Phase
from recsys_operator.core import identity, reasons, weights
from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.verdicts import FAIL_BUDGET, pass_events, segment_alpha
from recsys_operator.core.decision import Act, EnsureRoute
from recsys_operator.core.judgement import objectives_of, pass_alpha
from recsys_operator.core.phases.rollback import describe_decision, fallback_of
from recsys_operator.core.records import Step, announce, move, note, request_condition
from recsys_operator.core.rollout_state import MAX_PODS, MAX_SPENDS, Leave, Part, RolloutState, Spend
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import RouteIntent, VersionView

SETTLE_SECONDS = 1.0
"""The second in which the route is written belongs to neither segment."""


def new_state(scene: Scene, version: VersionView) -> RolloutState:
    """The state of a rollout that begins now: today's policies, stable as it is, other buckets than last time."""
    assert scene.spec is not None
    before = scene.state(version)
    count = before.rollout + 1 if before is not None else 1
    policy = identity.without_operational(scene.spec.rollout)
    return RolloutState(
        policy=policy, stable=scene.stable.name if scene.stable else "", stable_replicas=scene.full_replicas,
        rollout=count, bucket_offset=weights.bucket_offset(version.uid, count), started_at=scene.now,
        segment=before.segment if before is not None else 0,
        gap_after=scene.gap.last_pass if scene.gap is not None else 0.0,
    )  # fmt: skip


def start_step(
    scene: Scene, version: VersionView, state: RolloutState, index: int, *, left: Leave | None = None
) -> Step:
    """Raise the candidate to the weight of a step."""
    step = state.steps[index]
    message = f"step {step.name}: {step.weight} % of the users"
    return _begin(scene, version, _raised(scene, version, state, index, left), reasons.STEP, message)


def take_all(scene: Scene, version: VersionView, state: RolloutState, message: str) -> Step:
    """All users at once, whoever is ready: there is no other version for them. Then the bake."""
    raised = _raised(scene, version, state, len(state.steps) - 1, None)
    return _begin(scene, version, raised, reasons.STABLE_GONE, message, warning=True)


def raise_route(
    scene: Scene, version: VersionView, state: RolloutState, intent: RouteIntent, reason: str
) -> EnsureRoute:
    """The route write that gives a candidate its recorded weight."""
    decision = describe_decision(scene, version, intent, state.segment, reason=reason)
    alone = intent.stable == version.name
    needs = {version.name: 1 if alone else scene.needed(state, state.weight)}
    return EnsureRoute(intent, decision, raises=True, needs_ready=needs)


def renew(scene: Scene, version: VersionView, state: RolloutState) -> RolloutState:
    """The same intent, recorded now: what was seen before the route was really raised is no evidence.

    Where something was seen, it had its chance of a false verdict: what begins now has less of the error budget.
    """
    fresh = Evidence(version=version.name, segment=state.segment, since=scene.now + SETTLE_SECONDS)
    seen = scene.memory.evidence is not None and scene.memory.evidence.answers > 0
    if seen and 0 < len(state.ledger) < MAX_SPENDS:
        state = state.changed(ledger=(*state.ledger, _spend(state, state.segment, state.ledger[-1].part)))
    return state.changed(segment_at=scene.now, banked=fresh, banked_at=scene.now)


def intent_of(scene: Scene, version: VersionView, state: RolloutState) -> RouteIntent:
    """What the route is to say while this version is rolled out; without sticky users there is no range to begin."""
    if state.weight == 0:
        return RouteIntent(state.stable)
    if state.weight == 100 and not fallback_of(scene, version):
        return RouteIntent(version.name)
    sticky = scene.spec is None or scene.spec.rollout.stickiness.type == "UserBucket"
    return RouteIntent(state.stable, version.name, state.weight, state.bucket_offset if sticky else 0)


def make_stable(
    scene: Scene, version: VersionView, reason: str, message: str, *,
    left: Leave | None = None, request: str = "", verb: str = "",
) -> Step:  # fmt: skip
    """All traffic to this version, for good; whoever was stable becomes Previous."""
    state = scene.state(version)
    done = _settled(scene, version, state, reason, message, left) if state is not None else None
    segment = done.segment if done is not None else 0
    acts: list[Act] = [
        move(scene, version, "Stable", reason, message, state=done, condition=request_condition(scene, verb, request))
    ]
    if not scene.unmanaged:
        acts.append(stable_route(scene, version, segment, reason))
    acts += [retreat(scene, other) for other in scene.versions if other.status.phase == "Stable" and other != version]
    return Step((*acts, announce(version, reason, message)), 1.0)


def stable_route(scene: Scene, version: VersionView, segment: int, reason: str) -> EnsureRoute:
    """The route that sends everybody to one version; its pods are checked where it did not have them all."""
    intent = RouteIntent(version.name)
    rises = scene.weight_of(version.name) < 100
    decision = describe_decision(scene, version, intent, segment, reason=reason)
    return EnsureRoute(intent, decision, raises=rises, needs_ready={version.name: 1} if rises else {})


def retreat(scene: Scene, version: VersionView) -> Act:
    """The stable version that was replaced."""
    return move(scene, version, "Previous", reasons.REPLACED, "loaded, so that a rollback is one route change")


def expected_seconds(scene: Scene, state: RolloutState, weight: int) -> float | None:
    """Seconds until a Pass can be shown at this weight with the traffic that stable has; None where that is unknown."""
    health = scene.health
    if health is None or health.seconds < 30 or health.requests == 0:
        return None
    rate = health.requests / health.seconds * weight / 100
    return pass_events(objectives_of(state), pass_alpha(state), alone=weight == 100) / rate


def template_of(scene: Scene) -> dict[str, object]:
    """The serving template as of today, without its revision."""
    assert scene.spec is not None
    serving, gateway = scene.spec.serving, scene.spec.rollout.gateway
    secret = scene.spec.artifacts.credentials_secret_ref
    return {
        "image": scene.world.serving_image,
        "resources": serving.resources.to_dict(),
        "top_k": serving.top_k,
        "pod_template": serving.pod_template.to_dict(),
        "request_timeout_milliseconds": gateway.request_timeout_milliseconds,
        "credentials_secret": secret.name if secret is not None else "",
        "triton_start_seconds": scene.world.triton_start_seconds,
        "image_pull_policy": scene.world.image_pull_policy,
    }


def template_revision(template: dict[str, object]) -> str:
    """Its name."""
    return identity.template_revision(template)


def _begin(
    scene: Scene, version: VersionView, raised: RolloutState, reason: str, message: str, *, warning: bool = False
) -> Step:
    """Record the weight of a step, write it and tell of it."""
    phase: Phase = "Baking" if raised.weight == 100 else "Canary"
    noted = note(scene, raised, reason, message, raised.weight)
    acts: tuple[Act, ...] = (
        move(scene, version, phase, reason, message, state=noted),
        raise_route(scene, version, noted, intent_of(scene, version, noted), reason),
        announce(version, reason, message, warning=warning),
    )
    return Step(acts, 1.0)


def _raised(scene: Scene, version: VersionView, state: RolloutState, index: int, left: Leave | None) -> RolloutState:
    step, segment = state.steps[index], state.segment + 1
    spend = _spend(state, segment, "Bake" if step.weight == 100 else "Canary")
    pods = {pod.uid: pod.restarts for pod in scene.ready_pods(version.name)[:MAX_PODS]}
    seconds = expected_seconds(scene, state, step.weight)
    time = state.policy.bake_seconds if step.weight == 100 else step.max_seconds
    return state.unheld(
        step=index, weight=step.weight, segment=segment, segment_at=scene.now, clock_start=None, held_seconds=0.0,
        ledger=(*state.ledger, spend), pods=pods, parked_since=None,
        banked=Evidence(version=version.name, segment=segment, since=scene.now + SETTLE_SECONDS), banked_at=scene.now,
        verdict="", verdict_message="", left=(*state.left, left) if left is not None else state.left,
        underpowered=seconds is not None and seconds > time,
    )  # fmt: skip


def _spend(state: RolloutState, segment: int, part: Part) -> Spend:
    """The next of canary or bake."""
    ordinal = 1 + sum(spend.part == part for spend in state.ledger)
    return Spend(segment=segment, part=part, alpha=segment_alpha(FAIL_BUDGET, ordinal))


def _settled(
    scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str, left: Leave | None
) -> RolloutState:
    evidence = scene.memory.evidence
    # users that it did not have yet are a newer intent than any earlier lowering that the route may still speak of
    newer = 1 if scene.weight_of(version.name) < 100 else 0
    done = state.unheld(
        weight=0, segment=state.segment + newer, parked_since=None, clock_start=None,
        left=(*state.left, left) if left is not None else state.left,
        banked=evidence if evidence is not None and evidence.segment == state.segment else state.banked,
        verdict="Pass" if left is not None and left.by == "Pass" else state.verdict,
    )  # fmt: skip
    return note(scene, done, reason, message, 100)
