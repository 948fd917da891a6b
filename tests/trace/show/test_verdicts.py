"""A judged trace in words, and as a page."""

from __future__ import annotations

import json
from pathlib import Path

from movable.contract.verdict import BROKEN, HELD, NOT_APPLICABLE, UNPROVEN
from movable.rules.table import RULES
from movable.trace.show.verdicts import verdicts_html, verdicts_text
from tests.trace.judge.test_conformance import check, written
from tests.trace.recordings import (
    OPS,
    Script,
)


def test_texts(tmp_path: Path) -> None:
    result = check("bad/mode_08")
    text = verdicts_text(result)
    assert "BROKEN D23" in text and "118 times" in text and "> " in text
    counts = ", ".join(f"{result.count(v)} {v}" for v in (HELD, BROKEN, "waived", NOT_APPLICABLE, UNPROVEN))
    assert text.splitlines()[-1] == f"NOT passed: {counts}"
    assert sum(result.count(v) for v in (HELD, BROKEN, NOT_APPLICABLE, UNPROVEN)) == len(RULES)
    html = verdicts_html(result)
    assert html.startswith("<!doctype html>") and "<script" not in html and "http" not in html
    assert json.loads(json.dumps(result.to_dict()))["counts"]["broken"] == 1
    assert check("a1").to_dict()["passed"] is True
    assert "passed: " in verdicts_text(check("soft"))


def test_names_in_the_page_are_escaped(tmp_path: Path) -> None:
    script = Script()
    script.task = "<script>-7"
    script.mark(5).page("set_page_movable", 6, 0, 0, 1, f"mops={OPS:#x} ")
    html = verdicts_html(written(script, tmp_path))
    assert "&lt;script&gt;" in html and "<script" not in html
