"""What a kernel must have done with a script, said a second time: from the facts recorded of 6.1 and 7.3 alone, without a machine.

A page is a few numbers here, and a call of migrate_pages a few loops. The machine of `movable lab answers` is compared with it on
scripts that nobody recorded. Groups are predicted for 4.19 and 6.17 too, by their sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from movable.lab.answers.lines import Event, Line

EAGAIN, ENOMEM, EBUSY = -11, -12, -16
BATCH = 512
REASONS = {"compact_memory": 0, "offline": 2, "alloc_contig_range": 6}


@dataclass
class Frame:
    """``mine`` says whether its owner has it still."""

    refs: int = 1
    locked: bool = False
    isolated: bool = False
    mine: bool = True
    poison: bool = False

    @property
    def seen(self) -> list[int]:
        return [int(self.locked), int(self.isolated), self.refs]


@dataclass
class Target:
    label: int
    frame: Frame = field(default_factory=Frame)


class Predicted:
    """One page and its script; ``log`` and ``end`` are what is predicted."""

    def __init__(self, line: Line) -> None:
        self.line, self.script, self.drv = line, line.script, line.drv
        self.sticky = line.drv != "randmov"
        self.frame = self.begun = Frame()
        self.owned = self.listed = True
        self.soon = self.owed = False
        self.asked = self.answered = self.isolations = self.migrates = self.putbacks = self.triggers = self.labels = 0
        self.log: list[Event] = []
        self.emit: Callable[[Event], None] = self.log.append

    @property
    def end(self) -> dict[str, int]:
        held = self.frame.isolated, self.frame.refs
        return {
            "owned": int(self.owned),
            "movable": 1 if self.owned else -1,
            "isolated": int(held[0]) if self.owned else -1,
            "refs": held[1] if self.owned else -1,
            "isolations": self.isolations,
            "migrates": self.migrates,
            "putbacks": self.putbacks,
        }

    def due(self, when: str, count: int) -> bool:
        return self.owned and self.script.rel == (when, count)

    def release(self, when: str, locked: bool, put: bool) -> None:
        frame = self.frame
        frame.mine = self.owned = False
        seen = [int(locked or self.drv != "randball"), int(frame.isolated), frame.refs]
        self.emit(["rel", when, *seen])
        if put:
            frame.refs -= 1
        else:
            self.owed = True

    def begin(self) -> None:
        self.triggers += 1
        self.begun, self.labels = self.frame, 0
        self.emit(["t", self.triggers])
        if self.due("pre", self.triggers):
            self.release("pre", locked=False, put=False)
        self.begun.refs += self.script.xref

    def finish(self, ret: int) -> None:
        self.begun.refs -= self.script.xref + self.owed
        self.owed = self.soon = False
        self.emit(["ret", ret])
        old, moved = self.begun, self.frame is not self.begun
        left = moved or not self.owned
        gone = left and old.refs == 0
        isolated = int(self.frame.isolated) if self.owned else -1 if gone else int(old.isolated)
        known = [1, isolated, self.frame.refs] if self.owned else [-1, isolated, -1]
        seen = old.refs if left and not gone else -1
        self.emit(["st", int(self.owned), int(moved), *known, int(gone), seen, int(old.poison and not gone)])

    def isolate(self, mode: int, more: int) -> bool:
        frame = self.begun
        if (not frame.mine and not self.sticky) or frame.locked:
            return False
        if frame.mine and self.listed:
            answers, self.asked = self.script.iso, self.asked + 1
            answer = answers[self.asked - 1] if self.asked <= len(answers) else 1
        else:
            answer = 0
        self.emit(["iso", mode, 1, 0, frame.refs + 1 + more, answer])
        if not answer:
            return False
        frame.refs += 1
        frame.isolated = True
        self.listed = self.drv == "randball"
        self.isolations += 1
        self.soon = self.due("iso", self.isolations)
        return True

    def entered(self, mode: int, reason: int, *length: int) -> None:
        self.emit(["mp", mode, reason, *length])
        if self.soon:
            self.soon = False
            self.release("iso", locked=False, put=True)

    def call(self, mode: int, target: Target, peer: Callable[[Predicted], None]) -> int:
        """The migrate callback; the result is the core's view of the answer."""
        frame, released = self.frame, not self.frame.mine
        answers, rest = self.script.mig, self.script.rest
        if not released:
            self.answered += 1
        answer = 0 if released else answers[self.answered - 1] if self.answered <= len(answers) else rest
        lost = self.drv == "randball" and (answer == -2 or answer > 0)
        more = {"randmov": [], "randops": [int(released)], "randball": [0 if lost else answer]}[self.drv]
        self.emit(["mig", mode, target.label, 1, 1, frame.refs, 1, 1, answer, *more])
        self.migrates += not released
        moved = not released and not answer
        if moved or lost:
            frame.mine, self.owned = False, moved
            frame.refs -= 1
            self.frame = target.frame if moved else frame
        peer(self)
        if moved:
            self.listed = True
        elif not released and self.due("mig", self.migrates):
            self.release("mig", locked=True, put=True)
        return 0 if lost else answer

    def done(self, keep: bool = False) -> None:
        """migrate_pages() is through with the page it had."""
        self.begun.refs -= not keep
        self.begun.poison = keep

    def put_back(self) -> None:
        frame = self.frame
        if frame.mine or self.sticky:
            self.putbacks += 1
            self.emit(["put", 1, 1, frame.refs, *([int(not frame.mine)] if self.drv == "randops" else [])])
            if frame.mine:
                self.listed = bool(self.script.relist) or self.drv == "randball"
            if self.due("put", self.putbacks):
                self.release("put", locked=True, put=True)
        frame.isolated = False
        frame.refs -= 1


class Call:
    """One call of migrate_pages(); ``run`` returns its result and the pages that are left on the list, in order."""

    def __init__(
        self, mode: int, keep: bool, new: Callable[[Predicted], Target | None], give_back: Any, peer: Any, era: str = ""
    ) -> None:
        self.mode, self.keep, self.new, self.give_back, self.peer, self.era = mode, keep, new, give_back, peer, era

    def run(self, pages: list[Predicted]) -> tuple[int, list[Predicted]]:
        if self.era == "4.19":
            return self.whole_list(pages)
        batch = self.two_parts if pages[0].sticky else self.ten_passes
        failed, left = 0, []
        for start in range(0, len(pages), BATCH):
            rc, stay = batch(pages[start : start + BATCH])
            left += stay
            if rc < 0:
                return rc, left + pages[start + BATCH :]
            failed += rc
        return failed, left

    def whole_list(self, pages: list[Predicted]) -> tuple[int, list[Predicted]]:
        """Up to 5.19: no batches, and the core puts back what failed for good."""
        failed, todo = 0, list(pages)
        for _ in range(10):
            for page in list(todo):
                rc = self.attempt_with_target(page)
                if rc == "no target":
                    return ENOMEM, todo
                if rc == EAGAIN:
                    continue
                todo.remove(page)
                if rc == ENOMEM:
                    return ENOMEM, todo
                failed += bool(rc)
        return failed + len(todo), todo

    def attempt_with_target(self, page: Predicted) -> int | str:
        frame, target = page.begun, self.new(page)
        if target is None:
            return "no target"
        if frame.refs == 1:
            frame.isolated = False
            self.give_back(page, target)
            page.done()
            return 0
        rc = self.locked_call(page, target)
        if rc:
            if rc != EAGAIN:
                page.put_back()
            self.give_back(page, target)
        return rc

    def locked_call(self, page: Predicted, target: Target) -> int:
        """The page lock, which somebody may hold, and the driver, unless the mark is gone."""
        frame, rc = page.begun, EAGAIN
        if not frame.locked:
            frame.locked = True
            rc = page.call(self.mode, target, self.peer) if frame.mine else 0
            frame.locked = False
        if rc == 0:
            frame.isolated = False
            page.done(self.keep)
        return rc

    def ten_passes(self, pages: list[Predicted]) -> tuple[int, list[Predicted]]:
        hard: list[Predicted] = []
        todo = list(pages)
        for _ in range(10):
            for page in list(todo):
                rc = self.attempt(page)
                if rc == "no target":
                    return ENOMEM, hard + todo
                if rc == EAGAIN:
                    continue
                todo.remove(page)
                if rc:
                    hard.append(page)
                if rc == ENOMEM:
                    return ENOMEM, hard + todo
        return len(hard) + len(todo), hard + todo

    def attempt(self, page: Predicted) -> int | str:
        frame = page.begun
        if frame.refs == 1:  # only the isolation's: its bit stays
            page.done(self.keep)
            return 0
        target = self.new(page)
        if target is None:
            return "no target"
        rc = self.locked_call(page, target)
        if rc:
            self.give_back(page, target)
        return rc

    def two_parts(self, pages: list[Predicted]) -> tuple[int, list[Predicted]]:
        if self.mode == 0:
            return self.part(pages, 0, 10)
        rc, todo = self.part(pages, 0, 3)
        if rc <= 0:
            return rc, todo
        left: list[Predicted] = []
        for number, page in enumerate(todo):
            rc, stay = self.part([page], self.mode, 7)
            left += stay
            if rc < 0:
                return rc, left + todo[number + 1 :]
        return len(left), left

    def part(self, pages: list[Predicted], mode: int, passes: int) -> tuple[int, list[Predicted]]:
        pairs: list[tuple[Predicted, Target]] = []
        hard: list[Predicted] = []
        todo, short = list(pages), False
        for _ in range(passes):
            for page in list(todo):
                if self.era == "6.17" and page.begun.refs == 1:
                    page.done(self.keep)
                    todo.remove(page)
                    continue
                target = self.new(page)
                short = target is None
                if target is None:
                    break
                if page.begun.locked:
                    self.give_back(page, target)
                    continue
                page.begun.locked = True
                todo.remove(page)
                pairs.append((page, target))
            if short:
                break
        for _ in range(passes):
            for page, target in list(pairs):
                rc = page.call(mode, target, self.peer)
                if rc == EAGAIN:
                    continue
                pairs.remove((page, target))
                page.begun.locked = False
                if rc:
                    hard.append(page)
                    self.give_back(page, target)
                else:
                    page.begun.isolated = False
                    page.done(self.keep)
        for page, target in pairs:
            page.begun.locked = False
            hard.append(page)
            self.give_back(page, target)
        left = hard + todo
        return ENOMEM if short else len(left), left


def predict_soft(line: Line) -> Predicted:
    page = Predicted(line)
    for _ in range(line.script.trig):
        if page.owned:
            page.begin()
            ret = _alone(page, 1, 1, 1, True) if page.isolate(8, 1) else EBUSY
            page.finish(EBUSY if ret > 0 else ret)
    return page


def _alone(page: Predicted, reason: int, calls: int, length: int, keep: bool) -> int:
    """The caller of a list with this page, of whose length nothing is told where ``length`` is 0."""
    call = Call(2, keep, lambda page: Target(1), lambda page, target: None, lambda page: None)
    ret, left = 1, [page]
    for _ in range(calls):
        if ret > 0:
            page.entered(2, reason, *[1] * length)
            ret, left = call.run([page])
            page.emit(["mpr", ret if length else min(ret, 0)])
    if left:
        page.emit(["pbl"])
        page.put_back()
    return ret


def predict_list(line: Line) -> Predicted:
    """One trigger after the other, until the page has moved or is lost, as often as the script says at most."""
    page = Predicted(line)
    calls = 5 if line.how == "alloc_contig_range" else 1
    offline = line.how == "offline"
    for _ in range(line.script.trig):
        if page.owned and page.frame is page.begun:
            page.begin()
            while True:
                if page.isolate(8, int(offline)):
                    _alone(page, REASONS[line.how], calls, 0, False)
                if not offline or not page.owned or page.frame is not page.begun:
                    break
            page.finish(0)
            page.log[-1] = page.log[-1][:6] if page.owned else ["st", 0, page.log[-1][2], -1, -1, -1]
    return page


def predict_direct(lines: list[Line], era: str = "") -> list[Predicted]:
    """A group, in order of place; ``era`` names another kernel than that of the driver."""
    pages = [Predicted(line) for line in lines]
    group = lines[0].grp
    assert group is not None
    for _ in range(group.rounds):
        _Round(pages, group, era).run()
    return pages


class _Round:
    """One round of a group."""

    def __init__(self, pages: list[Predicted], group: Any, era: str) -> None:
        self.pages, self.group, self.era = [page for page in pages if page.owned], group, era
        self.all = pages
        self.taken: list[Predicted] = []
        self.seq = self.given = 0
        for page in pages:
            page.emit = lambda event, page=page: self.number(page, event)  # type: ignore[misc]

    def number(self, page: Predicted, event: Event) -> None:
        page.log.append([*event, self.seq])
        self.seq += 1

    def run(self) -> None:
        for page in self.pages:
            self.isolate(page)
        ret, left = 0, self.taken
        call = Call(self.group.mode, False, self.new, self.give_back, self.peer, self.era)
        for _ in range(self.group.calls):
            if not left or ret < 0:
                break
            entered = left
            for page in entered:
                page.entered(self.group.mode, self.group.reason, len(entered))
            ret, left = call.run(entered)
            for page in sorted(entered, key=lambda page: page.line.id):
                page.emit(["mpr", ret])
        for page in self.taken:
            if page.script.hold == "mig":
                page.begun.locked = False
        for page in left:
            page.emit(["pbl"])
        for page in left:
            page.put_back()
        for page in self.pages:
            page.finish(ret)

    def isolate(self, page: Predicted) -> None:
        page.begin()
        page.begun.locked = page.script.hold == "iso"
        isolated = page.isolate(self.group.isomode, 0)
        page.emit(["isor", int(isolated) if page.sticky else 0 if isolated else EBUSY])
        page.begun.locked = isolated and page.script.hold == "mig"
        if isolated:
            self.taken.append(page)

    def new(self, page: Predicted) -> Target | None:
        if self.given == self.group.ntgt:
            page.emit(["new", 0])
            return None
        self.given += 1
        page.labels += 1
        page.emit(["new", page.labels])
        return Target(page.labels)

    def give_back(self, page: Predicted, target: Target) -> None:
        if self.group.putcb:
            page.emit(["tput", target.label, 0, 1])

    def peer(self, page: Predicted) -> None:
        place = self.all.index(page) + 1
        peer = self.all[place] if self.group.g % 3 == 1 and place < len(self.all) else page
        if peer is not page and peer in self.taken and peer.owned and peer.frame is peer.begun:
            page.emit(["peer", int(peer.begun.locked)])
