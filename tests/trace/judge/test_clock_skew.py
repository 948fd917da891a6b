"""Lines out of order, by clocks that disagree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.contract.verdict import UNPROVEN
from movable.trace.judge.conformance import check_trace
from tests.trace.recordings import (
    HEADER,
    Script,
)


def two_tasks(apart: float, pfn: int = 5, begin: float = 10) -> list[str]:
    """Task 7 gives a page back on CPU 0, task 8 isolates it on CPU 1; the first lines of task 8 are printed ``apart`` too early."""
    script = Script().mark(pfn).isolate(pfn)
    start = len(script.lines)
    script.putback(pfn)
    script.task, script.cpu = "sh-8", 1
    script.isolate(pfn)
    lines = script.lines
    late = lines[start + 1 : start + 3]  # putback_ret and unlock of task 7
    early = lines[start + 3 : start + 5]  # isolate_movable_page and isolate_page of task 8
    ordered = [*lines[: start + 1], *early, *late, *lines[start + 5 :]]
    stamped = []
    for index, line in enumerate(ordered):
        stamp = begin + index * 1e-6 + (apart if index >= start + 3 else 0)
        stamped.append(re.sub(r"(\.{5} +)[\d.]+:", rf"\g<1>{stamp:.6f}:", line))
    return stamped


@pytest.mark.parametrize("where", ["f+0x0/0x10", "f+0x0/0x10 [mydrv]"])
def test_clocks_that_disagree_by_microseconds(where: str, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(HEADER + "\n".join(two_tasks(0)).replace("f+0x0/0x10", where) + "\n")
    result = check_trace(str(path))
    assert not result.broken and not result.holes
    path.write_text(HEADER + "\n".join(two_tasks(0.01)).replace("f+0x0/0x10", where) + "\n")
    assert {"V2", "V25"} & set(check_trace(str(path)).broken)


def test_a_fault_behind_many_lines_out_of_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for number in range(25) for line in two_tasks(0, 100 + number, 10 + number)]
    fault = two_tasks(0.01, 300, 50)
    path = tmp_path / "t.txt"
    path.write_text(HEADER + "\n".join(lines + fault) + "\n")
    result = check_trace(str(path))
    assert {"V2", "V25"} & set(result.broken)
    for id in set(result.broken):
        assert result.verdicts[id].times == 1 and result.verdicts[id].findings[0].pfn == 300
    monkeypatch.setattr("movable.trace.judge.conformance.MAX_SECOND_LOOKS", 21)
    result = check_trace(str(path))
    assert result.verdicts["V2"].verdict == UNPROVEN and "out of order" in result.verdicts["V2"].reason
