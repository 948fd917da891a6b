"""Random bytes and random edits of lines: an answer or one line that says what is wrong, never anything else."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movable.errors import UsageError
from movable.events import to_json
from movable.trace.judge.conformance import check_source
from movable.trace.read.ftrace import Reader
from movable.trace.read.source import Source
from movable.trace.show.export import ChromeTrace, export_ftrace
from movable.trace.show.summary import summarise, summary_text
from movable.trace.show.verdicts import verdicts_html
from tests.trace.recordings import TRACES, life, read

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def consume(path: Path) -> bool:
    """Read a file in every way there is; True when it was taken for a trace."""
    try:
        with Source(str(path)) as source:
            for _ in Reader(source).events():
                pass
            summary_text(summarise(Reader(source)))
            ChromeTrace(io.StringIO()).write(Reader(source))
            for _ in export_ftrace(Reader(source).events()):
                pass
            verdicts_html(check_source(source))
    except UsageError as error:
        assert "\n" not in str(error) and str(error).startswith((str(path), "line "))
        return False
    return True


@SLOW
@given(data=st.binary(max_size=4000), lead=st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"{", b"# tracer"]))
def test_random_bytes(tmp_path: Path, data: bytes, lead: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(lead + data)
    consume(path)


@SLOW
@given(data=st.binary(min_size=1, max_size=2000), at=st.integers(0, 4000))
def test_random_bytes_inside_gzip(tmp_path: Path, data: bytes, at: int) -> None:
    path = tmp_path / "t.gz"
    packed = gzip.compress(life().text().encode() + data, mtime=0)
    path.write_bytes(packed if at % 2 else packed[:at] + data + packed[at:])
    consume(path)


@SLOW
@given(text=st.text(max_size=400), where=st.integers(0, 60), column=st.integers(0, 250), wipe=st.integers(0, 80))
def test_text_put_into_a_line(tmp_path: Path, text: str, where: int, column: int, wipe: int) -> None:
    lines = life().text().splitlines()
    line = lines[where % len(lines)]
    lines[where % len(lines)] = line[:column] + text + line[column + wipe :]
    path = tmp_path / "t"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    assert consume(path) or "\0" in text or "{" in text


@pytest.mark.parametrize("stamp", ["inf", "nan", "-inf", "1e400", "-7", "1e300", "", "12:30"])
def test_times_that_are_none(stamp: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    text = life().text()
    first, second = text.split("10.000070", 1)
    path.write_text(first + stamp + second)
    assert consume(path)


@SLOW
@given(data=st.data())
def test_edited_model_events(tmp_path: Path, data: st.DataObject) -> None:
    """Model events with fields missing, and of other types."""
    _, events = read(life().write(tmp_path, "plain.txt"))
    records = [json.loads(to_json(event)) for event in events]
    values = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just([1])
    for _ in range(data.draw(st.integers(1, 4))):
        record = data.draw(st.sampled_from(records))
        field = data.draw(st.sampled_from(sorted(record) or ["x"]))
        if data.draw(st.booleans()):
            record.pop(field, None)
        else:
            record[field] = data.draw(values)
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    consume(path)


def edited(lines: list[str], rng: random.Random) -> list[str]:
    """Random edits: lines dropped, doubled, moved, cut, glued, and characters changed."""
    lines = list(lines)
    for _ in range(rng.randint(1, 30)):
        at = rng.randrange(13, len(lines))
        what = rng.randrange(7)
        line = lines[at]
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(rng.randrange(13, len(lines)), line)
        elif what == 2:
            lines[at] = line[: rng.randrange(len(line) + 1)]
        elif what == 3:
            lines[at] = line + lines[at - 1]
        elif what == 4 and line:
            column = rng.randrange(len(line))
            lines[at] = line[:column] + chr(rng.randrange(1, 0x250)) + line[column + 1 :]
        elif what == 5:
            words = line.split(" ")
            rng.shuffle(words)
            lines[at] = " ".join(words)
        else:
            lines[at] = line.replace("0x", rng.choice(["", "-0x", "0x0x", "(null)", "9" * 40]), 1)
    return lines


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(12))
def test_random_line_edits_of_a_recording(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    name = rng.choice(["soft", "bad/mode_00", "bad/mode_14", "bad/mode_09"])
    with gzip.open(TRACES / name / "trace.txt.gz", "rt") as stream:
        lines = stream.read().splitlines()[:3000]
    path = tmp_path / "t"
    for _ in range(4):
        lines = edited(lines, rng)
        path.write_text("\n".join(lines), encoding="utf-8")
        assert consume(path)
