"""Edge cases in words are played as a real kernel answered them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movable.cli import main

FILE = Path(__file__).parent.parent / "data" / "numa" / "edge_cases.jsonl"
LINES = FILE.read_text().splitlines()


def test_all_recorded_cases_are_equal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "replay", str(FILE)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "69 of 69 cases equal"
    assert len([line for line in out if "is not played" in line]) == 3


def test_a_wrong_answer_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = []
    for line in LINES:
        record = json.loads(line)
        record["ret"] = 5
        spoilt.append(json.dumps(record))
    source = tmp_path / "cases.jsonl"
    source.write_text("\n".join(spoilt))
    assert main(["numa", "replay", str(source)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 69 cases equal"


def test_a_case_that_asks_about_the_one_before_goes_on_with_its_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = {
        "id": 50,
        "case": "two of four pages pinned",
        "as": "root",
        "call": "move_pages",
        "args": "pid=0 count=4 pages=pinned,pinned,ok,ok nodes=1x4 flags=MOVE",
        "ret": 2,
        "status": [12345] * 4,
    }
    source = tmp_path / "cases.jsonl"
    source.write_text(json.dumps(first) + "\n" + next(line for line in LINES if '"id": 51,' in line))
    assert main(["numa", "replay", str(source)]) == 0
    assert capsys.readouterr().out == "2 of 2 cases equal\n"


@pytest.mark.parametrize(
    ("call", "args", "ret", "name"),
    [
        ("move_pages", "pid=zombie count=1 flags=MOVE", -1, "EINVAL"),
        ("move_pages", "pid=reaped count=1 flags=MOVE", -1, "ESRCH"),
        ("move_pages", "pid=none count=1 flags=MOVE", -1, "ESRCH"),
        ("move_pages", "pid=self count=1 nodes=1 flags=MOVE|MOVE_ALL", 0, ""),
        ("migrate_pages", "pid=zombie old=0 new=1", -1, "EINVAL"),
        ("migrate_pages", "pid=0 old=0 new=1 (2 pages pinned)", 2, ""),
        ("get_mempolicy", "mode=bad nodemask=NULL flags=0", -1, "EFAULT"),
        ("set_mempolicy_home_node", "policy=BIND node=1 flags=0", 0, ""),
        ("set_mempolicy_home_node", "policy=none node=1", -1, "ENOENT"),
        ("set_mempolicy_home_node", "policy=INTERLEAVE node=1", -1, "EOPNOTSUPP"),
        ("set_mempolicy_home_node", "node=7", -1, "EINVAL"),
    ],
)
def test_cases_of_other_words(
    call: str, args: str, ret: int, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "cases.jsonl"
    record = {"id": 1, "case": "one more", "as": "root", "call": call, "args": args, "ret": ret, "errno_name": name}
    source.write_text(json.dumps(record))
    assert main(["numa", "replay", str(source)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value"),
    [("call", "exit"), ("args", "pid=who count=1 flags=MOVE"), ("args", "flags=QUICK"), ("args", "nodes=1x99999999")],
)
def test_words_that_are_not_understood_are_one_line(
    key: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(LINES[1])
    record[key] = value
    source = tmp_path / "cases.jsonl"
    source.write_text(json.dumps(record))
    assert main(["numa", "replay", str(source)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_one_case_of_unknown_words_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = {**json.loads(LINES[0]), "args": "pid=who count=1"}
    source = tmp_path / "cases.jsonl"
    source.write_text("\n".join([LINES[0], json.dumps(strange), LINES[1]]))
    assert main(["numa", "replay", str(source)]) == 2
    told = capsys.readouterr()
    assert told.out == "2 of 2 cases equal\n"
    assert told.err.count("\n") == 1 and "cases.jsonl: case 1" in told.err
