"""Id maps: what was written is found, and nothing else."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_api.idmap import IdMap, IdMapError, id_hash, write_idmap

IDS = st.text(min_size=1, max_size=40).filter(lambda text: text == text.strip() and _is_utf8(text))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(ids=st.lists(IDS, unique=True, max_size=40), others=st.lists(IDS, max_size=10), key=st.integers(0, 2**64 - 1))
def test_every_id_is_found_at_its_row_and_no_other_id_is(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], others: list[str], key: int
) -> None:
    path = tmp_path_factory.mktemp("maps") / "users.idmap"
    write_idmap(path, ids, key=key)
    with IdMap(path) as found:
        assert list(found) == ids
        assert [found.row(text) for text in ids] == list(range(len(ids)))
        assert all(found.row(text) == -1 for text in others if text not in ids)


def test_ids_of_equal_hash_are_told_apart(tmp_path: Path) -> None:
    """64 bits collide rarely, so a file is made where the neighbour of `a` has its hash and comes first."""
    write_idmap(tmp_path / "m", ["a", "bb"], key=1)
    content = bytearray((tmp_path / "m").read_bytes())
    struct.pack_into("<2Q2i", content, 64, id_hash("a", 1), id_hash("a", 1), 1, 0)
    (tmp_path / "m").write_bytes(content)
    with IdMap(tmp_path / "m") as found:
        assert found.row("a") == 0


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_sections_are_aligned_to_eight_bytes(tmp_path: Path, rows: int) -> None:
    """A memory-mapped array of 64-bit numbers must start at a multiple of eight."""
    write_idmap(tmp_path / "m", [str(row) for row in range(rows)])
    header = struct.unpack_from("<8s7Q", (tmp_path / "m").read_bytes())
    assert header[0] == b"RSIDMAP1"
    assert header[1] == rows
    assert all(offset % 8 == 0 for offset in (header[3], header[4], header[5]))


def test_file_is_the_published_one(tmp_path: Path) -> None:
    """The bytes of a small map, so that another reader can be checked against them."""
    write_idmap(tmp_path / "m", ["a", "bc"], key=1)
    content = (tmp_path / "m").read_bytes()
    order = sorted([(id_hash("a", 1), 0), (id_hash("bc", 1), 1)])
    expected = struct.pack("<8s7Q", b"RSIDMAP1", 2, 1, 64, 80, 88, 112, 115)
    expected += struct.pack("<2Q2i", order[0][0], order[1][0], order[0][1], order[1][1])
    assert content == expected + struct.pack("<3Q", 0, 1, 3) + b"abc"


@pytest.mark.parametrize("cut", [0, 10, 63, 64, 100])
def test_incomplete_file_is_refused(tmp_path: Path, cut: int) -> None:
    write_idmap(tmp_path / "m", ["a", "b", "c"])
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:cut])
    with pytest.raises(IdMapError, match="id map"):
        IdMap(tmp_path / "m")


@pytest.mark.parametrize("row", [-1, 2])
def test_row_outside_is_an_error(tmp_path: Path, row: int) -> None:
    write_idmap(tmp_path / "m", ["a", "b"])
    with IdMap(tmp_path / "m") as found, pytest.raises(IndexError, match="outside"):
        found.id(row)
