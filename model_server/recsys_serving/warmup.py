"""Before /readyz turns 200: Triton serves this very artifact and gives the golden users their golden answers."""

from recsys_api.telemetry import BAD_FALLBACKS
from recsys_serving.errors import ArtifactError
from recsys_serving.golden import GoldenAnswer, find_difference, first_k
from recsys_serving.library import Library
from recsys_serving.ranking import BrokenError, Ranker
from recsys_serving.recommending import Answer, Recommender

WARM_TIMEOUT_SECONDS = 10.0


async def warm(library: Library, ranker: Ranker, recommender: Recommender, *, top_k: int) -> int:
    """Send the golden users through the scorer; returns how many.

    Raises:
        RankingError: Triton does not answer yet; try again.
        ArtifactError: it answers, and wrongly.
    """
    digest = await ranker.artifact_digest(WARM_TIMEOUT_SECONDS)
    if digest != library.digest:
        raise ArtifactError(f"Triton serves {digest or 'no digest'}, the API {library.digest}; restart the pod")
    for golden in library.golden:
        await _check(recommender, first_k(golden, top_k))
    return len(library.golden)


async def _check(recommender: Recommender, golden: GoldenAnswer) -> None:
    seen = tuple(map(str, golden.seen))
    answer = await recommender.recommend(
        str(golden.user), max(1, len(golden.items)), seen, timeout_seconds=WARM_TIMEOUT_SECONDS
    )
    if answer.fallback_reason in BAD_FALLBACKS:
        raise BrokenError(f"golden user {golden.user!r} got {answer.fallback_reason}")
    problem = find_difference(golden, [item for item, _ in answer.items], _scores(answer), by_row=False)
    if problem:
        raise ArtifactError(f"{problem}; the API's maps and Triton's model do not belong together")


def _scores(answer: Answer) -> list[float]:
    return [score for _, score in answer.items]
