"""observe -> decide -> act -> record, for one key at a time; nothing else.

Killed at any line, the next pass goes on: the input is a key, all state lies in the cluster.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Protocol

from recsys_operator.acts import ActExecutor, Pass
from recsys_operator.adapters.metrics.sampler import Sampler
from recsys_operator.adapters.observer import Observer
from recsys_operator.core.decision import Announce, Decision, EnsureRoute, may_fail, may_wait
from recsys_operator.core.lifecycle import tell_trouble
from recsys_operator.core.text import clipped
from recsys_operator.core.world import Trouble, World
from recsys_operator.errors import OperatorError, asked_to_wait, policy_of
from recsys_operator.metrics import Telemetry
from recsys_operator.ports import Clock
from recsys_operator.queue import WorkQueue
from recsys_operator.refusals import Refusals, level_of, trouble_of

__all__ = ["Reconciler", "key_of"]

log = logging.getLogger(__name__)
BORNE = "borne"
"""Part of a key whose back-off is that of acts that a pass goes on without."""


class Decide(Protocol):
    """`core.lifecycle.decide`."""

    def __call__(self, world: World, now: float, memory: object) -> Decision:
        """What to do."""


def key_of(namespace: str, model: str) -> str:
    """The queue's key of a model."""
    return f"{namespace}/{model}"


class Reconciler:
    """Workers over a queue. The fold over samples is remembered per key within this process."""

    def __init__(
        self, *, observer: Observer, decide: Decide, executor: ActExecutor, sampler: Sampler, queue: WorkQueue,
        clock: Clock, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._observer = observer
        self._decide = decide
        self._executor = executor
        self._sampler = sampler
        self._queue = queue
        self._clock = clock
        self._telemetry = telemetry
        self._memory: dict[str, object] = {}
        self._refusals = Refusals()

    async def work(self) -> None:
        """One worker, for ever."""
        while True:
            key = await self._queue.get()
            try:
                await self._guarded(key)
            finally:
                self._queue.done(key)

    async def reconcile(self, key: str) -> bool:
        """One pass; True where another has to follow at once, because something was written that decisions rest on.

        Raises:
            OperatorError: an act failed; those before it are done.
        """
        namespace, _, name = key.partition("/")
        begun = self._clock.monotonic()
        world = replace(await self._observer.observe(namespace, name), trouble=self._refusals.trouble(key))
        decision = self._decide(world, self._clock.now(), self._memory.get(key))
        self._sampler.watch(namespace, name, decision.sample)
        moved, refused = await self._carry_out(Pass.of(world), decision, begun)
        # what was folded is remembered only when what follows from it is recorded, otherwise it is folded again
        self._remember(key, world, decision)
        if decision.requeue_after is not None:
            self._queue.add_after(key, decision.requeue_after)
        if refused is not None:
            await self._bear(key, refused)
        elif not moved or any(map(may_fail, decision.acts)):
            return self._end_refusal(key) or moved
        return moved

    async def _carry_out(self, run: Pass, decision: Decision, begun: float) -> tuple[bool, OperatorError | None]:
        """(whether something was written that decisions rest on, with what an act was refused that the others did not wait for)."""
        moved, refused = False, None
        for act in decision.acts:
            # where a person has to hear of a refusal that the world did not know, what only tells is left to who tells of that
            untold = refused is not None and trouble_of(refused) != run.world.trouble
            if (moved or untold) and may_wait(act):
                continue
            try:
                wrote = await self._executor.execute(run, act)
            except OperatorError as error:
                if not may_fail(act):
                    raise
                refused = error
                continue
            moved = moved or (wrote and not may_wait(act))
            if wrote and isinstance(act, EnsureRoute):
                self._observe_route(run.world.namespace, run.world.name, act, begun)
        return moved, refused

    async def _guarded(self, key: str) -> None:
        begun = self._clock.monotonic()
        try:
            if await self.reconcile(key):
                # our own writes are in the cache already: go on without waiting for their events
                self._queue.add(key)
            self._queue.forgive(key)
            self._telemetry.observe_reconcile("ok", self._clock.monotonic() - begun)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._telemetry.observe_reconcile("error", self._clock.monotonic() - begun)
            await self._fail(key, error)

    async def _fail(self, key: str, error: Exception) -> None:
        delay = self._try_later(key, error)
        log.log(
            level_of(error), "%s: %s; next try in %.2f s", policy_of(error).reason, error, delay,
            extra={"model": key}, exc_info=_unexpected(error),
        )  # fmt: skip
        if (trouble := trouble_of(error)) is not None:
            await self._tell(key, trouble)

    async def _bear(self, key: str, error: OperatorError) -> None:
        """The pass went on without an act: it is tried again by itself, and told where it is news."""
        is_news = self._refusals.begin(key, error, self._try_later(key, error, BORNE))
        if is_news and (trouble := trouble_of(error)) is not None:
            await self._tell(key, trouble)

    def _try_later(self, key: str, error: Exception, part: str = "") -> float:
        """Counted, and due after its back-off; seconds until then."""
        policy = policy_of(error)
        self._telemetry.observe_error(policy.reason)
        return self._queue.add_failed(key, policy.first_seconds, policy.limit_seconds, asked_to_wait(error), part)

    def _end_refusal(self, key: str) -> bool:
        self._queue.forgive(key, BORNE)
        return self._refusals.end(key)

    async def _tell(self, key: str, trouble: Trouble) -> None:
        """Say it in the model's status, where it stays until a pass ends well, and in an Event."""
        namespace, _, name = key.partition("/")
        try:
            world = await self._observer.observe(namespace, name)
            run = Pass.of(world)
            for act in tell_trouble(world, self._clock.now(), trouble, self._memory.get(key)):
                await self._executor.execute(run, act)
            if not _is_told(world, trouble):
                await self._executor.execute(run, Announce(trouble.reason, trouble.message, warning=True))
        except Exception as error:
            # what failed may fail again here: one model's trouble must not end the worker, and with it all others
            log.warning("the failure could not be told: %s", error, extra={"model": key}, exc_info=_unexpected(error))

    def _observe_route(self, namespace: str, name: str, act: EnsureRoute, begun: float) -> None:
        if act.urgent:
            self._telemetry.observe_rollback(self._clock.monotonic() - begun)
        if verdict := act.decision.get("verdict"):
            self._telemetry.observe_verdict(namespace, name, str(verdict))

    def _remember(self, key: str, world: World, decision: Decision) -> None:
        if world.model is None and not world.versions:
            self._memory.pop(key, None)
            self._telemetry.forget(world.namespace, world.name)
            return
        self._memory[key] = decision.memory
        phases = {version.status.phase for version in world.versions}
        self._telemetry.observe_decision(world.namespace, world.name, decision.observations, phases)


def _is_told(world: World, trouble: Trouble) -> bool:
    """Whether it stood in the status before: nobody has to hear of it again each time."""
    known = world.model.status if world.model is not None else None
    return known is not None and (known.reason, known.message) == (trouble.reason, clipped(trouble.message))


def _unexpected(error: Exception) -> Exception | None:
    """The error where its trace is worth a place in the log."""
    return None if isinstance(error, OperatorError) else error
