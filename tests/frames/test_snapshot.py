"""Files of a real machine, as they are saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from movable.cli import main
from movable.frames.snapshot import era_of
from tests.frames.test_machine import words


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("zoneinfo", "Node 0, zone Normal\n", "no zone with 'spanned'"),
        ("zoneinfo", "Node 0, zone HighMem\n spanned 512\n start_pfn: 0\n", "the model has zones"),
        ("buddyinfo", "nonsense\n", "is no line of /proc/buddyinfo"),
        ("pagetypeinfo", "nonsense\n", "does not belong in /proc/pagetypeinfo"),
        ("pagetypeinfo", "Page block order: 13\nNode 0, zone Normal, type Movable 1 2\n", "orders up to 10"),
    ],
)
def test_bad_files_are_one_line(name: str, text: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kpageflags").write_bytes(words("f" * 1024).tobytes())
    (tmp_path / "zoneinfo").write_text("Node 0, zone Normal\n spanned 1024\n start_pfn: 0\n")
    (tmp_path / name).write_text(text)
    assert main(["lab", "import", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert what in err and err.count("\n") == 1


def test_eras_by_release(tmp_path: Path) -> None:
    for text, era in (("6.1.0-56-amd64", "6.1"), ("Linux x 6.8.0-40 y", "6.1"), ("7.9", "7.3"), ("3.10.0", "4.19"), ("?", "6.1"),
                      ("6.18.3", "7.3"), ("6.0.1", "6.1"), ("6.17.0-14", "6.17"), ("5.15", "4.19")):  # fmt: skip
        (tmp_path / "uname").write_text(text)
        assert era_of(tmp_path) == era


def test_one_of_folder_and_live(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "import"]) == 2 and main(["lab", "import", "x", "--live"]) == 2
    assert capsys.readouterr().err.count("and not both") == 2
