"""Negatives are never positives, and uniform over the rest."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_trainer.negatives import NegativeSampler


def csr(positives: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    indptr = np.concatenate(([0], np.cumsum([len(each) for each in positives]))).astype(np.int64)
    return indptr, np.array([item for each in positives for item in sorted(each)], dtype=np.int32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(0, 11), max_size=11), min_size=1, max_size=6), st.integers(0, 2**31))
def test_a_negative_is_never_a_training_positive_of_its_user(positives: list[set[int]], seed: int) -> None:
    sampler = NegativeSampler.of(*csr(positives), 12, "cpu")
    users = torch.arange(len(positives))
    searching = replace(sampler, touched=None)
    drawn, searched, without_table = (
        way.draw(users, 40, torch.Generator().manual_seed(seed))
        for way in (sampler, searching, replace(searching, gaps=None))
    )
    assert torch.equal(searched, without_table), "both searches find the same place"
    for way in (drawn, searched):
        assert int(way.min()) >= 0
        assert int(way.max()) < 12
        for user, items in enumerate(way.tolist()):
            assert not set(items) & positives[user]


@pytest.mark.parametrize("bits", [True, False])
def test_every_other_item_is_drawn_equally_often(bits: bool) -> None:
    sampler = NegativeSampler.of(*csr([{0, 3, 4, 9}]), 10, "cpu")
    assert sampler.touched is not None
    sampler = sampler if bits else replace(sampler, touched=None)
    drawn = sampler.draw(torch.tensor([0]), 60_000, torch.Generator().manual_seed(0))
    share = np.bincount(drawn[0].numpy(), minlength=10) / 60_000
    assert share[[0, 3, 4, 9]].sum() == 0
    np.testing.assert_allclose(share[[1, 2, 5, 6, 7, 8]], 1 / 6, atol=0.01)
