"""What only a trace is asked: whether it agrees with itself, and whose mark a page gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from movable.contract.verdict import HELD
from tests.trace.judge.test_conformance import written
from tests.trace.recordings import (
    MARKED,
    OPS,
    Script,
    life,
    pointer,
)


def test_a_trace_that_contradicts_itself(tmp_path: Path) -> None:
    script = life().mark(20)
    script.page("isolate_movable_page", 20, 0, OPS + 258, 1, "mode=0x8 ")
    script.add("isolate_movable_page_ret", "ret=-16", "isolate_migratepages_block+0x1/0x2 <- isolate_movable_page")
    result = written(script, tmp_path)
    assert result.holes == 1 and "page 20 has mapping" in result.notes[0] and not result.count(HELD)


def renamed(script: Script, pfn: int, ops: int) -> Script:
    """The page ``pfn`` bears another owner's mark, from its mark to the end."""
    begun = next(at for at, line in enumerate(script.lines) if f"set_page_movable: (f+0x0/0x10) page={pointer(pfn)} " in line)
    for at in range(begun, len(script.lines)):
        if f" page={pointer(pfn)} " in script.lines[at]:
            script.lines[at] = re.sub(r"mapping=0x\w{6,}", f"mapping={ops + 2:#x}", script.lines[at])
    script.lines[begun] = re.sub(r"mops=\S+", f"mops={ops:#x}", script.lines[begun])
    return script


def test_the_new_page_gets_another_drivers_mark(tmp_path: Path) -> None:
    result = written(renamed(life(), 9, OPS + 0x7000), tmp_path)
    assert result.broken == ["D16"] and not result.holes
    finding = result.verdicts["D16"].findings[0]
    assert f"{OPS + 0x7000:#x}" in finding.text and "set_page_movable" in finding.lines[-1][1]
    assert not written(renamed(life(), 9, OPS), tmp_path).broken


@pytest.mark.parametrize(("refs", "broken"), [(1, []), (2, ["D16"])])
def test_a_page_that_its_owner_gave_up_needs_no_mark_on_the_target(refs: int, broken: list[str], tmp_path: Path) -> None:
    """The unlock of the target shows whether the driver took it: with the core's reference alone it goes back unused."""
    script = Script().mark(5).isolate(5).migrate(5, 9)
    marks = [line for line in script.lines if f"set_page_movable: (f+0x0/0x10) page={pointer(9)} " in line]
    script.lines = [line for line in script.lines if line not in marks]
    at = next(index for index, line in enumerate(script.lines) if f"folio_unlock: (f+0x0/0x10) page={pointer(9)} " in line)
    script.lines[at] = script.lines[at].replace(f"mapping={MARKED:#x} refs=2", f"mapping=0x0 refs={refs}")
    assert written(script, tmp_path).broken == broken


def test_a_target_that_is_marked_already(tmp_path: Path) -> None:
    script = life()
    at = [index for index, line in enumerate(script.lines) if " set_page_movable: " in line][-1]
    script.lines[at] = script.lines[at].replace("mapping=0x0", f"mapping={MARKED:#x}")
    result = written(script, tmp_path)
    assert result.holes and not result.broken and f"has mapping {MARKED:#x}; the lines before leave it with 0x0" in result.notes[0]
    twice = life()
    again = twice.lines[at].replace("mapping=0x0", f"mapping={MARKED:#x}")
    twice.lines.insert(at + 1, again)  # no rule forbids to mark it twice
    assert not written(twice, tmp_path).holes
