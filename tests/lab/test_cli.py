"""``movable run`` from outside: output, files, exit codes, and the same bytes for the same seed."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from movable.cli import main
from movable.events import machine_note, read_events
from tests.processes import started

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "lab" / "broken.py"
SMALL = ["--memory", "16M", "--nodes", "1"]
MOVABLE = [sys.executable, "-m", "movable.cli"]


def run(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with its output in pipes."""
    env = {**os.environ, **environment}
    return subprocess.run([*MOVABLE, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Everything that a small run writes, and what it prints."""
    folder = tmp_path_factory.mktemp("full")
    done = run("run", *SMALL, "--json", "r.json", "--events", "e.jsonl", "--svg", "m.svg", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


@pytest.mark.unmeasured
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, full: tuple[Path, str]) -> None:
    """In a directory that is its own input, where the first run leaves its files, and whatever order sets have."""
    outputs = []
    (tmp_path / "data").write_bytes(BROKEN.read_bytes() * 30)
    for hash_seed in ("1", "2"):
        arguments = ["--input", ".", "--seed", "7", "--json", "r.json", "--events", "e.jsonl.gz", "--svg", "m.svg"]
        done = run("run", *SMALL, *arguments, folder=tmp_path, PYTHONHASHSEED=hash_seed)
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append((done.stdout, *((tmp_path / name).read_bytes() for name in ("r.json", "e.jsonl.gz", "m.svg"))))
    assert outputs[0] == outputs[1]


def test_another_seed_gives_another_run() -> None:
    first, second = (run("run", *SMALL, "--seed", seed).stdout for seed in ("1", "2"))
    assert first.splitlines()[5:] != second.splitlines()[5:]


def test_what_is_printed(full: tuple[Path, str]) -> None:
    out = full[1]
    for expected in (
        "machine  16 MiB, 1 node, 4096 frames, 8 pageblocks of 2 MiB, Linux 4.19, seed 0\n",
        "data     Python's standard library: ",
        "memory before compaction\n",
        "one character is 4 frames",
        "huge pages of order 9: 0 of ",
        "memory after compaction\n",
        ": done, every page moved away\n",
        ", no difference\n",
        "  retries of the migration loop  ",
        "  frames not given back          0\n",
    ):
        assert expected in out
    assert out.index("before compaction") < out.index("failed") < out.index("after compaction") < out.index("all there")


@pytest.mark.parametrize(("nodes", "index"), [("2", "node 0 0.9"), ("6", "0.9")])
def test_many_nodes_have_a_short_summary(nodes: str, index: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--memory", "48M", "--nodes", nodes]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "fragmentation index" in line]
    assert len(lines) == 1 and len(lines[0]) < 110
    assert lines[0].split("index")[1].strip().startswith(index)


@pytest.mark.parametrize("era", ["4.19", "7.3"])
def test_what_gets_in_the_way_of_compaction_is_counted(era: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In kernels of every kind pages are refused, told to try again, put back and given back on their way."""
    assert main(["run", "--memory", "32M", "--era", era]) == 0
    out = capsys.readouterr().out
    table = out[out.index("  driver      frames") :].splitlines()[1:4]
    rows = [list(map(int, line.rsplit(maxsplit=7)[1:])) for line in table]
    _, _, again, _, put_back, released, refused = (sum(column) for column in zip(*rows, strict=True))
    assert again and put_back and released and refused, out
    assert rows[1][2] and "the host of the balloon was busy" in out


def test_a_pipe_gets_no_progress_and_no_colour(full: tuple[Path, str]) -> None:
    assert "\x1b" not in full[1] and "\r" not in full[1]


def test_a_terminal_gets_progress() -> None:
    """The same command with standard error on a pseudo-terminal."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with started([*MOVABLE, "run", *SMALL], stdout=subprocess.PIPE, stderr=follower, env=env) as process:
        os.close(follower)
        shown = b""
        try:
            while piece := os.read(leader, 4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
        out = process.stdout.read() if process.stdout is not None else b""
    os.close(leader)
    assert process.returncode == 0
    assert b"filling memory" in shown and b"compacting" in shown
    assert b"\x1b" not in out and b"summary" in out


def test_the_picture_is_well_formed_and_has_a_legend(full: tuple[Path, str]) -> None:
    root = ElementTree.fromstring((full[0] / "m.svg").read_text())
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    moments = {"before compaction", "after compaction", "at the end"}
    kinds = {"zsmalloc", "balloon", "free", "huge page", "offline"}
    assert {"Legend"} | moments | kinds <= set(texts)


def test_the_events_can_be_read_back_and_agree_with_the_record(full: tuple[Path, str]) -> None:
    stat = json.loads((full[0] / "r.json").read_text())["vmstat"]
    with (full[0] / "e.jsonl").open() as stream:
        events = list(read_events(stream))
    assert events[0] == machine_note("4.19")
    assert [event.seq for event in events] == list(range(-1, len(events) - 1))
    kinds = [event.kind for event in events]
    assert kinds.count("migrated") == stat["movable_migrated"] > 0
    assert kinds.count("putback_page_done") == stat["movable_putback"]


def test_compressed_events_hold_the_same(full: tuple[Path, str], tmp_path: Path) -> None:
    done = run("run", *SMALL, "--events", "e.gz", folder=tmp_path)
    assert done.returncode == 0
    assert gzip.decompress((tmp_path / "e.gz").read_bytes()) == (full[0] / "e.jsonl").read_bytes()


def test_a_watched_run_does_the_same_as_one_that_is_not(full: tuple[Path, str]) -> None:
    assert run("run", *SMALL).stdout == full[1]


# the record


def documented() -> dict[str, str]:
    """Field and type from the table in docs/running.md."""
    table = (ROOT / "docs" / "running.md").read_text().partition("## The JSON record")[2]
    return dict(re.findall(r"^\| `([\w.\[\]]+)` \| ([\w ]+) \|", table, re.MULTILINE))


TYPES = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "integer or null": (int, type(None)),
    "object or null": (dict, type(None)),
}


def fields(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a record, and every object that may be null, by its documented name; one example for each."""
    if path in ("migrated", "vmstat"):
        return {f"{path}.{'MOMENT' if path == 'migrated' else 'COUNTER'}": item for item in value.values()}
    if path == "zones":
        return {name: leaf for item in value.values() for name, leaf in fields(item, "zones.MOMENT").items()}
    if isinstance(value, list):
        return {name: leaf for item in value for name, leaf in fields(item, f"{path}[]").items()}
    if isinstance(value, dict):
        own = {path: value} if path in ("data", "offline", "check") else {}
        return own | {name: leaf for key, item in value.items() for name, leaf in fields(item, f"{path}.{key}".strip(".")).items()}
    return {path: value}


def check_schema(record: dict[str, Any], *, missing: set[str]) -> None:
    """Every field is documented and of its type; every documented one is there but for those of ``missing``."""
    table, found = documented(), fields(record)
    assert set(found) - set(table) == set()
    assert {name for name in set(table) - set(found) if not any(name.startswith(gone) for gone in missing)} == set()
    wrong = {name: leaf for name, leaf in found.items() if type(leaf) not in TYPES[table[name]]}
    assert not wrong


def test_the_record_is_as_documented(full: tuple[Path, str]) -> None:
    record = json.loads((full[0] / "r.json").read_text())
    assert record["schema"] == "movable.run/1" and record["ok"] is True
    check_schema(record, missing={"check.lost[]", "warnings[]"})


def test_the_schema_check_can_fail(full: tuple[Path, str]) -> None:
    record = json.loads((full[0] / "r.json").read_text())
    for change in ({"surprise": 1}, {"ok": 1}, {"error": None}):
        with pytest.raises(AssertionError):
            check_schema(record | change, missing={"check.lost[]", "warnings[]"})
    del record["machine"]["seed"]
    with pytest.raises(AssertionError):
        check_schema(record, missing={"check.lost[]", "warnings[]"})


def test_json_on_standard_output_stands_alone(capsys: pytest.CaptureFixture[str], full: tuple[Path, str]) -> None:
    assert main(["run", *SMALL, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert out == (full[0] / "r.json").read_text() and err == ""


# errors


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--memory", "17M"], 2, "--memory 17M is no multiple of a pageblock (2 MiB) for each of 2 nodes; use 16M or 20M"),
        (["--memory", "2M"], 2, "too small for 2 nodes"),
        (["--memory", "lots"], 2, "is not a size"),
        (["--nodes", "0"], 2, "--nodes 0 is not possible; use 1 to 64"),
        (["--drivers", "nonesuch"], 2, "unknown driver 'nonesuch'; installed are "),
        (["--drivers", f"{BROKEN}:Nonesuch"], 2, "has no 'Nonesuch'"),
        (["--drivers", f"{BROKEN}:NotMade"], 2, "NotMade(vm) failed: RuntimeError: not today"),
        (["--input", "/nonesuch"], 2, "cannot read /nonesuch: No such file or directory"),
        ([*SMALL, "--input", "NOISE"], 2, "--memory 16M is too small for the data: 9 MiB need 9 MiB"),
        (["--json", "/nonesuch/x"], 2, "there is no directory /nonesuch"),
        ([*SMALL, "--drivers", f"zsmalloc,{BROKEN}:ReturnsNone"], 1, "pages read back and equal"),
        ([*SMALL, "--drivers", f"zsmalloc,{BROKEN}:Raises"], 1, "raised KeyError"),
        (["--memory", "32M", "--drivers", f"{BROKEN}:Corrupts,balloon"], 1, "stored data is lost: "),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "noise").write_bytes(random.Random(0).randbytes(9 << 20))
    arguments = [str(tmp_path / "noise") if argument == "NOISE" else argument for argument in arguments]
    assert main(["run", *arguments]) == code
    out, err = capsys.readouterr()
    assert err.startswith("movable: ") and err.count("\n") == 1 and message in err
    assert code == 1 or out == ""


def test_debug_shows_where_it_came_from() -> None:
    done = run("--debug", "run", *SMALL, "--drivers", f"{BROKEN}:Raises")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "broken.py" in done.stderr


def test_no_traceback_without_debug() -> None:
    done = run("run", *SMALL, "--drivers", f"{BROKEN}:Raises")
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("driver", "code"), [("Pages", 0), ("RemoveRaises", 1)])
def test_a_reader_that_leaves_costs_no_file_and_hides_no_failure(driver: str, code: int, tmp_path: Path) -> None:
    command = [*MOVABLE, "run", *SMALL, "--drivers", f"{BROKEN}:{driver}", "--json", "r.json", "--svg", "m.svg"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == code and error.count("\n") == code
    assert json.loads((tmp_path / "r.json").read_text())["ok"] is not bool(code)
    ElementTree.fromstring((tmp_path / "m.svg").read_text())


def test_a_reader_that_leaves_the_record_hides_no_failure() -> None:
    """The record is printed after the run, when the reader has long gone."""
    command = [*MOVABLE, "run", *SMALL, "--drivers", f"{BROKEN}:RemoveRaises", "--json", "-"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == 1 and "ZeroDivisionError" in error and error.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["run", *SMALL], ["drivers"]], ids=["run", "drivers"])
def test_a_full_standard_output_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*MOVABLE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "movable: standard output: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
@pytest.mark.parametrize("arguments", ["run --memory 8M --nodes 1", "run --memory 8M --nodes 1 --json -", "drivers"])
def test_a_closed_stream_is_no_error(arguments: str, closed: str) -> None:
    command = f'"{sys.executable}" -m movable.cli {arguments} {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_data_that_grows_in_the_store_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "b").write_bytes(b"x")
    done = run("run", *SMALL, "--input", ".", folder=tmp_path)
    assert "8 KiB stored in 12 KiB, 4 KiB more (50.0 %)" in done.stdout


def test_names_that_a_line_or_a_stream_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "a\nb \u00fc").write_bytes(BROKEN.read_bytes())
    done = run("run", *SMALL, "--input", "a\nb \u00fc", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].startswith("data     a\\nb \\xfc: 1 file, ")
    done = run("run", *SMALL, "--input", "no\nsuch", folder=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("movable: --input no\\nsuch: cannot read no\\nsuch: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
@pytest.mark.parametrize("option", ["--events", "--json", "--svg"])
def test_a_full_disk_is_one_line(option: str, tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    done = run("run", "--memory", "8M", "--nodes", "1", option, "full", folder=tmp_path)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
@pytest.mark.parametrize("option", ["--events", "--json", "--svg"])
def test_a_full_disk_hides_no_failure_and_costs_no_other_file(option: str, tmp_path: Path) -> None:
    targets = {"--events": "e.jsonl", "--json": "r.json", "--svg": "m.svg"} | {option: "/dev/full"}
    named = [word for pair in targets.items() for word in pair]
    done = run("run", *SMALL, "--drivers", f"zsmalloc,{BROKEN}:Raises", *named, folder=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "raised KeyError: 'no such page'" in done.stderr and "pages read back and equal" in done.stderr
    assert done.stderr.endswith(f"; {option} /dev/full: No space left on device\n")
    assert set(os.listdir(tmp_path)) == set(targets.values()) - {"/dev/full"}
    if option != "--json":
        assert json.loads((tmp_path / "r.json").read_text())["error"] == done.stderr.removeprefix("movable: ").strip()
    if option != "--events":
        assert list(read_events(io.StringIO((tmp_path / "e.jsonl").read_text())))


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
def test_a_full_standard_output_costs_no_file(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [*MOVABLE, "run", *SMALL, "--json", "r.json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "movable: standard output: No space left on device\n")
    assert json.loads((tmp_path / "r.json").read_text())["check"]["lost"] == []


@pytest.mark.parametrize("option", ["--events", "--json", "--svg"])
def test_what_is_no_file_is_written_to_and_not_replaced(option: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (tmp_path / "copy").open("wb") as copy, started(["cat", str(pipe)], stdout=copy) as reader:
        try:
            code = run("run", "--memory", "8M", "--nodes", "1", option, str(pipe)).returncode
            reader.wait(100)
        finally:
            reader.kill()  # it may wait for a writer that never comes
    assert code == 0 and (tmp_path / "copy").stat().st_size > 1000
    assert pipe.is_fifo() and sorted(os.listdir(tmp_path)) == ["copy", "pipe"]


def test_events_of_a_failed_run_are_kept(tmp_path: Path) -> None:
    done = run("run", *SMALL, "--drivers", f"{BROKEN}:Raises", "--events", "e.jsonl", "--svg", "m.svg", folder=tmp_path)
    assert done.returncode == 1
    last = list(read_events(io.StringIO((tmp_path / "e.jsonl").read_text())))[-1]
    assert last.kind in ("migratepage", "copy_page", "note") or last.pfn >= 0
    ElementTree.fromstring((tmp_path / "m.svg").read_text())


def test_a_run_that_cannot_begin_leaves_old_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("of the last run")
    done = run("run", *SMALL, "--input", "nosuch", "--events", "e.jsonl", folder=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "e.jsonl").read_text() == "of the last run" and os.listdir(tmp_path) == ["e.jsonl"]


def interrupted(folder: Path, *more: str) -> str:
    """What a run says after Ctrl-C, which comes when what it imports or runs has said that it is there."""
    env = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}:{ROOT / 'drivers'}"}
    command = [*MOVABLE, "run", *SMALL, *more]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, env=env, text=True) as process:
        assert process.stderr is not None and process.stderr.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        said: str = process.stderr.read()
    assert process.returncode == 130
    return said


def test_an_interruption_is_one_line_wherever_it_comes(tmp_path: Path) -> None:
    """While the worker is still importing, and in the middle of a run."""
    (tmp_path / "lz4.py").write_text("import sys\nimport time\n\nprint('here', file=sys.stderr, flush=True)\ntime.sleep(60)\n")
    assert interrupted(tmp_path) == "movable: interrupted\n"
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    (tmp_path / "lz4.py").unlink()
    (tmp_path / "e.jsonl").write_text("of the last run")
    command = [*MOVABLE, "run", *SMALL, "--events", "e.jsonl"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert re.fullmatch(r"movable: interrupted( while [a-z ]+)?\n", process.stderr.read().decode())
    assert process.returncode == 130
    assert (tmp_path / "e.jsonl").read_text() == "of the last run" and os.listdir(tmp_path) == ["e.jsonl"]


def test_an_interruption_says_where_it_came(tmp_path: Path) -> None:
    (tmp_path / "stops.py").write_text(STOPS)
    assert interrupted(tmp_path, "--drivers", "stops.py:Stops") == "movable: interrupted while removing the drivers\n"


STOPS = """
import sys
import time

from tests.lab.broken import Pages


class Stops(Pages):
    def remove(self):
        print("here", file=sys.stderr, flush=True)
        time.sleep(60)
"""


def test_what_is_called_like_a_part_of_an_output_is_left_alone(tmp_path: Path) -> None:
    """Files of the user, which are read as data too, and another output."""
    (tmp_path / "e.jsonl.part").write_bytes(BROKEN.read_bytes())
    (tmp_path / "r.json.part").write_text("mine")
    named = ["--json", "r.json", "--events", "e.jsonl", "--svg", "r.json.part.part"]
    done = run("run", *SMALL, "--input", ".", *named, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].startswith("data     .: 2 files, ")
    assert (tmp_path / "r.json.part").read_text() == "mine"
    assert (tmp_path / "e.jsonl.part").read_bytes() == BROKEN.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["e.jsonl", "e.jsonl.part", "r.json", "r.json.part", "r.json.part.part"]


def test_one_output_may_be_called_like_a_part_of_another(tmp_path: Path) -> None:
    done = run("run", *SMALL, "--svg", "q", "--events", "q.part", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    ElementTree.fromstring((tmp_path / "q").read_text())
    assert list(read_events(io.StringIO((tmp_path / "q.part").read_text())))
