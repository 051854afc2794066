"""`recsys-trainer recommend`: what a person reads, what a program reads, and what a wrong request says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_trainer import cli


def golden(fitted: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((fitted / "artifact/golden.json").read_text())
    return found


def test_each_user_is_a_json_line_in_the_order_of_the_request(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = [answer for answer in golden(fitted) if not answer["seen"]][:2]
    users = [str(answer["user"]) for answer in known]
    asked = [option for user in ("nobody", *users) for option in ("--user", user)]
    assert cli.main(["recommend", "--artifact", str(fitted), *asked, "-k", "3", "--json"]) == 0
    nobody, *found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (nobody["user"], nobody["source"], nobody["fallbackReason"]) == ("nobody", "Popularity", "UnknownUser")
    assert [each["user"] for each in found] == users
    for each, answer in zip(found, known, strict=True):
        assert (each["source"], each["fallbackReason"]) == ("Model", "None")
        assert [item["id"] for item in each["items"]] == answer["items"][:3]  # type: ignore[index]


def test_a_person_reads_rank_item_and_score(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = next(answer for answer in golden(fitted) if not answer["seen"])
    assert (
        cli.main(["recommend", "--artifact", str(fitted / "artifact"), "--user", str(answer["user"]), "-k", "2"]) == 0
    )
    title, first, second = capsys.readouterr().out.splitlines()
    assert title == f"user {answer['user']}  (Model)"
    items: list[str] = answer["items"]  # type: ignore[assignment]
    assert [line.split()[:2] for line in (first, second)] == [["1", items[0]], ["2", items[1]]]


def test_what_was_seen_is_left_out_and_may_be_everything(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = next(answer for answer in golden(fitted) if answer["row"] == -1 and not answer["seen"])
    popular: list[str] = answer["items"]  # type: ignore[assignment]
    command = ["recommend", "--artifact", str(fitted), "--user", "nobody", "-k", "100"]
    seen = [option for item in popular[1:] for option in ("--seen", item)]
    assert cli.main([*command, *seen, "--json"]) == 0
    (found,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    left = [item["id"] for item in found["items"]]
    assert left[0] == popular[0]
    assert not set(left) & set(popular[1:])
    assert cli.main([*command, *seen, *(option for item in left for option in ("--seen", item))]) == 0
    assert "nothing is left that this user has not seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--user", " 7"], 64, "--user: id ' 7' has leading or trailing space; strip it"),
        (["--user", "7", "--seen", ""], 64, "--seen: id is empty; use a string of 1 to 256 bytes"),
        (["--user", "7", "-k", "0"], 64, "-k 0: is below 1; ask for at least one item"),
    ],
)
def test_a_wrong_request_is_one_line(
    fitted: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    assert cli.main(["recommend", "--artifact", str(fitted), *options]) == code
    assert capsys.readouterr().err.strip() == f"error: {words}"


def test_a_folder_without_an_artifact_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recommend", "--artifact", str(tmp_path), "--user", "7"]) == 66
    assert "name an artifact, or an output folder of fit" in capsys.readouterr().err


def test_who_reads_the_first_lines_alone_gets_no_traceback(fitted: Path) -> None:
    read, write = os.pipe()
    os.close(read)  # as `| head` does once it has seen enough
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "recsys_trainer", "recommend", "--artifact", str(fitted), "--user", "7"]
    done = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
