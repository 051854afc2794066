"""The page for whoever is on call knows every word that status, conditions and events can say."""

import re
from pathlib import Path
from typing import get_args

import pytest

from recsys_api.model_status import CONDITION_TYPES
from recsys_api.model_version import Phase
from recsys_operator.core import reasons
from recsys_operator.errors import AlreadyOwned, Forbidden, Invalid, policy_of

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rolling-out.md").read_text()
REASONS = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
TROUBLES = {
    policy_of(error).reason
    for error in (AlreadyOwned("", ""), Forbidden("", ""), Invalid("", ""), RuntimeError())
}  # fmt: skip


@pytest.mark.parametrize("word", sorted(REASONS | TROUBLES | set(CONDITION_TYPES)))
def test_it_says_what_a_reason_or_condition_means(word: str) -> None:
    assert re.search(rf"^\|[^|]*`{word}`[^|]*\|", PAGE, re.MULTILINE), f"no row of a table begins with `{word}`"


@pytest.mark.parametrize("phase", get_args(Phase))
def test_it_speaks_of_every_phase(phase: str) -> None:
    assert re.search(rf"\b{phase}\b", PAGE)
