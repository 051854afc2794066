"""Golden answers: what the exporter computed from the exported tensors, and what serving must compute again."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from recsys_api.base import Observed
from recsys_serving.errors import ArtifactError

RELATIVE = 1e-4
ABSOLUTE = 1e-5


class GoldenAnswer(Observed):
    """One user's answer; row -1 and no scores for a user that the model does not know."""

    user: str | int
    row: int
    seen: tuple[str | int, ...] = ()
    items: tuple[str | int, ...]
    rows: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def item_ids(self) -> list[str]:
        """The expected ids as text, best first."""
        return [str(item) for item in self.items]


_ANSWERS = TypeAdapter(list[GoldenAnswer])


def read_golden(artifact: Path) -> list[GoldenAnswer]:
    """The golden answers of an artifact.

    Raises:
        ArtifactError: golden.json does not hold them.
    """
    try:
        answers = _ANSWERS.validate_json((artifact / "golden.json").read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise ArtifactError(f"golden.json: {first['loc']}: {first['msg']}; export it again") from error
    if not any(answer.row >= 0 for answer in answers):
        raise ArtifactError(f"golden.json holds {len(answers)} answers and none of a known user; export it again")
    return answers


def close(expected: float, found: float) -> bool:
    """Whether two scores agree to 1e-4 relative + 1e-5 absolute."""
    return abs(expected - found) <= ABSOLUTE + RELATIVE * abs(expected)


def find_difference(
    answer: GoldenAnswer, found: Sequence[str | int], scores: Sequence[float], *, by_row: bool
) -> str | None:
    """Why a found answer is not the golden one, or None: scores agree, and items except within ties of that size.

    `by_row` compares item rows (Triton), otherwise ids (API). Without golden scores every position must agree.
    """
    expected: Sequence[str | int] = answer.rows if by_row else answer.item_ids
    if len(found) != len(expected):
        return f"golden user {answer.user!r}: {len(found)} items, expected {len(expected)}"
    for at, (want, got) in enumerate(zip(expected, found, strict=True)):
        if answer.scores and not close(answer.scores[at], scores[at]):
            return f"golden user {answer.user!r}: score {scores[at]} at {at}, expected {answer.scores[at]}"
        if want != got and not _tied(answer.scores, expected, at, got):
            return f"golden user {answer.user!r}: item {got!r} at {at}, expected {want!r}"
    return None


def _tied(scores: Sequence[float], expected: Sequence[str | int], at: int, got: str | int) -> bool:
    if not scores:
        return False
    # An item beyond the golden list can only tie with its last place.
    own = scores[expected.index(got)] if got in expected else scores[-1]
    return close(scores[at], own)


def first_k(answer: GoldenAnswer, k: int) -> GoldenAnswer:
    """The golden answer cut to k items."""
    return answer.model_copy(update={"items": answer.items[:k], "rows": answer.rows[:k], "scores": answer.scores[:k]})
