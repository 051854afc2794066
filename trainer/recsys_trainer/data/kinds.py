"""What a file is, by its name and by its first bytes, where the manifest says another format."""

from typing import Any

from recsys_trainer.errors import DataError, one_line

FORMATS = {
    "Parquet": (".parquet",),
    "CSV": (".csv", ".csv.gz"),
    "RecBole": (".inter",),
    "UserItem": (".txt", ".tsv", ".dat", ".txt.gz", ".tsv.gz", ".dat.gz"),
    "Adjacency": (".txt", ".txt.gz"),
}
"""How names end, by `data.source.format`."""
_UTF16 = ("is UTF-16", "convert it, as in: iconv -f utf-16 -t utf-8 < old > new")
_KINDS = {
    b"PAR1": ("is Parquet", "set data.source.format: Parquet"),
    b"\x1f\x8b": ("is gzip, which its name does not say", "let its name end in .gz"),
    b"PK\x03\x04": ("is a ZIP archive", "unpack it"),
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
}
"""What is wrong with a text file that begins so, and the fix."""
HEADER_BYTES = 2**16
"""Read of the first line: a file need not have a second one."""
_TYPES = (b"token", b"token_seq", b"float", b"float_seq")


def refuse_other_kinds(stream: Any, uri: str) -> None:
    """Refuse what is no text of any format, before its first line is shown as if it were one.

    Raises:
        DataError: with what it is.
    """
    begins = stream.read(max(map(len, _KINDS)))
    stream.seek(0)
    for sign, (what, fix) in _KINDS.items():
        if begins.startswith(sign):
            raise DataError.at(uri, "", what, fix)


def refuse_typed_header(stream: Any, uri: str) -> None:
    """Refuse RecBole's header in a format of plain lines, where ratings and times would become items.

    Raises:
        DataError: with the format that it is.
    """
    words = stream.readline(HEADER_BYTES).split()
    stream.seek(0)
    if words and all(word.rpartition(b":")[2] in _TYPES for word in words):
        what = f"the first line is a header of RecBole, {one_line(b' '.join(words).decode(errors='replace'), 80)!r}"
        raise DataError.at(uri, "", what, "set data.source.format: RecBole")


def format_fix(format_: str, uri: str) -> str:
    """What mends a file that is not of the format: the format that its name says, where it is one alone."""
    said = [name for name, endings in FORMATS.items() if uri.endswith(endings)]
    if len(said) == 1 and said[0] != format_:
        return f"set data.source.format: {said[0]}, as its name says, or check the file"
    return "check data.source.format and the file"
