"""The reader: ftrace text in, model events out, one pass, at the speed of string splitting.

A line is split at its first two ``": "`` and its fields at blanks; every token that repeats (flags, mappings, counts, page
pointers) is decoded once and looked up afterwards. What a name means is resolved at its first sight (vocabulary.py). Entries
and returns pair up by PID, as a stack, since the probed functions sleep. ``Event.seq`` is the line number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from movable.eras import ERAS
from movable.eras import era as era_called
from movable.errors import UsageError
from movable.events import Event
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.shown import shown
from movable.trace.read.call_stack import Frame, OpenCalls, Task
from movable.trace.read.columns import Layout
from movable.trace.read.era_signs import STAYS, Contradicted, Signs, ahead, contradicted, heading, later, sign, unknown_era
from movable.trace.read.model_file import FOLLOWS, ModelEvents
from movable.trace.read.numbers import Damaged, Fault, events_in
from movable.trace.read.source import RECORD_HINT, Source, first_blocks
from movable.trace.read.sticky import translated
from movable.trace.read.values import Values
from movable.trace.read.vocabulary import (
    ABOUT_PAGES,
    ASKERS,
    CALL,
    CALLER,
    CALLER_RETURN,
    ENDS,
    FLAG_LAYOUTS,
    FREE,
    LAYOUT_BY_ISOLATED_BIT,
    NEEDED,
    PLAIN,
    RETURN,
    UNLOCK,
    UNSEEN,
    find_base,
    meaning,
    raw_bits,
)

NAMES_LIMIT = 4096
"""Names of events, and tasks, kept."""
UNLOCKS_AFTER = 2
"""Unlocks that belong to a callback which has just returned: the page's and its target's."""
LATEST_TIME = 2e19
"""No clock of a trace shows a later time, in seconds or in ticks."""
COMM_LENGTH = 15
"""Characters of a task's name, at most."""
UNREAD_CALL = -2
"""The page of an open call whose line was damaged."""
JOINED = "it holds the beginning of another line"
MAX_BYTES_WITHOUT_EVENTS = 1 << 20
"""Bytes in a row without a trace line before the input is refused."""
HOPELESS_LINES = 2000
"""Lines in a row without one trace line before the input is refused."""

HEAD = re.compile(r"(.*?)-(\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[(\d+)\]?$")
ODD_LINE = re.compile(r"(.*?-\d+\s+(?:\(\s*[-\d]+\)\s+)?\[\d+\].*?\s[\d.]+): (\w+):(.*)")
FILLED = re.compile(r"# entries-in-buffer/entries-written: (\d+)/(\d+)")
LOST = re.compile(r"LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|EVENTS DROPPED")
OWN_HEADER = re.compile(r"# movable: (.*=.*)")
LATEST_ERA = list(ERAS)[-1]
"""Which era a kernel whose marks stay is taken for, where nothing says more."""

_new = tuple.__new__
_EMPTY: dict[str, Any] = {}


class Reader(Values):
    """Reads one trace; ``events()`` yields what happened.

    ``source`` gives the lines. ``era`` is the kernel's; where None, the trace itself says (its heading, its lines, or the bit that
    an isolation sets), and one that says nothing is refused. ``vmemmap_base`` is the address of the page array; where None it is
    worked out. Without ``every_unlock`` only unlocks in and right after calls are shown, which is all that the rules look at. While
    the events are read, ``line`` and ``text`` are the present line, ``caller`` says who isolates, ``stamp`` when. Afterwards
    ``seen`` counts trace events by name, ``lost`` and ``missed`` what the recording lost, ``damaged`` the lines that could not be
    read (``refused``: the first of them, and why), ``faults`` the values that a probe could not read, ``touched`` the lines of
    both, which are no evidence;
    ``bit_era`` which era the bit of isolated pages tells, if any was seen; ``assumed``: the later of two whose lines are the same.
    """

    def __init__(
        self, source: Source, *, era: str | None = None, vmemmap_base: int | None = None, every_unlock: bool = True
    ) -> None:
        if era is not None:
            era_called(era)
        super().__init__(era or "6.1", vmemmap_base)
        self.source = source
        self.every_unlock = every_unlock
        self.given = self.layout_known = era is not None
        self.bit_era, self.assumed = "", False
        self.signs = Signs()
        self.marks_stay: bool | None = None
        self.drivers: dict[int, str] = {}
        self.header: dict[str, str] = {}
        self.lost = self.missed = self.orphans = 0
        self.trace_lines = self.odd = 0
        self.unended = False
        self.text = ""
        self.caller = ""
        self.is_model = False
        self._layouts: dict[str, Layout | None] = {}
        self._tasks: dict[str, Task] = {}
        self._by_pid: dict[str, Task] = {}
        self._returning: set[str] = set()
        self.open_calls = OpenCalls()
        self.model_events = ModelEvents(self)

    def again(self) -> Reader:
        """A fresh reader of the same trace that knows what this one has found out about the kernel."""
        era = self.layout if self.layout_known else None
        fresh = Reader(self.source, era=era, vmemmap_base=None if self.base < 0 else self.base)
        fresh.base_from = self.base_from
        return fresh

    @property
    def simulated(self) -> bool:
        """Whether these are the events of a simulation: exact, whole, and without times."""
        return self.is_model and not self.model_events.of_trace

    @property
    def _time_word(self) -> str:
        """The time of the present line, as it is written there."""
        head = self.text.partition(": ")[0]
        odd = None if HEAD.match(head[: head.rfind("]") + 1]) else ODD_LINE.match(self.text)
        return (head if odd is None else odd[1]).rpartition(" ")[2]

    @property
    def timed(self) -> bool:
        """Whether ``stamp`` is in seconds: not in a simulation, nor where the clock of the trace counts ticks."""
        return isinstance(self.model_events.at, float) if self.is_model else "." in self._time_word

    @property
    def stamp(self) -> float:
        """The time of the present line, in seconds or ticks; the number of the line where there is none."""
        try:
            at = self.model_events.at
            stamp = float(self._time_word) if not self.is_model else self.line if at is None else at
        except ValueError:
            return self.line
        return stamp if 0 <= stamp < LATEST_TIME else 0.0  # neither inf nor nan, whatever the text says

    @property
    def seen(self) -> dict[str, int]:
        """How often each trace event that means something was read, by name."""
        return self.model_events.seen or {name: layout.count for name, layout in self._layouts.items() if layout is not None}

    @property
    def layouts(self) -> list[Layout]:
        """Of each trace event that means something and was read, which fields its lines have."""
        return [layout for layout in self._layouts.values() if layout is not None and layout.count]

    @property
    def bits_known(self) -> bool:
        """Whether the layout of the flag bits is more than a guess: told, or shown by an isolation."""
        return self.layout_known or self.header.get("era") in FLAG_LAYOUTS

    @property
    def unpaired(self) -> int:
        """Calls that never returned although returns of their function are recorded, and returns without a call."""
        return self.orphans + sum(self._unpaired(task) for task in self._by_pid.values())

    def _unpaired(self, task: Task) -> int:
        return sum(number for call, number in task.unpaired.items() if call in self._returning)

    @property
    def holes(self) -> int:
        """How many events are known to be missing."""
        return self.lost + self.missed + self.unpaired + self.unreadable + self.faults

    @property
    def unreadable(self) -> int:
        """Lines that could not be read, but for a last one that was cut short: that is no hole, only an end."""
        return self.damaged - (1 if self.damaged_at and self.damaged_at == self.line else 0)

    def count_lost(self, what: str, number: int) -> None:
        """Count what the note at the end of an export says was lost."""
        name = "orphans" if what == "unpaired" else what
        setattr(self, name, getattr(self, name) + number)

    def cut_short(self) -> None:
        """The end of an export is missing, and what it says was lost."""
        self.unended = True
        self.lost += 1

    def events(self) -> Iterator[Event]:
        """The events of the trace, in the order of its lines. Raises UsageError for input that is no trace."""
        blocks = self.source.blocks()
        first, start = first_blocks(blocks)
        self.is_model = start.startswith("{")
        if self.base < 0:
            self.base, self.base_from = find_base(chain.from_iterable(first))
        if not self.is_model and not self.given:
            first, self.layout = ahead(self.again(), first, blocks)
        read = self.model_events.block if self.is_model else self.block
        barren = 0
        whole = chain(first, blocks)
        looks = later(self.source.name, self.layout) if self.given else None
        for block in whole if self.is_model else self.in_known_words(whole):
            before = self.odd
            self.open_calls.note(self.line, self._by_pid)
            if self.assumed and looks is None:
                looks = later(self.source.name, "")
            yield from read(block) if looks is None else looks.checked(read(block))
            if looks is not None and self.assumed and looks.told:
                self.layout, self.assumed, looks = looks.told, False, None
            barren = barren + sum(map(len, block)) + len(block) if self.odd - before == len(block) else 0
            if barren > MAX_BYTES_WITHOUT_EVENTS:
                bytes_read = f"more than {MAX_BYTES_WITHOUT_EVENTS >> 20} MiB"
                raise UsageError(f"{self.source.name}: {bytes_read} without one trace line, up to line {self.line}")
        if self.is_model:
            self.model_events.finish()
        else:
            self._finish()

    def in_known_words(self, blocks: Iterable[list[str]]) -> Iterator[list[str]]:
        """The blocks; those of a kernel whose marks stay in the words of older ones. The first line that tells decides."""
        for block in blocks:
            if self.marks_stay is None:
                seen = sign(block)
                if seen:
                    self._recognise(seen == STAYS, block)
                else:
                    self.signs.see(block)
            yield translated(block) if self.marks_stay else block

    def _recognise(self, stays: bool, block: list[str]) -> None:
        """Raises UsageError where ``--era`` contradicts what the lines are."""
        self.marks_stay = stays
        given = self.layout if self.layout_known else ""
        if given and ERAS[given].sticky_mark is not stays:
            what = "events of kernels from 6.17 on" if stays else "events that kernels from 6.17 on do not have"
            raise contradicted(self.source.name, what, given)
        if stays:
            told = self.header.get("era", "") or heading(block)
            told = told if told in ERAS and ERAS[told].sticky_mark else ""
            if told and given:
                self.says(told)
            self.layout = given or told or LATEST_ERA
            self.assumed = not given and not told
            self.layout_known, self.bit_era = True, self.layout
            self._flags.clear()

    def block(self, block: list[str]) -> Iterator[Event]:  # noqa: C901, PLR0912  (every line comes through here: no calls)
        """One block of ftrace lines; the loop that everything else is built around.

        The fields of a page are looked up token by token. A token that is not where it should be misses its cache, since it
        bears another name, and then the line is read with care.
        """
        layouts, tasks = self._layouts, self._tasks
        pages, flag_words, mappings, counts = self._pages, self._flags, self._mappings, self._counts
        number = self.line
        for text in block:
            number += 1
            try:
                head, name, rest = text.split(": ", 2)
                layout = layouts[name]
            except (ValueError, KeyError):
                self.line = number
                odd = self._odd_line(text)
                if odd is None:
                    continue
                head, rest, layout = odd
            if layout is None:
                continue
            self.text = text
            self.line = number
            action = layout.action
            try:
                if action >= RETURN:
                    task = tasks.get(head[: head.rfind("]")]) or self._task(head)
                    event = self._return(layout, task, rest) if action == RETURN else self._bare(layout, task, rest)
                else:
                    try:
                        task = tasks[head[: head.rfind("]")]]
                        tokens = rest.split(None, layout.split)
                        pfn = pages[tokens[layout.page]]
                        flags = flag_words[tokens[layout.flags]]
                        mapping = mappings[tokens[layout.mapping]]
                        refs = counts[tokens[layout.refs]]
                    except (KeyError, IndexError):
                        task, tokens, pfn, flags, mapping, refs = self._with_care(layout, head, rest)
                    if tokens[0] not in layout.sites:
                        self._learn_site(layout, tokens[0])
                    if ": " in tokens[-1]:
                        raise Damaged(JOINED)
                    if action == PLAIN:
                        event = _new(Event, (number, task.name, layout.kind, pfn, flags, mapping, refs, _EMPTY))
                    elif action == UNLOCK:
                        event = self._unlock(layout, tokens, task, pfn, flags, mapping, refs)
                    elif action == FREE:
                        # __folio_put and free_unref_page tell of one and the same release
                        again = task.freed == pfn
                        task.freed = UNSEEN if again else pfn
                        if again and (mapping != task.freed_mapping or (flags != task.freed_flags and mapping > 0)):
                            self._release_in_doubt(task)
                        task.freed_mapping, task.freed_flags, task.freed_at = mapping, flags, number
                        event = None if again else _new(Event, (number, task.name, "free_page", pfn, flags, mapping, refs, _EMPTY))
                    elif action == CALL:
                        event = self._call(layout, tokens, task, pfn, flags, mapping, refs)
                    else:
                        args = self._args(layout, tokens)
                        args["owner"] = self._owner(task, args.get("ops", 0))
                        event = _new(Event, (number, task.name, layout.kind, pfn, flags, mapping, refs, args))
            except ValueError as error:
                self._refuse(str(error))
                self.faults += type(error) is Fault
                if action == CALL and isinstance(error, Damaged):
                    self._open_unread(layout, head)
                continue
            layout.count += 1
            if event is not None:
                yield event
        self.line = number

    def _with_care(self, layout: Layout, head: str, rest: str) -> tuple[Task, list[str], int, int, int, int]:
        """The parts of a line that has something new. Raises ValueError for a damaged one."""
        task = self._tasks.get(head[: head.rfind("]")]) or self._task(head)
        if ": " in rest:
            raise Damaged(JOINED)
        tokens = rest.split()
        if layout.whole and len(tokens) >= layout.split:
            try:
                return task, tokens, *self._state(layout, tokens)
            except ValueError:
                pass  # fields in other places, or a damaged line
        layout.place(tokens)
        return task, tokens, *self._state(layout, tokens)

    def _state(self, layout: Layout, tokens: list[str]) -> tuple[int, int, int, int]:
        """Page, flags, mapping and references, where the layout expects them. Raises ValueError for something else there."""
        pfn = flags = mapping = refs = UNSEEN
        if layout.page >= 0:
            token = tokens[layout.page]
            pfn = self._pages[token] if token in self._pages else self._page(token)
        if layout.flags >= 0:
            token = tokens[layout.flags]
            flags = self._flags[token] if token in self._flags else self._flag_word(token)
        if layout.mapping >= 0:
            token = tokens[layout.mapping]
            mapping = self._mappings[token] if token in self._mappings else self._number(token, self._mappings, "mapping")
        if layout.refs >= 0:
            token = tokens[layout.refs]
            refs = self._counts[token] if token in self._counts else self._number(token, self._counts, "refs")
        return pfn, flags, mapping, refs

    def _unlock(
        self, layout: Layout, tokens: list[str], task: Task, pfn: int, flags: int, mapping: int, refs: int
    ) -> Event | None:
        """An unlock inside a call or right after a callback; others say nothing about the contract, and there are many."""
        if task.stack:
            if not self.bit_era:
                flags = self._learn_from_unlock(layout, tokens, task, flags)
        elif task.unlocks:
            task.unlocks -= 1
        elif not self.every_unlock:
            return None
        event: Event = _new(Event, (self.line, task.name, "unlock_page", pfn, flags, mapping, refs, _EMPTY))
        return event

    def _bare(self, layout: Layout, task: Task, rest: str) -> Event | None:
        """A line that says nothing of a page: who asks for migration (begins or ends), a list."""
        means = layout.meaning
        if layout.action == CALLER_RETURN:
            task.pop(means.call)
            return None
        if means.call:
            task.push(Frame(means.call))
        if layout.action == CALLER:
            return None
        tokens = rest.split()
        if not layout.fits(tokens) or not layout.names:
            layout.place(tokens)
        event: Event = _new(
            Event, (self.line, task.name, means.kind, UNSEEN, UNSEEN, UNSEEN, UNSEEN, self._args(layout, tokens))
        )
        return event

    # calls and returns

    def _call(
        self, layout: Layout, tokens: list[str], task: Task, pfn: int, flags: int, mapping: int, refs: int
    ) -> Event:
        means = layout.meaning
        args = self._args(layout, tokens)
        driver = means.driver
        if driver:
            args["driver"] = driver
            if mapping > PAGE_MAPPING_FLAGS:
                self.drivers[mapping - PAGE_MAPPING_MOVABLE] = driver
        word = tokens[layout.flags] if layout.flags >= 0 else ""
        if not self.bit_era and word and means.kind in ENDS:
            flags = self._learn_layout(raw_bits(word), word, flags)
        task.push(Frame(means.call, pfn, args.get("newpage", UNSEEN), driver, word))
        event: Event = _new(Event, (self.line, task.name, means.kind, pfn, flags, mapping, refs, args))
        return event

    def _return(self, layout: Layout, task: Task, rest: str) -> Event | None:
        """A return belongs to the innermost open call of its function; one without such a call is another page's."""
        means = layout.meaning
        known = rest in layout.tokens
        if not known:
            self._new_site(layout, rest)
        frame = task.pop(means.call)
        ret = layout.tokens[rest] if known else self._returned(layout, rest)
        if frame is not None and frame.pfn == UNREAD_CALL:
            return None
        if frame is None:
            # at the beginning of a trace it is a call that began before, maybe around one that was seen to begin;
            # an ordinary page's move shows its return only
            outer = means.kind == "isolate_movable_page_ret"
            self.orphans += (outer or bool(means.driver)) and task.calls > outer
            return None
        layout.paired = True
        args: dict[str, Any] = {}
        if ret is not None:
            if not 0 <= ret < 256 and means.kind == "isolate_page_ret":
                raise Damaged(f"ret={ret} is no byte, as which the answer is recorded")
            args["ret"] = ret if means.kind != "isolate_page_ret" or ret not in (0, 1) else bool(ret)
        if frame.driver:
            args["driver"] = frame.driver
            task.unlocks = UNLOCKS_AFTER
        if frame.newpage >= 0:
            args["newpage"] = frame.newpage
        elif means.kind == "isolate_movable_page_ret":
            self.caller = self._caller(task, rest)
        event: Event = _new(Event, (self.line, task.name, means.kind, frame.pfn, UNSEEN, UNSEEN, UNSEEN, args))
        return event

    def _open_unread(self, layout: Layout, head: str) -> None:
        """A call whose line is damaged: its return will come, and belongs to no page that is known."""
        task = self._tasks.get(head[: head.rfind("]")])
        if task is not None:
            task.push(Frame(layout.meaning.call, UNREAD_CALL, driver=""))

    def _caller(self, task: Task, rest: str) -> str:
        """Who asked for the isolation: a probed function further out, else the function that it returns to."""
        for frame in task.stack:
            if frame.call in ASKERS:
                return frame.call
        symbol = rest[rest.find("(") + 1 :].partition("+")[0].strip()
        if symbol == "isolate_migratepages_block":
            return "compact_zone"
        return symbol if symbol.isidentifier() else "unknown"

    def _owner(self, task: Task, ops: int) -> str:
        """Whose operations these are: known from a callback, or from the callback that marks its new page right now."""
        driver = self.drivers.get(ops)
        if driver is not None:
            return driver
        for frame in reversed(task.stack):
            if frame.driver and frame.newpage >= 0:
                self.drivers[ops] = frame.driver
                return frame.driver
        return ""

    def _learn_from_unlock(self, layout: Layout, tokens: list[str], task: Task, flags: int) -> int:
        """The unlock at the end of an isolation shows which bit the isolation has set, and so the kernel's layout."""
        frame = task.stack[-1]
        if layout.flags < 0 or frame.call != "isolate_movable_page" or not frame.word:
            return flags
        token = tokens[layout.flags]
        return self._learn_layout(raw_bits(frame.word) ^ raw_bits(token), token, flags)

    def _learn_layout(self, bits: int, token: str, flags: int) -> int:
        """The layout by the one among ``bits`` that marks isolated pages in one era; returns the flags of ``token`` again.

        Two of them, or none, tell nothing.
        """
        eras = [era for bit, era in LAYOUT_BY_ISOLATED_BIT.items() if bits >> bit & 1]
        if len(eras) != 1:
            return flags
        self.bit_era = eras[0]
        if self.layout_known:
            return flags
        self.layout_known = True
        self.layout = eras[0]
        self._flags.clear()
        return self._flag_word(token)

    def _task(self, head: str) -> Task:
        """The task of a line. Raises ValueError where the head of the line names none."""
        key = head[: head.rfind("]")]
        match = HEAD.match(key)
        if match is None or len(match[1].strip()) > COMM_LENGTH:
            raise Damaged(f"{shown(key, 40)} is no task")
        name, pid, cpu = match.groups()
        if pid == "0":  # every CPU has an idle task
            pid = f"0 on {cpu}"
        if len(self._tasks) > NAMES_LIMIT:
            self._tasks.clear()
            self.orphans += sum(self._unpaired(task) for task in self._by_pid.values() if not task.stack)
            self._by_pid = {pid: task for pid, task in self._by_pid.items() if task.stack}
        task = self._by_pid.get(pid)
        if task is None:
            task = self._by_pid[pid] = Task(f"{name.strip()}-{match[2]}")
        self._tasks[key] = task
        return task

    # lines out of the ordinary

    def _odd_line(self, text: str) -> tuple[str, str, Layout | None] | None:
        """A header, a note of lost events, the first line of an event, a task with a colon in its name, or no trace line."""
        line = text.strip()
        self.odd += 1
        if not line or line.startswith("#"):
            self._header(line)
            return None
        lost = LOST.search(line)
        if lost:
            self.lost += events_in(lost[1] or lost[2] or "1")
            return None
        match = ODD_LINE.match(text)
        if match is None:
            self._no_trace_line(text)
            return None
        self.trace_lines += 1
        self.odd -= 1
        head, name, rest = match.groups()
        if name in self._layouts:
            return head, rest, self._layouts[name]
        means = meaning(name)
        layout = None if means is None else Layout(means)
        if means is not None and means.action in (RETURN, CALLER_RETURN):
            self._returning.add(means.call)
        if len(self._layouts) < NAMES_LIMIT:
            self._layouts[name] = layout
        return head, rest, layout

    def _header(self, line: str) -> None:
        filled = FILLED.match(line)
        if filled:
            self.lost += max(0, events_in(filled[2]) - events_in(filled[1]))
        own = OWN_HEADER.match(line)
        if own:
            words = (word.partition("=") for word in own[1].split())
            told = {name: value for name, equals, value in words if equals}
            self.header.update(told)
            for name in ("lost", "missed"):
                number = told.get(name, "")
                setattr(self, name, getattr(self, name) + events_in(number))
            if not self.layout_known and self.header.get("era") in FLAG_LAYOUTS:
                self.layout = self.header["era"]

    def _no_trace_line(self, text: str) -> None:
        if self.trace_lines:
            self._refuse(f"{shown(text.strip(), 40)} is no trace line")
        elif self.line > HOPELESS_LINES:
            raise UsageError(f"{self.source.name}: no ftrace text in the first {self.line} lines; {RECORD_HINT}")

    def _finish(self) -> None:
        """Refuses what was no trace, and a trace of something else."""
        name = self.source.name
        if self.header.get("trailer") == FOLLOWS:
            self.cut_short()
        if not self.trace_lines:
            raise UsageError(f"{name}: no ftrace text (no line like 'TASK-PID [CPU] FLAGS TIME: EVENT: ...'); {RECORD_HINT}")
        if self.base_from == "given" and self.damaged and not self._pages:
            raise Contradicted(
                f"{name}: no page pointer fits --vmemmap-base {self.base:#x}; give the address where this kernel's page array "
                "begins, or leave it out to have it worked out"
            )
        if self.given and self.marks_stay is None:
            self.signs.check(name, self.layout)
        if not any(layout.kind in NEEDED for layout in self.layouts):
            others = ", ".join(sorted(self._layouts)[:3])
            raise UsageError(
                f"{name}: a trace without the needed events (isolate_movable_page, set_page_movable, the driver's callbacks); "
                f"it has {others}; {RECORD_HINT}"
            )
        self._settle_era()

    def says(self, era: str) -> None:
        """Raises UsageError where a heading says another era than ``--era``."""
        if self.given and era != self.layout:
            raise contradicted(self.source.name, f"era {era} in its heading", self.layout)

    def _settle_era(self) -> None:
        """Refuses a trace that tells no era although it is about movable pages, and one that contradicts ``--era``."""
        if self.given and self.bit_era and ERAS[self.bit_era].flag_names != ERAS[self.layout].flag_names:
            bit = ERAS[self.bit_era].flag_names.index("reclaim")
            what = f"isolated pages with bit {bit}, which is the one of era {self.bit_era}"
            raise contradicted(self.source.name, what, self.layout)
        if self.given and not self.bit_era and self.header.get("era") in ERAS:
            self.says(self.header["era"])
        if self.bits_known or self.marks_stay is not None:
            return
        found = self.signs.era
        if not found or any(layout.kind in ABOUT_PAGES for layout in self.layouts):
            raise unknown_era(self.source.name)
        self.layout, self.layout_known = found, True
