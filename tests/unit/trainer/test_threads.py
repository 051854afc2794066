"""Pieces of work in threads of their own."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from recsys_trainer.errors import DivergedError
from recsys_trainer.evaluation import ranking
from recsys_trainer.evaluation.ranking import Pairs, Questions, survey
from recsys_trainer.evaluation.threads import in_threads

USERS, ITEMS = 40, 30


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pieces_run_beside_each_other_in_their_order_and_alone_in_their_operations() -> None:
    both = threading.Barrier(2, timeout=30)

    def work(piece: int) -> tuple[int, int]:
        if piece < 2:
            both.wait()  # ends only if another piece is under way
        return piece, torch.get_num_threads()

    assert in_threads(work, range(20), "cpu") == [(piece, 1) for piece in range(20)]
    assert torch.get_num_threads() == 2


def test_a_single_piece_has_all_threads() -> None:
    assert in_threads(lambda _: torch.get_num_threads(), range(1), "cpu") == [2]


def test_the_first_error_is_raised() -> None:
    def work(piece: int) -> None:
        raise DivergedError(f"piece {piece}")

    with pytest.raises(DivergedError, match="piece 0"):
        in_threads(work, range(4), "cpu")
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_other_devices_and_single_threads_take_turns(device: str) -> None:
    torch.set_num_threads(1 if device == "cpu" else 2)
    names = in_threads(lambda _: threading.current_thread().name, range(4), device)
    assert set(names) == {threading.current_thread().name}


def test_a_survey_is_the_same_however_many_threads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CHUNK_USERS", 3)
    monkeypatch.setattr(ranking, "CHUNK_SCORES", 3 * ITEMS)
    random = np.random.default_rng(0)
    table = torch.from_numpy(random.random((USERS, ITEMS)).astype(np.float32))
    wanted = Pairs.ordered(np.arange(USERS), random.integers(0, ITEMS, USERS))
    nobody = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    asked = Questions(np.arange(USERS), nobody, wanted, np.ones(USERS, np.int64))

    class Table:
        items = ITEMS

        def scores(self, user_B: torch.Tensor) -> torch.Tensor:
            return table[user_B]

    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(survey(asked, Table(), lists=5))
    np.testing.assert_array_equal(found[0].top_NL, found[1].top_NL)
    np.testing.assert_array_equal(found[0].ranks.greater_G, found[1].ranks.greater_G)
    np.testing.assert_array_equal(found[0].ranks.user_G, found[1].ranks.user_G)
