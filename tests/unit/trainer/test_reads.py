"""Sums over the reads of a table are those that adding read by read gives."""

import pytest
import torch

from recsys_trainer.models.reads import Reads

INDEXES = {
    "some rows": [4, 1, 4, 4, 0],
    "every row": [4, 0, 3, 2, 1, 1],
    "one read": [3],
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_sums_go_to_the_rows_that_were_read(index: list[int]) -> None:
    torch.manual_seed(0)
    index_N, values_ND = torch.tensor(index), torch.randn(len(index), 3)
    reads = Reads.of(index_N, 5)
    wanted = torch.zeros(5, 3).index_add_(0, index_N, values_ND)
    torch.testing.assert_close(reads.to_table(reads.sums(values_ND)), wanted)
    assert reads.row_K.tolist() == sorted(set(index))


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_a_place_leads_to_the_row(index: list[int]) -> None:
    table_RD = torch.randn(5, 3)
    reads = Reads.of(torch.tensor(index), 5).repeated(2)
    pairs = reads.of_table(table_RD)[reads.place_N]
    assert torch.equal(pairs, table_RD[index].repeat_interleave(2, dim=0))
    assert reads.order_N.tolist() == sorted(range(2 * len(index)), key=lambda read: index[read // 2])


def test_weights_follow_the_order_of_reads() -> None:
    reads, rows_MD = Reads.of(torch.tensor([2, 0, 2]), 4), torch.eye(3)
    found = reads.table_sums(rows_MD, reads.order_N, torch.tensor([10.0, 20.0, 30.0])[reads.order_N])
    assert found.tolist() == [[0, 20, 0], [0, 0, 0], [10, 0, 30], [0, 0, 0]]


@pytest.mark.parametrize("rows", [4, 2**15, 2**15 + 1])
def test_reads_of_a_row_stay_in_their_order_however_many_rows_there_are(rows: int) -> None:
    reads = Reads.of(torch.tensor([rows - 1, 0, 2, 0, 2, rows - 1]), rows)
    assert reads.order_N.tolist() == [1, 3, 2, 4, 0, 5]
    assert reads.start_R[[0, 1, 2, 3, rows - 1]].tolist() == [0, 2, 2, 4, 4]
