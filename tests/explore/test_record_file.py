"""The file of a campaign: what is in it stays, and what does not fit is refused by its number."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from movable.explore import ExploreError
from movable.explore.record_file import RecordFile

HEAD = {"campaign": "one", "code": "c", "seed": 0}


def opened(path: Path, **other: object) -> RecordFile:
    return RecordFile(path, {**HEAD, **other}, "other options", "other code")


def filled(path: Path) -> list[str]:
    file = opened(path)
    for number in range(4):
        file.add({"number": number, "text": "two words"})
    return path.read_text().splitlines()


def test_what_was_added_is_there(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    found = opened(tmp_path / "c")
    assert [one["number"] for one in found.records] == [0, 1, 2, 3] and not found.refused


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line[:-9],
        lambda line: line.replace("two", "three"),
        lambda line: line.replace('"number": 1', '"number": 7'),
        lambda line: json.dumps({"number": 1}),
        lambda line: json.dumps({"number": 1, "sum": "0" * 16}),
        lambda line: "\x00" * 40,
        lambda line: "[" * 100_000,
        lambda line: "[1]",
    ],
)
def test_a_line_that_does_not_fit_is_refused_by_its_number(spoil: object, tmp_path: Path) -> None:
    path = tmp_path / "c"
    lines = filled(path)
    lines[2] = spoil(lines[2])  # type: ignore[operator]
    path.write_text("\n".join(lines) + "\n")
    found = opened(path)
    assert [one["number"] for one in found.records] == [0, 2, 3] and found.refused == [3]
    found.add({"number": 1})
    assert [one["number"] for one in opened(path).records] == [0, 2, 3, 1]


def test_a_line_of_another_campaign_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    opened(tmp_path / "d", seed=1).add({"number": 9})
    with (tmp_path / "c").open("a") as file:
        file.write((tmp_path / "d").read_text().splitlines()[1] + "\n")
    assert opened(tmp_path / "c").refused == [6]


def test_a_file_of_another_campaign_is_refused_whole(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    with pytest.raises(ExploreError, match="other options"):
        opened(tmp_path / "c", seed=1)
    with pytest.raises(ExploreError, match="other code"):
        opened(tmp_path / "c", code="d")


@pytest.mark.parametrize("head", ["", "nothing", "[]", "{}", json.dumps({**HEAD, "seed": 3}), json.dumps({**HEAD, "sum": "0"})])
def test_a_damaged_first_line_is_refused_and_the_others_used(head: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text("\n".join([head, *filled(path)[1:]]) + "\n")
    found = opened(path)
    assert [one["number"] for one in found.records] == [0, 1, 2, 3] and found.refused == [1]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "folder", "loop"):
        with pytest.raises(ExploreError, match="is no regular file"):
            opened(tmp_path / name)


def test_cut_anywhere_only_the_last_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "c"
    filled(path)
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        found = opened(path)
        lines = whole[:size].count(b"\n") - 1 + (whole[size : size + 1] == b"\n")
        assert len(found.records) == max(0, lines) and (1 in found.refused) is (lines < 0)
        found.add({"number": 9})
        assert opened(path).records[-1]["number"] == 9


def test_a_full_disk_loses_nothing_that_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    filled(path)
    before = path.read_bytes()
    file = opened(path)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        file.add({"number": 5})
    monkeypatch.undo()
    assert path.read_bytes() == before and caught.value.filename == str(path)
    file.add({"number": 5})
    assert [one["number"] for one in opened(path).records] == [0, 1, 2, 3, 5]
