"""Programs are played with content: what a process reads is what was written there, through moves, copies and forks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from movable.mm.mm_types import VM_SHARED
from movable.mm.page import Page
from movable.mm.page_flags import PAGE_MAPPING_ANON
from movable.mm.pgtable import PTE_PRESENT, PTE_SHIFT
from movable.mm.process import Process
from movable.mm.validate import validate_vm
from movable.numa.play import Player
from movable.numa.program import Program, Step, parse_step, read_programs

DATA = Path(__file__).parent.parent / "data" / "numa"
ZEROS = bytes(4096)


class Checked(Player):
    """Writes a number of its own into every page it touches, and knows what each process must read where."""

    def __init__(self, program: Program, era: str) -> None:
        super().__init__(program, era)
        self.stamps = 0
        self.files: dict[tuple[int, int], bytes] = {}
        self.private: dict[tuple[int, int], bytes] = {}
        self.forked: set[int] = set()
        self.compared = 0

    def _do_touch(self, task: Process, step: Step) -> dict[str, Any]:
        found = super()._do_touch(task, step)
        if step.keys["w"] == "1":
            first = self._range(step)[0] // 4096
            for vpn, signo in enumerate(found["t"], first):
                if signo == 0:
                    self.expect(task, vpn)
        return found

    def stamp(self, page: Page) -> None:
        self.stamps += 1
        page.data[:] = self.stamps.to_bytes(8, "little") * 512

    def expect(self, task: Process, vpn: int) -> None:
        """Pages were stamped in order; this one is the next that is expected."""
        assert task.mm is not None
        page = self.user.vm.pages[task.mm.pgtable[vpn] >> PTE_SHIFT]
        vma = task.mm.vma_lookup(vpn)
        assert vma is not None
        content = bytes(page.data)
        if vma.flags & VM_SHARED and vma.file is not None:
            self.files[vma.file.mapping.addr, vma.pgoff + vpn - vma.start] = content
        else:
            self.private[task.pid, vpn] = content

    def check(self) -> None:
        """Every mapped readable page holds what its process wrote, or inherited, or what the file holds."""
        vm = self.user.vm
        for _, task in self._alive():
            assert task.mm is not None
            for vpn, pte in task.mm.pgtable.items():
                vma = task.mm.vma_lookup(vpn)
                assert vma is not None
                if not pte & PTE_PRESENT:
                    continue
                wanted = ZEROS
                if vma.file is not None:
                    wanted = self.files.get((vma.file.mapping.addr, vma.pgoff + vpn - vma.start), ZEROS)
                if not vma.flags & VM_SHARED:
                    wanted = self.private.get((task.pid, vpn), wanted)
                assert bytes(vm.pages[pte >> PTE_SHIFT].data) == wanted, (task, hex(vpn), vma)
                self.compared += 1

    def forget(self, step: Step) -> None:
        """A private page that is mapped no more, and whose process did not write it again, reads as its file or as zeros."""
        for _, task in self._alive():
            assert task.mm is not None
            for pid, vpn in list(self.private):
                if pid == task.pid and vpn not in task.mm.pgtable:
                    del self.private[pid, vpn]
        if step.op == "fork" and step.keys["c"] in self.tasks:
            child = self.tasks[step.keys["c"]]
            parent = self.tasks[step.who]
            if child.parent is parent and child.pid not in self.forked:  # a name that lives is not forked again
                self.forked.add(child.pid)
                inherited = {vpn: content for (pid, vpn), content in self.private.items() if pid == parent.pid}
                self.private |= {(child.pid, vpn): content for vpn, content in inherited.items()}
        self.keep_copies()

    def keep_copies(self) -> None:
        """A private page that was copied without being written (mlock does) holds from now on what its file held then."""
        for _, task in self._alive():
            assert task.mm is not None
            for vpn, pte in task.mm.pgtable.items():
                vma = task.mm.vma_lookup(vpn)
                assert vma is not None
                if vma.file is None or vma.flags & VM_SHARED or not pte & PTE_PRESENT:
                    continue
                if self.user.vm.pages[pte >> PTE_SHIFT]._mapping & PAGE_MAPPING_ANON:
                    content = self.files.get((vma.file.mapping.addr, vma.pgoff + vpn - vma.start), ZEROS)
                    self.private.setdefault((task.pid, vpn), content)


@pytest.mark.parametrize("era", ["6.1", "7.3"])
def test_content_and_books_hold_after_every_step(era: str) -> None:
    name = "programs.jsonl.gz" if era == "6.1" else "programs-7.3.jsonl.gz"
    compared = 0
    for program in list(read_programs(str(DATA / name)))[::40]:
        player = Checked(program, era)
        for step in program.steps:
            player.step(step)
            player.forget(step)
            player.check()
            validate_vm(player.user.vm)
        compared += player.compared
        validate_vm(player.user.vm)
        for name in ("P2", "P1", "P0"):
            task = player.tasks.get(name)
            if task is not None and task.mm is not None:
                task.exit()
        validate_vm(player.user.vm)
    assert compared > 3000


def played(texts: list[str], groups: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What each step of a short program answers."""
    steps = [parse_step(text) for text in texts]
    player = Player(Program(1, 0, 0, groups or {}, "root", 1, steps, {}, [], {}), "6.1")
    return [player.step(step) for step in steps]


def test_a_file_of_root_is_not_opened_by_somebody_who_gave_root_up() -> None:
    mapped = "P0 mmap r={} kind=fshared len=1 prot=rw addr=0x2{}000000 file=f0 fsize=1 ino6=0"
    answers = played([mapped.format("A", 0), "P0 setuid uid=1000", mapped.format("B", 1)])
    assert (answers[0]["ret"], answers[2]["ret"], answers[2]["e"]) == (0, -1, "EACCES")


def test_a_group_with_the_same_nodes_leaves_policies_alone() -> None:
    """The mask that the user gave to a static policy is lost in a group with other nodes, and in no other."""
    bound, asked = "P0 setpol mode=PREFERRED|STATIC mask=0x6", "P0 getpol"
    answers = played([bound, "S cs_attach g=a q=P0", asked, "S cs_attach g=b q=P0", asked], {"a": "0-2", "b": "1-2"})
    assert [answer["mask"] for answer in answers if "mask" in answer] == ["0x6", "0x6"]
    answers = played([bound, "S cs_attach g=b q=P0", asked, "S cs_attach g=a q=P0", asked], {"a": "0-2", "b": "0-1"})
    assert [answer["mask"] for answer in answers if "mask" in answer] == ["0x3", "0x7"]
