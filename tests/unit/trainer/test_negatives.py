"""Negatives are never positives, and uniform over the rest."""

from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_trainer import negatives
from recsys_trainer.negatives import NegativeSampler


def csr(positives: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    indptr = np.concatenate(([0], np.cumsum([len(each) for each in positives]))).astype(np.int64)
    return indptr, np.array([item for each in positives for item in sorted(each)], dtype=np.int32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 11), max_size=11), min_size=1, max_size=6), st.integers(0, 2**31))
def test_a_negative_is_never_a_training_positive_of_its_user(positives: list[set[int]], seed: int) -> None:
    sampler = NegativeSampler.of(*csr(positives), 12, "cpu")
    users = torch.arange(len(positives))
    drawn = sampler.draw(users, 40, torch.Generator().manual_seed(seed))
    for pairs in (negatives.GAP_PAIRS, 0):
        with mock.patch.object(negatives, "OTHER_PAIRS", 0), mock.patch.object(negatives, "GAP_PAIRS", pairs):
            searching = NegativeSampler.of(*csr(positives), 12, "cpu")
        assert searching.others is None
        assert (searching.gaps is None) == (pairs < sum(map(len, positives)))
        found = searching.draw(users, 40, torch.Generator().manual_seed(seed))
        assert torch.equal(drawn, found), "the list and both searches find the same item"
    assert int(drawn.min()) >= 0
    assert int(drawn.max()) < 12
    for user, items in enumerate(drawn.tolist()):
        assert not set(items) & positives[user]


def test_every_other_item_is_drawn_equally_often() -> None:
    sampler = NegativeSampler.of(*csr([{0, 3, 4, 9}]), 10, "cpu")
    drawn = sampler.draw(torch.tensor([0]), 60_000, torch.Generator().manual_seed(0))
    share = np.bincount(drawn[0].numpy(), minlength=10) / 60_000
    assert share[[0, 3, 4, 9]].sum() == 0
    np.testing.assert_allclose(share[[1, 2, 5, 6, 7, 8]], 1 / 6, atol=0.01)
