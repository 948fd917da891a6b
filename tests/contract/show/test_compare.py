"""Two certificates compared, and a report in a notebook."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from docs.drivers.ring import Ring
from movable.cli import main
from movable.contract import check
from movable.contract.report import to_json
from movable.contract.show.compare import compare, difference_text
from tests.drivers_for_tests import bad_drivers as bad

RING = "docs/drivers/ring.py:Ring"


def test_what_became_worse_and_better() -> None:
    good, broken = (to_json(check(driver, examples=25, interleavings=0)) for driver in (Ring, bad.Half))
    few = to_json(check(Ring, examples=1, interleavings=0))
    assert compare(good, broken)["newly broken"] == ["D15"]
    assert compare(broken, good)["mended"] == ["D15"]
    assert "D26" in compare(few, good)["newly proven"] and "D26" in compare(good, few)["no longer held"]
    assert compare(good, few)["no longer exercised"]
    assert not any(compare(good, good).values())
    assert difference_text(good, good).endswith(": no difference")
    assert "  newly broken        D15 content survives" in difference_text(good, broken).splitlines()


def test_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.json"
    arguments = ["check", RING, "--examples", "6", "--interleavings", "0"]
    assert main([*arguments, "--json", str(old)]) == 0
    record = json.loads(old.read_text())
    next(rule for rule in record["rules"] if rule["id"] == "D15")["verdict"] = "unproven"
    old.write_text(json.dumps(record))
    capsys.readouterr()
    assert main([*arguments, "--diff", str(old)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  newly proven        D15 content survives" in lines and lines[-1].startswith("passed: ")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "movable.certificate/1", "rules": [3]}', "[" * 100_000])
def test_what_is_no_certificate(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.json"
    old.write_text(content)
    assert main(["check", RING, "--examples", "1", "--diff", str(old)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "movable check --json" in captured.err


def test_a_notebook_shows_the_page() -> None:
    shown = check(Ring, examples=12, interleavings=0)._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and shown.count("<iframe") == 1
    assert "<h1>Ring: certified</h1>" in html.unescape(shown)
