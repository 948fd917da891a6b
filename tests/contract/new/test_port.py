"""What a driver has to change for another kernel, and drivers that are written for one from the start."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from movable import VM, UsageError
from movable.cli import main
from movable.contract import check
from movable.contract.museum import exhibits
from movable.contract.new.scaffold import scaffold
from movable.eras import ERAS
from movable.eras.table import differing, features, markdown, meanings
from movable.registry import find, load

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("era", ERAS)
def test_a_new_driver_is_right_in_its_era(era: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaffold(f"boxes-{era.replace('.', '-')}", tmp_path, era=era)
    package = f"boxes_{era.replace('.', '_')}"
    monkeypatch.syspath_prepend(str(tmp_path / f"boxes-{era.replace('.', '-')}" / "src"))
    report = check(find(f"{package}:{package.title().replace('_', '')}"), era=era, examples=10)
    assert report.broken == [], report.broken
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]


def driver(tmp_path: Path, era: str = "4.19") -> str:
    scaffold("boxes", tmp_path, era=era)
    return f"{tmp_path / 'boxes' / 'src' / 'boxes' / 'driver.py'}:Boxes"


def test_a_port_names_rules_and_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = driver(tmp_path)
    text = Path(target.partition(":")[0]).read_text().splitlines()
    assert main(["port", target, "--from", "4.19", "--to", "7.3"]) == 0
    out = capsys.readouterr().out
    line = next(number for number, words in enumerate(text, 1) if "def migratepage(" in words)
    assert f"V8: migratepage(mapping, newpage, page, mode) becomes migrate_page(newpage, page, mode) (line {line})" in out
    clears = [str(number) for number, words in enumerate(text, 1) if "ClearPageMovable(" in words]
    assert f"D19b: do not take the mark back: type and flag stay until the page is free (lines {', '.join(clears)})" in out
    assert "D56:" in out and "D59:" in out and "rules no longer: D4 D19 D21 D25 D28" in out and "rules new: D19b D56" in out
    assert main(["port", target, "--from", "4.19", "--to", "6.1"]) == 0
    small = capsys.readouterr().out
    assert "becomes migrate_page" in small and "D56" not in small and "D19b" not in small


def test_lines_of_bases_helpers_and_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a driver's code is: its bases in other files, the functions that it uses, and what its package has."""
    text = """
        import movable

        def unmark(page):
            movable.ClearPageMovable(page)

        def retire(page):
            unmark(page)

        def unused(page):
            movable.ClearPageMovable(page)

        class Base:
            def isolate_page(self, page, mode): return True
            def migratepage(self, mapping, newpage, page, mode): return retire(page) or 0
            def putback_page(self, page): pass
    """
    (tmp_path / "portedbase.py").write_text(dedent(text))
    (tmp_path / "ported.py").write_text("from portedbase import Base\n\nclass Mine(Base):\n    pass\n")
    for target, where in ((f"{tmp_path}/portedbase.py:Base", "line 5"), (f"{tmp_path}/ported.py:Mine", "line 5 of portedbase.py")):
        assert main(["port", target, "--from", "4.19", "--to", "7.3"]) == 0
        assert f"type and flag stay until the page is free ({where})" in capsys.readouterr().out
    assert main(["port", "zsmalloc", "--from", "4.19", "--to", "7.3"]) == 0
    assert re.search(r"do not take the mark back: .* \(line \d+ of zspage_alloc\.py\)", capsys.readouterr().out)


def test_back_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["port", driver(tmp_path, "7.3"), "--from", "7.3", "--to", "4.19"]) == 0
    out = capsys.readouterr().out
    assert "becomes migratepage(mapping" in out and "D28: MIGRATE_SYNC_NO_COPY exists" in out and "D19 D21: clear the mark" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "4.19", "--to", "4.19"], "there is nothing to change"),
        (["--from", "4.19", "--to", "5.5"], "unknown era '5.5'"),
    ],
)
def test_bad_eras(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["port", driver(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_driver_of_another_era_is_refused(tmp_path: Path) -> None:
    for number, (written, run) in enumerate((("4.19", "7.3"), ("7.3", "4.19"), ("6.1", "4.19"))):
        place = tmp_path / str(number)
        place.mkdir()
        with pytest.raises(UsageError, match=r"is written for other kernels: one of era .* calls .*; rename it and"):
            load(VM(era=run), driver(place, written))


def test_the_table_of_eras() -> None:
    said = meanings()
    assert set(differing()) <= set(said) and len(differing()) > 25
    page = (ROOT / "docs" / "eras.md").read_text()
    assert markdown() in page, "write movable.eras.table.markdown() to docs/eras.md"
    assert main(["eras"]) == 0


def test_a_balloon_device_has_no_core_in_earlier_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = tmp_path / "device.py"
    device.write_text(
        "from movable.balloon import BalloonDevInfo\n\n\nclass Device:\n    balloon_device = True\n\n"
        "    def __init__(self, vm):\n        self.info = BalloonDevInfo(vm, lambda *_: 0, owner=self)\n"
    )
    assert main(["port", f"{device}:Device", "--from", "7.3", "--to", "6.17"]) == 0
    out = capsys.readouterr().out
    assert "the device has isolate_page, migrate_page and putback_page, and keeps list, lock" in out and "(line 8)" in out


def test_two_eras_side_by_side_and_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eras", "6.17", "7.3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("| feature | what it says | 6.17 | 7.3 |") and "`balloon_core`" in out and "`sticky_mark`" not in out
    assert main(["eras", "7.3"]) == 0 and "`sticky_mark`" in capsys.readouterr().out
    assert main(["eras", "--json", "-"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "movable.eras/1" and set(record["eras"]) == set(ERAS)
    assert set(record["eras"]["7.3"]) - {"name", "kernels"} == set(record["meanings"]) == set(features())
    assert main(["eras", "6.12"]) == 2 and "a kernel 6.12 runs as 6.1" in capsys.readouterr().err


def test_exhibits_say_in_which_kernels_they_are_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    found = exhibits()
    assert all(one.era in one.eras for one in found.values())
    assert main(["museum", "--era", "7.3"]) == 0
    listed = capsys.readouterr().out
    assert "N07" in listed
    other = next(one for one in found.values() if "7.3" not in one.eras)
    assert f"\n{other.id} " not in listed
    assert main(["museum", other.id, "--era", "7.3"]) == 2
    assert "is no bug in kernels of era 7.3" in capsys.readouterr().err


def test_a_driver_that_ends_its_process_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ends.py").write_text("import os\nos._exit(0)\n")
    assert main(["port", f"{tmp_path / 'ends.py'}:Ends", "--from", "4.19", "--to", "7.3"]) == 2
    error = capsys.readouterr().err
    assert "exit status 0" in error and error.count("\n") == 1
