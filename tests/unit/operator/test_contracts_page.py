"""What the operator counts, and what its environment sets, stand in docs/contracts.md."""

from pathlib import Path

import pytest

from recsys_operator.adapters.connection import Connection
from recsys_operator.app import Operator
from recsys_operator.clock import SystemClock
from recsys_operator.core.lifecycle import decide
from recsys_operator.settings import PREFIX, Settings

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "contracts.md").read_text()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_it_names_every_variable_of_the_operator(field: str) -> None:
    assert f"`{PREFIX}{field.upper()}`" in PAGE


async def test_it_names_every_metric_of_the_operator() -> None:
    settings = Settings(trainer_image="trainer:1", serving_image="serving:1")
    operator = Operator(settings, Connection("http://127.0.0.1:1", True), decide, SystemClock())
    families = list(operator.telemetry.registry.collect())
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert len(names) > 10
    assert {name for name in names if name not in PAGE} == set()
