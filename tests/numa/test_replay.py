"""Every recorded program is played: each answer of the model is the one that a real kernel gave."""

from __future__ import annotations

import copy
import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from movable.cli import main
from movable.numa.program import Program, read_programs
from movable.numa.replay import replay

DATA = Path(__file__).parent.parent / "data" / "numa"
FILES = {"6.1": DATA / "programs.jsonl.gz", "7.3": DATA / "programs-7.3.jsonl.gz"}

LINES = gzip.decompress(FILES["6.1"].read_bytes()).decode().splitlines()


@pytest.fixture(scope="module")
def programs() -> list[Program]:
    return [program for _, program in zip(range(40), read_programs(str(FILES["6.1"])), strict=False)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("era", FILES)
def test_every_recorded_program_is_equal(era: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "replay", str(FILES[era]), "--era", era, "--active"]) == 0
    assert capsys.readouterr().out == "750 of 750 programs equal\n"


def test_a_kernel_that_was_not_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "replay", str(FILES["6.1"]), "--era", "7"]) == 2
    assert capsys.readouterr().err == "movable: no kernel of era '7' was recorded; known are 6.1 and 7.3\n"


def test_the_two_kernels_differ() -> None:
    """The comparison can fail: one kernel's programs are not equal on a machine that runs as the other."""
    different = [program.number for program in read_programs(str(FILES["7.3"])) if replay(program, "6.1")]
    assert len(different) > 500


@pytest.mark.parametrize("field", ["ret", "t", "status", "mode", "mask", "words", "mems", "st", "nm"])
def test_a_change_in_any_recorded_field_is_found(programs: list[Program], field: str) -> None:
    """A recording with one wrong value is not equal, and the first difference names step and field."""
    for program in programs:
        for number, record in enumerate(program.recorded):
            if field in record:
                recorded = copy.deepcopy(program.recorded)
                recorded[number][field] = spoilt(recorded[number][field])
                found = replay(replace(program, recorded=recorded), "6.1")
                assert found is not None
                assert found.step == number
                assert found.field.split()[0].rstrip(",") == field
                return
    raise AssertionError(f"no program records {field}")


def spoilt(value: object) -> object:
    if isinstance(value, dict):
        key = sorted(value)[0]
        return {**value, key: spoilt(value[key])}
    if isinstance(value, list):
        return [*value[:-1], spoilt(value[-1])] if value else [1]
    return value + 1 if isinstance(value, int) else f"{value}?"


def test_the_maps_at_the_end_are_compared(programs: list[Program]) -> None:
    program = next(program for program in programs if program.numa_maps["P0"])
    wrong = {**program.numa_maps, "P0": ["A+0 nonsense", *program.numa_maps["P0"][1:]]}
    found = replay(replace(program, numa_maps=wrong), "6.1")
    assert found is not None
    assert (found.step, found.text, found.field) == (len(program.steps), "at the end", "nm of P0")


def test_differences_are_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line, _ in zip(LINES, range(3), strict=False)]
    lines[1]["steps"][2]["ret"] = 77
    source, target = tmp_path / "programs.jsonl", tmp_path / "result.json"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["numa", "replay", str(source), "--json", str(target)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"program {lines[1]['id']}, step 2 (")
    assert out[0].endswith("ret: here 0, recorded 77")
    assert out[1] == "2 of 3 programs equal"
    record = json.loads(target.read_text())
    assert (record["era"], record["programs"], record["equal"]) == ("6.1", 3, 2)
    assert record["schema"] == "movable.numa.replay/1"
    assert record["different"][0]["field"] == "ret"


def test_json_to_standard_output_is_all_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "one.jsonl"
    source.write_text(LINES[0])
    assert main(["numa", "replay", str(source), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["programs"] == 1


LINE = LINES[0] + "\n"


@pytest.mark.parametrize(
    "line",
    [
        "not json\n",
        "[]\n",
        "1\n",
        "null\n",
        '"text"\n',
        "{}\n",
        '{"case": "x"}\n',
        '{"case": 1, "id": 1, "as": "root", "call": "mbind", "args": ""}\n',
        "[" * 100000 + "\n",
        LINE[: len(LINE) // 2],
        LINE.replace("program 1 cpu", "program one cpu"),
        LINE.replace("P0 mmap", "P9 mmap", 1),
        LINE.replace(" mmap ", " nmap ", 1),
        LINE.replace("P0 mmap r=A", "P0", 1),
        LINE.replace("P0 mmap r=A", "P0 mmap r", 1),
        LINE.replace("kind=anon", "kind=stack", 1),
        LINE.replace("len=16", "len=many", 1),
        LINE.replace(" kind=anon", "", 1),
        LINE.replace("mode=LOCAL", "mode=NEAR", 1),
        LINE.replace("mode=LOCAL", "mode=MOVE_ALL", 1),
        LINE.replace("len=16", "len=99999999", 1),
        LINE.replace("P0 mmap", "S mmap", 1),
        LINE.replace("kind=anon", "kind=fshared", 1),
        LINE.replace("start=root", "start=b", 1),
        LINE.replace("cpu=0", "cpu=7").replace("cpu=1", "cpu=7"),
        json.dumps({**json.loads(LINE), "nm": {"P0": 5}}),
        *(json.dumps({**json.loads(LINE), key: value}) for key in ("id", "head", "mems", "steps", "nm") for value in (1.5, [5])),
        json.dumps({**json.loads(LINE), "steps": [{"s": 1}]}),
    ],
)
def test_a_damaged_file_is_one_line_with_its_place(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "programs.jsonl"
    source.write_text(LINE + line)
    assert main(["numa", "replay", str(source)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert f"{source}, line 2: no recorded program" in errors[0]
    python = ("object is not", "attribute", "NoneType", "unpack", "indices", "dictionary", "'int'", "'str'")
    assert not any(word in errors[0] for word in python), errors[0]


def test_a_file_without_a_program_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "empty.jsonl"
    source.write_text("\n")
    assert main(["numa", "replay", str(source)]) == 2
    assert capsys.readouterr().err == f"movable: {source}: holds no recorded program\n"


def test_a_cut_gzip_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "cut.gz"
    source.write_bytes(FILES["6.1"].read_bytes()[:20000])
    assert main(["numa", "replay", str(source)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["numa", "replay", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
