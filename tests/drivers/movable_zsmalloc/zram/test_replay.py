"""Parity: what a real 6.1 kernel's zram did, done again here; every slot, page and count must be the same."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from movable import VM, UsageError
from movable_zsmalloc import ClassRow, Zsmalloc, compact, pool
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.zram.replay import read_recording, replay
from movable_zsmalloc.zspage import ZS_ALMOST_EMPTY, ZS_ALMOST_FULL, ZS_EMPTY, SizeClass, Zspage

RECORDING = Path(__file__).parents[3] / "data" / "parity" / "parity.jsonl.gz"
MIXES = {mix["mix"]: mix for mix in read_recording(RECORDING)}
SMALL = 26


def machine() -> Zsmalloc:
    return Zsmalloc(VM(16 << 20))


@pytest.mark.parametrize("number", MIXES)
def test_pool_goes_the_way_of_the_kernel(number: int) -> None:
    mix, zs = MIXES[number], machine()
    result = replay(mix, zs)
    stat = mix["mm_stat"]
    assert result.objects == sum(1 for op in mix["ops"] if op[0] == "m") > 0
    assert result.misplaced == []
    assert result.pages == {phase: numbers["pool_pages"] for phase, numbers in stat.items()}
    assert result.live_bytes == {phase: numbers["compr_data_size"] for phase, numbers in stat.items()}
    assert result.compacted == [(mix["zs_compact_pages_freed"], mix["zs_compact_pages_freed"])]
    assert zs.zs_pool_stats() == {"pages_compacted": stat["emptied"]["pages_compacted"]}
    validate_pool(zs)
    zs.remove()


def test_all_mixes_are_there() -> None:
    assert len(MIXES) == 20
    assert sum(mix["zs_compact_pages_freed"] for mix in MIXES.values()) > 1000


def tampered(change: str) -> dict[str, Any]:
    mix: dict[str, Any] = deepcopy(MIXES[SMALL])
    ops = mix["ops"]
    at = next(index for index, op in enumerate(ops) if op[0] == "f")
    if change == "slot":
        ops[5][4] += 1
    elif change == "page":
        ops[5][3] += 1
    else:
        ops[at], ops[at + 40] = ops[at + 40], ops[at]
    return mix


@pytest.mark.parametrize("change", ["slot", "page", "order of frees"])
def test_a_difference_does_not_go_unseen(change: str) -> None:
    assert replay(tampered(change), machine()).misplaced


def always_at_the_head(self: SizeClass, zspage: Zspage) -> int:
    group = zspage.fullness = self.groups[zspage.inuse]
    self.lists[group][zspage] = None
    self.lists[group].move_to_end(zspage, last=False)
    zspage.linked = True
    return group


def sparse_first(size_class: SizeClass) -> Zspage | None:
    for group in (ZS_ALMOST_EMPTY, ZS_ALMOST_FULL, ZS_EMPTY):
        for zspage in size_class.lists[group]:
            return zspage
    return None


def quarter(self: SizeClass, vm: VM, name: str, row: ClassRow, tables: Any, form: Any, lock: Any) -> None:
    SIZE_CLASS_INIT(self, vm, name, row, tables, form, lock)
    self.groups = tuple(
        0 if n == 0 else 3 if n == row.objs else ZS_ALMOST_EMPTY if n <= row.objs // 4 else ZS_ALMOST_FULL
        for n in range(row.objs + 1)
    )


SIZE_CLASS_INIT = SizeClass.__init__
OTHER_RULES: dict[str, tuple[Any, str, Any]] = {
    "a zspage always goes to the head": (SizeClass, "insert_zspage", always_at_the_head),
    "almost empty zspages are filled first": (pool, "find_get_zspage", sparse_first),
    "almost empty ends at a quarter, as the comment says": (SizeClass, "__init__", quarter),
    "compaction fills the sparsest": (compact, "DESTINATIONS", (ZS_ALMOST_EMPTY, ZS_ALMOST_FULL)),
    "compaction empties the fullest": (compact, "SOURCES", (ZS_ALMOST_FULL, ZS_ALMOST_EMPTY)),
}


@pytest.mark.parametrize("rule", OTHER_RULES)
def test_the_recording_tells_the_rules_apart(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, other = OTHER_RULES[rule]
    monkeypatch.setattr(owner, name, other)
    assert any(replay(mix, machine()).misplaced for mix in MIXES.values())


def test_unreadable_recordings_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"ops": [], "mm_stat": {}}\nnot json\n')
    with pytest.raises(UsageError, match=r"bad\.jsonl, line 2: no mix of a recording"):
        list(read_recording(bad))
    bad.write_text('{"ops": 1, "mm_stat": {}}\n')
    with pytest.raises(UsageError, match="line 1: ops must be a list"):
        list(read_recording(bad))
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_recording(tmp_path / "missing.jsonl"))


def test_plain_and_packed_files_are_read(tmp_path: Path) -> None:
    line = json.dumps({"ops": [["phase", "fill"], ["m", 1, 10, 5, 0]], "mm_stat": {}})
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as stream:
        stream.write(line + "\n")
    for name in ("a.jsonl", "b.jsonl.gz"):
        (mix,) = read_recording(tmp_path / name)
        assert replay(mix, machine()).pages == {"start": 0, "filled": 1}


def test_unknown_operations_and_small_machines_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown operation"):
        replay({"ops": [["x", 1]], "mm_stat": {}}, machine())
    with pytest.raises(UsageError, match="too small"):
        replay({"ops": [["m", i, 4096, i, 0] for i in range(100)], "mm_stat": {}}, Zsmalloc(VM(16 << 12)))
