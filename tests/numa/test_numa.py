"""Random programs of every operation: after each step the machine adds up, and every page holds what was written there."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from movable.mm.memory import mm_pages
from movable.mm.validate import validate_vm
from movable.numa.program import MODES, Program, parse_step
from tests.numa.test_play import Checked

NUMBERS = st.integers(0, 9)
WHO = st.sampled_from(["P0", "P0", "P0", "P1", "P2"])
REGION = st.sampled_from("ABCDE")
MASK = st.sampled_from(["0x1", "0x2", "0x4", "0x3", "0x5", "0x6", "0x7", "0x9", "0x0", "null"])
FLAGS = st.sampled_from(["", "|STATIC", "|RELATIVE", "|BALANCING"])
MOVES = st.sampled_from(["0", "MOVE", "MOVE_ALL", "MOVE|STRICT", "MOVE_ALL|STRICT", "STRICT"])
PID = st.sampled_from(["self", "P0", "P1", "P2"])
START = {"A": 0x20000000, "B": 0x201FD000, "C": 0x20400000, "D": 0x20600000, "E": 0x20800000}
FILE = "file=f0 fsize=8 ino6=2"
KINDS = {"A": "anon", "B": "anon", "C": "shanon ino6=1", "D": f"fshared {FILE}", "E": f"fprivate {FILE}"}


@st.composite
def steps(draw: st.DrawFn) -> str:
    """The words of one step."""
    who, region, page, count = draw(WHO), draw(REGION), draw(NUMBERS), draw(st.integers(1, 10))
    where = f"r={region} p={page} n={count}"
    mask, mode = draw(MASK), draw(st.sampled_from(sorted(MODES))) + draw(FLAGS)
    pages = ",".join(f"{region}:{draw(NUMBERS)}" for _ in range(count))
    nodes = ",".join(str(draw(st.integers(0, 2))) for _ in range(count))
    return draw(
        st.sampled_from(
            [
                f"{who} mmap r={region} kind={KINDS[region]} len=10 prot=rw addr={START[region]:#x}",
                f"{who} touch {where} w=0",
                f"{who} touch {where} w=1",
                f"{who} touch {where} w=1",
                f"{who} munmap {where}",
                f"{who} dontneed {where}",
                f"{who} mlock {where}",
                f"{who} munlock {where}",
                f"{who} mprotect {where} prot={draw(st.sampled_from(['r', 'rw', 'n']))}",
                f"{who} fork c={draw(st.sampled_from(['P1', 'P2']))}",
                f"{who} pin {where}",
                f"{who} unpin",
                f"P2 exit zombie={draw(st.integers(0, 1))}",
                f"{who} setpol mode={mode} mask={mask}",
                f"{who} mbind {where} mode={mode} mask={mask} mf={draw(MOVES)}",
                f"{who} homenode {where} node={draw(st.integers(0, 2))}",
                f"{who} movepages pid={draw(PID)} pages={pages} nodes={nodes} flags={draw(st.sampled_from(['MOVE', 'MOVE_ALL']))}",
                f"{who} migrate pid={draw(PID)} old={mask} new={draw(MASK)}",
                f"S cs_mems g=a mems={draw(st.sampled_from(['0', '1', '2', '0-1', '1-2', '0,2', '0-2']))}",
                f"S cs_attach g={draw(st.sampled_from(['a', 'root']))} q={draw(st.sampled_from(['P0', 'P1', 'P2']))}",
            ]
        )
    )


@pytest.mark.parametrize("era", ["4.19", "6.1", "6.17", "7.3"])
@given(texts=st.lists(steps(), min_size=5, max_size=30), window=st.sampled_from([1, 16]))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_programs(era: str, texts: list[str], window: int) -> None:
    begin = [f"P0 mmap r={region} kind={KINDS[region]} len=10 prot=rw addr={START[region]:#x}" for region in "ACDE"]
    made = [parse_step(text) for text in begin + texts]
    player = Checked(Program(1, 0, 0, {"a": "0-1"}, "root", window, made, {}, [], {}), era)
    for text, step in zip(begin + texts, made, strict=True):
        if text.split()[0] not in ("S", *player.tasks):  # nobody of that name was forked
            continue
        player.step(step)
        player.forget(step)
        player.check()
        validate_vm(player.user.vm)
    vm = player.user.vm
    event(f"moved {min(3, vm.vmstat['pgmigrate_success'] // 5)}x5 pages")
    assert sum(mm_pages(task.mm) for task in player.tasks.values() if task.mm is not None) <= vm.nr_frames
    for name in ("P2", "P1", "P0"):
        if name in player.tasks and player.tasks[name].mm is not None:
            player.tasks[name].exit()
    for inode in player.user.files.values():
        inode.evict()
    player.user.lru_add_drain_all()
    validate_vm(vm)
    assert {page.pfn for page in vm.pages.values() if page._refcount} == {player.user.zero_page.pfn}
