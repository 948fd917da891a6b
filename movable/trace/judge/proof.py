"""Whether the lines that prove a finding can be believed: none is damaged, and each agrees with those around it.

A damaged recording must not make a driver guilty. What a line says of a page is compared with the lines about the same page before
and after it, and the times of the lines with their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from movable.mm.page_flags import PAGE_MAPPING_FLAGS
from movable.rules.stream.monitor import Violation
from movable.shown import shown
from movable.trace.read.sticky import ISOLATED_BIT

LINES_AROUND = 200
"""Lines before and after a proof in which the same page is looked for."""
LAST_LINES = 4
"""Lines of a finding, the last ones, that are looked at."""
MAX_WEIGHED = 20
"""Findings of one rule that are looked at."""
PLACE_BITS = 24
"""From this bit on a flags word says where a page lies: section, node and zone. They never change."""

TIME = re.compile(r"\s(\d+\.\d+): (\w+): ")
POINTER = re.compile(r"\b(?:page|src)=(0x[0-9a-f]+)")
FLAGS = re.compile(r"\bflags=0x([0-9a-f]+)")
CALLBACK = re.compile(r"\d: (\w+_(?:isolate|migrate|putback)): ")
ISOLATE_ANSWER = re.compile(r": (\w+_isolate_ret): .* ret=(\d+)$")
MIN_OTHERS = 3
"""Lines of the same kind from which on one that is unlike them all is taken for a damaged one."""
FRESH_MARK = re.compile(r": set_page_movable: .* flags=0x[0-9a-f]*[02468ace] .*\brefs=(\d+)")
CHANGE = re.compile(r": (set_isolated|clear_isolated): ")
REFS = re.compile(r"\b(?:page|src)=(0x[0-9a-f]+).*\brefs=(\d+)")
NONE_LEFT = re.compile(r"\b(?:page|src)=(0x[0-9a-f]+).*\brefs=0\b|\bnewpage=(0x[0-9a-f]+).*\bnrefs=0\b")
RELEASE = re.compile(r"\d: (?:folio_put_final|__folio_put|free_unref_page|free_frozen_pages): ")
PASSING = 0x700FF
"""Flags that come and go: the page lock, who waits for it, references, and the bits that mark isolated pages."""
STAYING = 0xF8FF7E
"""Flags of a page that do not go while its lock is held: all but the lock, its waiters, the place of memory, and isolation."""
TARGET = re.compile(r"\bnewpage=(0x[0-9a-f]+).*\bmapping=(0x[0-9a-f]+)")
UNLOCKED = re.compile(
    r"\bnewpage=(0x[0-9a-f]+).*\bnflags=0x[0-9a-f]*[02468ace]\b|\bpage=(0x[0-9a-f]+).*\bflags=0x[0-9a-f]*[02468ace]\b"
)
ANSWER = re.compile(r"\((\w+)\+0x\S+ <- \S+\) ret=(?!0$|0x0$)\S+$")
CALLED = {
    "V8": re.compile(r"\d: (\w+_migrate): .*\b(mode=\d+)"),
    "V7": re.compile(r"\d: (\w+_migrate): .*\b(ntype=\w+)"),
}
"""The function that is called, and what calls of it have alike, for rules about that."""
UNMARK = re.compile(r": clear_page_movable: .*\bmapping=0x([0-9a-f]+)")
MARK = re.compile(r"\bmops=(0x[0-9a-f]+)")
MOVE = re.compile(r"\bnewpage=0x[0-9a-f]+ page=(0x[0-9a-f]+)")
HEAD = re.compile(r"\s*(\S.*-\d+)\s.*?\[(\d+)\]")


def lines_of(findings: Iterable[Violation]) -> set[int]:
    """The lines that say whether findings can be believed: those that prove them, and those around them."""
    chosen = [one for one in findings if one.seqs]
    wanted = {line for one in chosen for seq in one.seqs[-LAST_LINES:] for line in (seq - 1, seq, seq + 1)}
    wanted |= {line for one in chosen for line in range(one.seqs[-1] - LINES_AROUND, one.seqs[-1] + LINES_AROUND + 1)}
    return {line for line in wanted if line > 0}


def doubts(findings: Iterable[Violation], text: dict[int, str], touched: Collection[int]) -> dict[int, str]:
    """The last lines of findings whose proof cannot be believed, and why; ``text`` are the lines of ``lines_of``."""
    chosen = [one for one in findings if one.seqs]
    found = {one.seqs[-1]: "it is damaged, or contradicts another line" for one in chosen if one.seqs[-1] in touched}
    for one in chosen:
        if one.seqs[-1] in found:
            continue
        why = next(filter(None, (look(one, text) for look, rules in LOOKS if not rules or one.rule in rules)), "")
        if why:
            found[one.seqs[-1]] = why
    return found


def _out_of_time(one: Violation, text: dict[int, str]) -> str:
    """The kernel prints lines in the order of their times."""
    last = one.seqs[-1]
    before, at = 0.0, 0
    for line in range(max(min(one.seqs) - 1, last - LINES_AROUND), last + 2):
        match = TIME.search(text.get(line, ""))
        if match is not None:
            if float(match[1]) < before:
                return f"line {line} is out of the order of time, behind line {at}"
            before, at = float(match[1]), line
    return _told_late(last, text)


def _told_late(last: int, text: dict[int, str]) -> str:
    """A line of the same task that comes behind another and is of an earlier time."""
    now = TIME.search(text.get(last, ""))
    if now is None:
        return ""
    task, time = _task(text[last]), float(now[1])
    for line in _after(last):
        match = TIME.search(text.get(line, ""))
        if match is not None and float(match[1]) < time and text[line].startswith(task):
            return f"line {line} is out of the order of time, behind line {last}"
    return ""


def _elsewhere(one: Violation, text: dict[int, str]) -> str:
    """A page stays where it is, so the upper part of its flags stays too."""
    last = one.seqs[-1]
    page, word = POINTER.search(text.get(last, "")), FLAGS.search(text.get(last, ""))
    if page is None or word is None:
        return ""
    others = {
        int(flags[1], 16) >> PLACE_BITS
        for line in range(last - LINES_AROUND, last + LINES_AROUND + 1)
        if line != last and f"={page[1]} " in text.get(line, "") and "dst=" not in text[line]
        and (flags := FLAGS.search(text[line]))
    }  # fmt: skip
    mine = int(word[1], 16) >> PLACE_BITS
    return "" if not others or mine in others else f"the flags of line {last} are of another place of memory than its page"


def _freed_for_one_line(one: Violation, text: dict[int, str]) -> str:
    """A page without a reference is free, and no task that still has it a line later saw that."""
    last = one.seqs[-1]
    found = NONE_LEFT.search(text.get(last, ""))
    if found is None or RELEASE.search(text[last]):
        return ""
    page = found[1] or found[2]
    before = _count(page, _before(last), text)
    after = _count(page, _after(last), text, _task(text[last])) or RELEASE.search(_next_about(page, last, text)[1])
    return f"page {page} has no reference in line {last}, and has some in other lines" if before and after else ""


def _other_flags(one: Violation, text: dict[int, str]) -> str:
    """Flags that a page has neither in the line before nor in the one after it, which agree."""
    last = one.seqs[-1]
    page, flags = POINTER.search(text.get(last, "")), FLAGS.search(text.get(last, ""))
    if page is None or flags is None:
        return ""
    before, after = (
        next((int(found[1], 16) for at in lines if (found := _flags_of(page[1], text.get(at, "")))), None)
        for lines in (_before(last), _after(last))
    )
    if before is None or after is None or (before ^ after) & ~PASSING or not (int(flags[1], 16) ^ before) & ~PASSING:
        return ""
    return f"page {page[1]} has flags in line {last} that it has neither before nor after"


def _flags_of(page: str, line: str) -> re.Match[str] | None:
    found = POINTER.search(line)
    return FLAGS.search(line) if found is not None and found[1] == page else None


def _fell(one: Violation, text: dict[int, str]) -> str:
    """A target that has too few references when its move is over had them before (D17), or a page in its callback right after (V1):
    somebody dropped one, or the line is wrong."""
    last = one.seqs[-1]
    found = REFS.search(text.get(last, ""))
    if found is None:
        return ""
    lines = one.seqs[-LAST_LINES - 1 : -1] if one.rule == "D17" else _after(last)
    other = _count(found[1], lines, text, _task(text[last]))
    return f"page {found[1]} has {found[2]} references in line {last}, and {other} in another" if other > int(found[2]) else ""


def _locked_a_line_later(one: Violation, text: dict[int, str]) -> str:
    """A page that comes to a callback without its lock, and has it in the next line of the task, had it."""
    last = one.seqs[-1]
    found = UNLOCKED.search(text.get(last, ""))
    if found is None:
        return ""
    page = found[1] or found[2]
    line, other = _next_about(page, last, text)
    flags = FLAGS.search(other)
    locked = flags is not None and int(flags[1], 16) & 1 and other.startswith(_task(text[last]))
    return f"page {page} has no lock in line {last}, and has it in line {line}" if locked else ""


def _lock_of_one_line(one: Violation, text: dict[int, str]) -> str:
    """A page marked or un-marked without its lock by a task that has it at the marks around, and unlocks it next."""
    last = one.seqs[-1]
    here = text.get(last, "")
    page, name = POINTER.search(here), TIME.search(here)
    if page is None or name is None:
        return ""
    task, event = _task(here), f": {name[2]}: "
    lines = (line for line in _others(last, text) if event in line and line.startswith(task))
    locks = [int(found[1], 16) & 1 for line in lines if (found := FLAGS.search(line))]
    _, following = _next_about(page[1], last, text)
    unlocked = ": folio_unlock: " in following and following.startswith(task)
    return f"line {last} alone shows no lock, of {len(locks) + 1} such lines" if unlocked and locks and all(locks) else ""


def _told_a_line_before(one: Violation, text: dict[int, str]) -> str:
    """An unlock whose isolated bit is not as the line before about the page says that the core has left it."""
    last = one.seqs[-1]
    page, flags = POINTER.search(text.get(last, "")), FLAGS.search(text.get(last, ""))
    if page is None or flags is None:
        return ""
    line = next((at for at in _before(last) if f" page={page[1]} " in text.get(at, "")), 0)
    change = CHANGE.search(text.get(line, ""))
    isolated = bool(int(flags[1], 16) >> ISOLATED_BIT & 1)
    if change is None or isolated is (change[1] == "set_isolated"):
        return ""
    return f"line {line} tells that the isolated bit of page {page[1]} was {'cleared' if isolated else 'set'}"


def _misled_for_one_line(one: Violation, text: dict[int, str]) -> str:
    """Flags that a page is marked with, and that it has no more in the next line of the task, which holds its lock."""
    last = one.seqs[-1]
    page, here = POINTER.search(text.get(last, "")), FLAGS.search(text.get(last, ""))
    if page is None or here is None:
        return ""
    line, following = _next_about(page[1], last, text)
    there = FLAGS.search(following)
    if there is None or not following.startswith(_task(text[last])) or not int(here[1], 16) & ~int(there[1], 16) & STAYING:
        return ""
    return f"page {page[1]} has flags in line {last} that it has no more in line {line}"


def _never_returned(one: Violation, text: dict[int, str]) -> str:
    """What is found inside a callback that does not return before it is called again: the line about its return is lost."""
    last = one.seqs[-1]
    line = next((at for at in reversed(one.seqs) if CALLBACK.search(text.get(at, ""))), 0)
    call = CALLBACK.search(text.get(line, ""))
    if call is None or not any(f": {call[1]}_ret: " in other for other in text.values()):
        return ""
    task = _task(text[line])
    for at in range(line + 1, last + LINES_AROUND):
        other = text.get(at, "")
        if other.startswith(task) and f": {call[1]}" in other:
            if f": {call[1]}_ret: " in other:
                return ""
            if f": {call[1]}: " in other:
                break
    return f"no line tells that the callback of line {line} returned"


def _alone_in_its_answer(one: Violation, text: dict[int, str]) -> str:
    """An answer to isolate that is neither yes nor no, of a function that answers so in no other line."""
    last = one.seqs[-1]
    here = ISOLATE_ANSWER.search(text.get(last, ""))
    if here is None:
        return ""
    found = map(ISOLATE_ANSWER.search, _others(last, text))
    others = [other[2] for other in found if other is not None and other[1] == here[1]]
    alone = len(others) >= MIN_OTHERS and all(answer in ("0", "1") for answer in others)
    return f"line {last} alone answers {here[2]}, of {len(others) + 1} such lines" if alone else ""


def _alone_in_its_references(one: Violation, text: dict[int, str]) -> str:
    """A page marked without its lock that alone is said to have another number of references than the one of a fresh page."""
    last = one.seqs[-1]
    here = FRESH_MARK.search(text.get(last, ""))
    if here is None:
        return ""
    task = _task(text[last])
    others = [found[1] for line in _others(last, text) if line.startswith(task) and (found := FRESH_MARK.search(line)) is not None]
    alone = len(others) >= MIN_OTHERS and set(others) == {"1"} and here[1] != "1"
    return f"line {last} alone marks a page with {here[1]} references, of {len(others) + 1} such lines" if alone else ""


def _untagged_elsewhere(one: Violation, text: dict[int, str]) -> str:
    """Operations with low bits set, which are those of other marks without them: where they lie is one place."""
    here = MARK.search(text.get(one.seqs[-1], ""))
    if here is None:
        return ""
    clear = f" mops={int(here[1], 16) & ~PAGE_MAPPING_FLAGS:#x} "
    line = next((at for at, other in text.items() if clear in other), 0)
    return f"line {line} marks a page with the same operations and no bit set" if line else ""


def _went_on(one: Violation, text: dict[int, str]) -> str:
    """An error that is answered to a move, after which the core goes on as with a page that has moved.

    It clears the isolated bit in the function that has asked, or is done with the page.
    """
    answer = ANSWER.search(text.get(one.seqs[-1], ""))
    calls = (MOVE.search(text.get(seq, "")) for seq in reversed(one.seqs[:-1]))
    call = next(filter(None, calls), None)
    if answer is None or call is None:
        return ""
    line, following = _next_about(call[1], one.seqs[-1], text)
    moved = f": clear_isolated: ({answer[1]}+" in following or ": migrate_folio_done: " in following
    return f"the core goes on in line {line} as with a page that has moved" if moved else ""


def _about_another(one: Violation, text: dict[int, str]) -> str:
    """A page that is asked to move, and that no line of the task tells of up to its next call: they tell of another page."""
    last = one.seqs[-1]
    here = text.get(last, "")
    page = MOVE.search(here)
    if page is None or CALLBACK.search(here) is None:
        return ""
    task, other = _task(here), 0
    for line in _after(last):
        words = text.get(line, "")
        if words.startswith(task):
            if f" page={page[1]} " in words:
                return ""
            if CALLBACK.search(words):
                break
            found = POINTER.search(words)
            other = other or (line if found is not None and f"newpage={found[1]} " not in here else 0)
    return f"line {last} moves page {page[1]}, and line {other} tells of another page in its place" if other else ""


def _alone_in_its_kind(one: Violation, text: dict[int, str]) -> str:
    """A call in another mode, or with another type of target, than the task's calls of that function before and after it, which are
    alike."""
    last = one.seqs[-1]
    pattern = CALLED[one.rule]
    here = pattern.search(text.get(last, ""))
    if here is None:
        return ""
    task, around = _task(text[last]), (_before(last), _after(last))
    sides = ((pattern.search(text[at]) for at in side if text.get(at, "").startswith(task)) for side in around)
    before, after = (next((found[2] for found in side if found is not None and found[1] == here[1]), "") for side in sides)
    alone = before == after != here[2] and before
    return f"line {last} has {here[2]}, between calls with {before}" if alone else ""


def _alone_in_its_unmarking(one: Violation, text: dict[int, str]) -> str:
    """A page of which no line before tells, un-marked by a task whose other pages all had their marks."""
    last = one.seqs[-1]
    here = UNMARK.search(text.get(last, ""))
    if here is None or len(one.seqs) > 1:
        return ""
    others = [found[1] for line in _others(last, text) if line.startswith(_task(text[last])) and (found := UNMARK.search(line))]
    alone = len(others) >= MIN_OTHERS and all(int(other, 16) > PAGE_MAPPING_FLAGS for other in others)
    return f"line {last} alone un-marks a page without a mark, of {len(others) + 1} such lines" if alone else ""


def _marked_after_all(one: Violation, text: dict[int, str]) -> str:
    """A target without its owner's mark that is unlocked with it: the line about the mark is lost, or wrong."""
    calls = (TARGET.search(text.get(seq, "")) for seq in reversed(one.seqs[-LAST_LINES - 1 :]))
    call = next(filter(None, calls), None)
    if call is None or not int(call[2], 16):
        return ""
    for line in range(one.seqs[-1], one.seqs[-1] + LINES_AROUND):
        other = text.get(line, "")
        if ": folio_unlock: " in other and f" page={call[1]} " in other:
            marked = f" mapping={call[2]} " in f"{other} "
            return f"the target {call[1]} is unlocked in line {line} with the mark of its owner" if marked else ""
    return ""


def _before(line: int) -> range:
    """The lines before one, the nearest first."""
    return range(line - 1, line - LINES_AROUND, -1)


def _others(line: int, text: dict[int, str]) -> list[str]:
    """The lines around one, without it."""
    return [text.get(at, "") for at in range(line - LINES_AROUND, line + LINES_AROUND) if at != line]


def _after(line: int) -> range:
    """The lines behind one."""
    return range(line + 1, line + LINES_AROUND)


def _next_about(page: str, line: int, text: dict[int, str]) -> tuple[int, str]:
    """The next line about a page; (0, "") for none."""
    return next(((at, text[at]) for at in _after(line) if f" page={page} " in text.get(at, "")), (0, ""))


def _task(line: str) -> str:
    """What a line begins with, up to its processor."""
    return line.partition("[")[0]


def _count(page: str, lines: Iterable[int], text: dict[int, str], task: str = "") -> int:
    """References of a page in the first of some lines that tells, and is of ``task``; 1 where none does but any task may."""
    for line in lines:
        match = REFS.search(text.get(line, ""))
        if match is not None and match[1] == page:
            return int(match[2]) if text[line].startswith(task) else 0
    return 0 if task else 1


def _stranger(one: Violation, text: dict[int, str]) -> str:
    """A task that is in one line only, between lines of another one on the same processor, is a wrong name rather than a task."""
    for line in range(max(min(one.seqs[-LAST_LINES:]), one.seqs[-1] - LINES_AROUND), one.seqs[-1] + 1):
        here, before, after = (HEAD.match(text.get(at, "")) for at in (line, line - 1, line + 1))
        if here is None or before is None or after is None or before.groups() != after.groups():
            continue
        if here[2] == before[2] and here[1] != before[1] and _lines_of(here[1], line, text) == 1:
            return f"line {line} is of {shown(here[1], 40)}, of which no other line tells"
    return ""


def _lines_of(task: str, line: int, text: dict[int, str]) -> int:
    return sum(f"{task} " in text.get(at, "") for at in range(line - LINES_AROUND, line + LINES_AROUND + 1))


LOOKS: tuple[tuple[Callable[[Violation, dict[int, str]], str], tuple[str, ...]], ...] = (
    (_out_of_time, ()),
    (_elsewhere, ()),
    (_other_flags, ()),
    (_freed_for_one_line, ()),
    (_fell, ("D17", "V1")),
    (_locked_a_line_later, ("V1", "V7", "D30")),
    (_never_returned, ("D29", "D30")),
    (_alone_in_its_answer, ("D8",)),
    (_alone_in_its_references, ("D2", "D46")),
    (_untagged_elsewhere, ("D4",)),
    (_told_a_line_before, ("V4", "V11", "V13")),
    (_misled_for_one_line, ("D7",)),
    (_went_on, ("D23", "D25", "D27", "D58")),
    (_lock_of_one_line, ("D2", "D21")),
    (_marked_after_all, ("D16",)),
    (_about_another, ()),
    (_alone_in_its_kind, ("V7", "V8")),
    (_alone_in_its_unmarking, ("D19",)),
    (_stranger, ()),
)
"""What makes a proof doubtful, and for which rules, () for all; each takes one and the lines around it, and says why, or ""."""
