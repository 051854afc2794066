"""Content keys: equal inputs give equal names, every difference another one."""

from __future__ import annotations

from pathlib import Path

from recsys_local.hashing import content_key, tree_key


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_key_is_twelve_hex_digits() -> None:
    key = content_key("a", b"b")
    assert len(key) == 12
    assert set(key) <= set("0123456789abcdef")


def test_lists_that_join_to_the_same_text_differ() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")


def test_two_checkouts_with_the_same_files_have_the_same_key(tmp_path: Path) -> None:
    files = {"src/a.py": "x = 1\n", "src/sub/b.py": "y = 2\n"}
    one, two = write(tmp_path / "one", files), write(tmp_path / "two", files)
    assert tree_key([one / "src"], one) == tree_key([two / "src"], two)


def test_content_and_name_and_mode_count(tmp_path: Path) -> None:
    root = write(tmp_path, {"src/a.sh": "true\n"})
    before = tree_key([root / "src"], root)
    (root / "src" / "a.sh").chmod(0o755)
    executable = tree_key([root / "src"], root)
    (root / "src" / "a.sh").rename(root / "src" / "b.sh")
    renamed = tree_key([root / "src"], root)
    assert len({before, executable, renamed}) == 3


def test_what_tools_leave_behind_does_not_count(tmp_path: Path) -> None:
    root = write(tmp_path, {"src/a.py": "x = 1\n"})
    before = tree_key([root / "src"], root)
    write(root, {"src/__pycache__/a.pyc": "junk", "src/.mypy_cache/z": "junk"})
    assert tree_key([root / "src"], root) == before
