"""Scripted answers: what two real kernels did with them, and what the machine of the era does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main
from movable.eras import ERAS
from movable.errors import UsageError
from movable.lab.answers.compare import batches, compare
from movable.lab.answers.lines import Line, read_lines
from movable.lab.answers.play import ListPlayer

DATA = Path(__file__).parents[2] / "data" / "answers"
FILES = {"6.1": DATA / "answers-6.1.jsonl.gz", "7.3": DATA / "answers-7.3.jsonl.gz"}
EVERY = 20


def records(era: str) -> Iterator[dict[str, Any]]:
    """The lines as they are in the file."""
    with gzip.open(FILES[era], "rt") as stream:
        yield from map(json.loads, stream)


def sample(era: str) -> list[Line]:
    """Every twentieth page, and every twentieth group of fewer than 500 pages whole."""
    chosen = []
    for line in read_lines(str(FILES[era])):
        if line.grp is None:
            if line.id % EVERY == 3:
                chosen.append(line)
        elif line.grp.g % EVERY == 3 and line.grp.n < 500:
            chosen.append(line)
    return chosen


@pytest.mark.parametrize("era", FILES)
def test_a_sample_is_equal(era: str) -> None:
    lines = sample(era)
    pages, differences = compare(lines)
    assert pages == len(lines) > 450 and not differences, differences[:3]
    assert {line.part for line in lines} == {"soft", "direct", "list"}


@pytest.mark.campaign
@pytest.mark.parametrize("era", FILES)
def test_every_page_is_equal(era: str) -> None:
    pages, differences = compare(read_lines(str(FILES[era])))
    assert pages > 13000 and not differences, differences[:3]


def test_one_batch_more_than_a_round_takes() -> None:
    """The groups of 700 pages reach over a batch of 512."""
    for era in FILES:
        whole = next(batch for batch in batches(read_lines(str(FILES[era]))) if len(batch) > 512)
        assert compare(whole)[1] == []


def test_another_era_differs() -> None:
    lines = [line for line in sample("7.3") if line.drv == "randops" and line.part == "soft"]
    _, differences = compare(lines, "6.17")
    released = {line.number for line in lines if line.script.rel is not None}
    assert differences and all(found.line in released for found in differences), "only pages that their owner released"
    with pytest.raises(UsageError, match=r"randops cannot run in era 6\.1: its kernel was 7\.3"):
        compare(lines, "6.1")


def test_a_wrong_recording_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(islice((line for line in records("6.1") if line["part"] == "soft"), 3))
    lines[1]["log"][-2] = ["ret", -5]
    lines[2]["end"]["refs"] = 7
    file = tmp_path / "wrong.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out.json"
    assert main(["lab", "answers", str(file), "--json", str(out)]) == 1
    text = capsys.readouterr().out.splitlines()
    assert text[-1] == "1 of 3 pages equal" and "recorded ['ret', -5]" in text[0] and "at the end" in text[1]
    record = json.loads(out.read_text())
    assert record["schema"] == "movable.answers/1" and (record["pages"], record["equal"]) == (3, 1)
    assert [found["line"] for found in record["differences"]] == [2, 3]


def broken(**changes: Any) -> str:
    """A line with other fields; None takes one away, and those of a dict replace some of its own."""
    line = next(line for line in records("6.1") if line["part"] == "direct" and line["grp"]["n"] == 4)
    for name, value in changes.items():
        if value is None:
            del line[name]
        else:
            line[name] = line[name] | value if isinstance(value, dict) else value
    return json.dumps(line) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not a page of scripted answers"),
        ("[]\n", "line 1: not a page of scripted answers"),
        (broken(drv="other"), "unknown driver 'other'; known are randmov, randops, randball"),
        (broken(part="other"), "unknown part 'other'"),
        (broken(part="list", how="kswapd"), "unknown caller 'kswapd'"),
        (broken(script=None), "line 1: no field 'script'"),
        (broken(log=[[]]), "an event without a name"),
        (broken(), "has 1 of its 4 pages; a group is played as a whole"),
        (broken() * 2, "is in line 1 already; a page has one line"),
        ("", "there is no page in the file"),
        (broken(script={"trig": 10**9}), "trig is 1000000000, and 1000 is the largest that is played"),
        (broken(script={"hold": "put"}), "unknown time of a held lock 'put'"),
        (broken(script={"rel": ["late", 1]}), "unknown time of a release 'late'"),
        (broken(grp={"calls": 10**9}), "calls is 1000000000"),
    ],
)
def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(text)
    assert main(["lab", "answers", str(file)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = tmp_path / "half.gz"
    half.write_bytes(FILES["6.1"].read_bytes()[:5000])
    for arguments, message in (
        (["no-such-file"], "no-such-file"),
        ([str(half)], "damaged"),
        ([str(FILES["6.1"]), "--era", "5.4"], "unknown era '5.4'"),
    ):
        assert main(["lab", "answers", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_callers_of_lists() -> None:
    """Ranges that are emptied by offlining and for contiguous memory ask as often as their kernels do."""
    first = next(line for line in read_lines(str(FILES["7.3"])) if line.part == "list" and line.drv == "randops")
    script = replace(first.script, iso=(), mig=(-16, -16) * 6, rel=None)
    for how, calls, ends in (("offline", 7, 1), ("alloc_contig_range", 5, 0)):
        log = [["t", 1]]
        _, (difference,) = compare([replace(first, how=how, script=script, log=log)])
        assert difference.event == 1
        player = ListPlayer(replace(first, how=how, script=script, log=log), ERAS["7.3"])
        player.play()
        seen = [event[0] for event in player.items[0].log]
        assert seen.count("mp") == calls and player.items[0].log[-1][2] == ends
