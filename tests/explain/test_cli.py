"""``movable explain`` as a user meets it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from movable.cli import main
from tests.explain.material import BUDDY, DUMP, EVERYTHING, VMSTAT_AFTER, VMSTAT_BEFORE


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_text_json_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "pasted.txt", "dear list,\n" + "\n".join(EVERYTHING.values()))
    assert main(["explain", file, "--json", str(tmp_path / "a.json"), "--html", str(tmp_path / "a.html")]) == 0
    out = capsys.readouterr().out
    assert "Node 0, zone Normal, order 4" in out and f"{file}:1: dear list," in out
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["schema"] == "movable.explain/1" and record["unread"][0]["line"] == 1
    documented = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text()
    assert not [name for name in record if f"`{name}`" not in documented and f"`{name}[]`" not in documented and name != "schema"]
    page = (tmp_path / "a.html").read_text()
    assert page.count("<svg") == 3 and "dear list" in page


def test_standard_input_and_json_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BUDDY.encode())))
    assert main(["explain", "--order", "3", "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["order"] == 3
    row = next(zone for zone in record["zones"] if zone["zone"] == "DMA32" and zone["order"] == 3)
    assert row["free_blocks"] == 475 and row["fragmentation_index"] == -1000


def test_two_files_are_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [written(tmp_path, "one", VMSTAT_BEFORE), written(tmp_path, "two", VMSTAT_AFTER)]
    assert main(["explain", *files]) == 0
    assert "1188 requests stalled" in capsys.readouterr().out


def test_compressed_and_other_encodings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(BUDDY.encode()))
    wide = tmp_path / "wide.txt"
    wide.write_bytes(BUDDY.encode("utf-16"))
    for file in (packed, wide):
        assert main(["explain", str(file)]) == 0
        assert "zone DMA32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"nothing of the kind\n", "nothing was recognised; looked for /proc/buddyinfo"),
        (b"", "nothing was recognised"),
        (b"\x1f\x8b\x08broken", "is damaged gzip"),
        (bytes(range(256)) * 20, "nothing was recognised"),
    ],
)
def test_bad_input_is_one_line(data: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad"
    file.write_bytes(data)
    assert main(["explain", str(file)]) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1


def test_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tmp_path / "missing")]) == 2
    assert "missing: No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["explain", "--order", "99"])
    assert main(["explain", written(tmp_path, "x", BUDDY), "--json", str(tmp_path / "no" / "where")]) == 2


def test_a_log_is_taken_by_the_trace_summary_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "summary", written(tmp_path, "dmesg.txt", DUMP), "--json", str(tmp_path / "s.json")]) == 0
    assert "Page 0x2a41c: migration failure" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["pages"][0]["pfn"] == 0x2A41C
