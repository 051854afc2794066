"""One recommendation: the model if it knows the user, or can tell from `seen`, and answers in time; else popularity; and
always which of them."""

from dataclasses import dataclass

from recsys_serving.admission import Admission, Caller
from recsys_serving.library import Item, Library
from recsys_serving.ranking import Ranker, RankingError, check_ranking


@dataclass(frozen=True)
class Answer:
    """Items and where they came from (docs/contracts.md section 6)."""

    items: list[Item]
    source: str
    fallback_reason: str


class Recommender:
    """Answers for one version; never raises because of the scorer."""

    def __init__(self, library: Library, ranker: Ranker, *, timeout_seconds: float, max_in_flight: int) -> None:
        self._library, self._ranker = library, ranker
        self._timeout_seconds, self._admission = timeout_seconds, Admission(max_in_flight)

    async def recommend(
        self,
        user: str,
        k: int,
        seen: tuple[str, ...] = (),
        *,
        timeout_seconds: float | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        """At most k items for the user without what was seen in training or is named in `seen`.

        Raises:
            CallerLeftError: the caller left, and nobody was asked for the answer any longer.
        """
        library = self._library
        row = library.user_row(user)
        extra_seen = library.item_rows(seen) if seen else []
        reason = "None"
        if row < 0:
            reason = "UnknownUser"
            if not (library.folds_in and extra_seen):
                return self._popular(row, extra_seen, k, reason)
        elif not library.has_history(row):
            return self._popular(row, extra_seen, k, "NoHistory")
        try:
            with self._admission.place(caller):
                items = await self._rank(row, extra_seen, k, timeout_seconds or self._timeout_seconds)
        except RankingError as error:
            return self._popular(row, extra_seen, k, error.fallback_reason)
        return Answer(items, "Model", reason)

    async def _rank(self, row: int, extra_seen: list[int], k: int, timeout_seconds: float) -> list[Item]:
        ranking = await self._ranker.rank(row, extra_seen, k, timeout_seconds)
        check_ranking(ranking, k, len(self._library.items))
        name = self._library.items.id
        # Seven digits are what a float32 holds.
        return [(name(at), float(f"{score:.7g}")) for at, score in zip(ranking.rows, ranking.scores, strict=True)]

    def _popular(self, row: int, extra_seen: list[int], k: int, reason: str) -> Answer:
        return Answer(self._library.popular_unseen(row, extra_seen, k), "Popularity", reason)
