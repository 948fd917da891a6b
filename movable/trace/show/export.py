"""A trace for other eyes: Chrome's trace format, which Perfetto opens, and model events written as ftrace text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import IO, Any

from movable.eras import DEFAULT
from movable.events import Event
from movable.trace.read.ftrace import Reader
from movable.trace.read.model_file import header_line, trailer_line
from movable.trace.read.source import Source
from movable.trace.read.vocabulary import PAGE_STRUCT_BYTES, VMEMMAP_BASE, kernel_flags
from movable.trace.record.driver_probes import prefix_of
from movable.trace.show.isolations import Isolation, Life, Lives

# --- Chrome trace ---

TASKS, PAGES = 1, 2
"""The two process rows of the picture."""
SHOWN_ARGS = ("ret", "mode", "newpage", "reason", "driver")


class ChromeTrace:
    """Writes slices as they end: a track for each task, a row for each page that was isolated, a count of isolated pages."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._first = True
        self._tracks: dict[str, int] = {}
        self._open: dict[str, list[tuple[str, float, Event]]] = {}
        self._shown: set[int] = set()
        self._lives = Lives(self._isolation, None, self._life)
        self._counts: dict[str, int] = {}
        self._unit = 1e6
        self.slices = 0

    def write(self, reader: Reader) -> int:
        """Write the whole trace; returns the number of slices."""
        self._stream.write('{"displayTimeUnit":"ns","traceEvents":[')
        self._name("process_name", TASKS, 0, "tasks")
        self._name("process_name", PAGES, 0, "pages that were isolated")
        stamp = 0.0
        for event in reader.events():
            stamp = reader.stamp
            self._unit = 1e6 if reader.timed else 1.0  # without seconds, a microsecond for each tick or event
            self._lives.feed(event, stamp, reader.caller)
            self._task_slice(event, stamp)
            self._count(stamp)
        self._lives.finish(reader.line, stamp)
        self._stream.write("\n]}\n")
        return self.slices

    def _put(self, record: dict[str, Any]) -> None:
        self._stream.write(("\n" if self._first else ",\n") + json.dumps(record, separators=(",", ":")))
        self._first = False

    def _name(self, what: str, pid: int, tid: int, name: str) -> None:
        self._put({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}})

    def _track(self, task: str) -> int:
        track = self._tracks.get(task)
        if track is None:
            number = task.rpartition("-")[2]
            track = int(number) if number.isdecimal() and int(number) not in self._tracks.values() else len(self._tracks) + 1
            while track in self._tracks.values():
                track += 1
            self._tracks[task] = track
            self._name("thread_name", TASKS, track, task)
        return track

    def _task_slice(self, event: Event, stamp: float) -> None:
        """A call becomes a slice when it returns; anything else is an instant."""
        kind = event.kind
        track = self._track(event.task)
        args = {"line": event.seq, **{name: event.args[name] for name in SHOWN_ARGS if name in event.args}}
        if event.pfn >= 0:
            args["page"] = event.pfn
        calls = self._open.setdefault(event.task, [])
        if kind.endswith("_ret"):
            name = kind[:-4]
            for index in range(len(calls) - 1, -1, -1):
                if calls[index][0] == name:
                    _, begun, entry = calls[index]
                    del calls[index:]
                    both = {**args, "lines": [entry.seq, event.seq]}
                    record = {"ph": "X", "name": _title(entry), "cat": name, "pid": TASKS, "tid": track, "args": both}
                    self._put({**record, "ts": self._micros(begun), "dur": max(self._micros(stamp - begun), 0.001)})
                    self.slices += 1
                    return
        elif kind in _CALLS:
            calls.append((kind, stamp, event))
            del calls[:-64]
        else:
            self._put(
                {"ph": "i", "s": "t", "name": _title(event), "cat": kind, "pid": TASKS, "tid": track, "ts": self._micros(stamp),
                 "args": args}
            )  # fmt: skip

    def _count(self, stamp: float) -> None:
        if self._counts != self._lives.isolated:
            self._counts = dict(self._lives.isolated)
            args = {driver or "unknown": n for driver, n in self._counts.items()}
            self._put({"ph": "C", "name": "isolated pages", "pid": PAGES, "ts": self._micros(stamp), "args": args})

    def _isolation(self, one: Isolation) -> None:
        self._shown.add(one.pfn)
        args = {"asked by": one.caller, "calls": one.tries, "last": one.last, "lines": [one.begun, one.ended]}
        if one.target >= 0:
            args["new page"] = one.target
        self._slice(one.pfn, f"isolated, {one.outcome}", "isolation", one.since, one.until, args)

    def _life(self, life: Life, line: int, stamp: float) -> None:
        if life.pfn in self._shown:
            self._shown.discard(life.pfn)
            name = f"page of {self._lives.name(life) or 'unknown driver'}"
            self._slice(life.pfn, name, "page", life.begun_at, stamp, {"page": life.pfn, "lines": [life.begun, line]})

    def _slice(self, pfn: int, name: str, kind: str, begun: float, ended: float, args: dict[str, Any]) -> None:
        record = {"name": name, "cat": "page", "pid": PAGES, "tid": 0, "id": hex(pfn)}
        self._put({**record, "ph": "b", "ts": self._micros(begun), "args": {"kind": kind, **args}})
        self._put({**record, "ph": "e", "ts": self._micros(ended)})
        self.slices += 1

    def _micros(self, stamp: float) -> float:
        return round(stamp * self._unit, 3)


_CALLS = frozenset({"isolate_movable_page", "isolate_page", "migratepage", "putback_page", "move_to_new_page", "migrate_pages"})


def _title(event: Event) -> str:
    return f"{event.args['driver']} {event.kind}" if "driver" in event.args else event.kind


# --- ftrace text ---

_STATE = ("isolate_movable_page", "clear_page_movable", "unlock_page", "free_page", "putback_page")
_NAMES = {"unlock_page": "folio_unlock", "free_page": "folio_put_final"}
_HEADER = "# tracer: nop\n#\n#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"


def knowing_reader(source: Source, era: str | None = None, vmemmap_base: int | None = None) -> Reader:
    """A reader that knows the flag bits of the kernel before its first line; as far as the trace tells them anywhere."""
    scout = Reader(source, era=era, vmemmap_base=vmemmap_base)
    for _ in scout.events():
        if source.kept and (scout.is_model or scout.layout_known):
            break
    return scout.again()


def ftrace_of(reader: Reader) -> Iterator[str]:
    """Lines of text for everything that a reader reads, with what its trace lost said at the end."""
    events = reader.events()
    first = list(islice(events, 1))  # by now the reader knows what it reads
    if reader.simulated:
        yield from export_ftrace(chain(first, events), reader.layout if reader.layout_known else DEFAULT)
    else:
        yield from export_ftrace(chain(first, events), reader.layout, reader)


def export_ftrace(events: Iterable[Event], layout: str = "6.1", reader: Reader | None = None) -> Iterator[str]:
    """Lines of text as our probes would have recorded these events; what no probe can see is left out.

    ``layout`` is the era whose flag bits are written. ``reader`` is where the events come from, if they are a trace's: then the
    text has its times, and says what it lost. Without one the times are made up, a millisecond for each event: the order of
    simulated events is exact, and lines nearer together count as unordered. Each line ends with a newline.
    """
    yield (f"# movable: era={layout} lost=0 missed=0\n" if reader is None else header_line(reader)) + _HEADER
    pids: dict[str, str] = {}
    for number, event in enumerate(events):
        text = _event_text(event, layout, (reader and reader.caller) or "unknown")
        if text is None:
            continue
        task = pids.get(event.task)
        if task is None:
            task = pids[event.task] = _task_column(event.task, len(pids) + 1)
        yield f"{task} ..... {_clock(number, reader):>12}: {text}\n"
    if reader is not None:
        yield trailer_line(reader)


def _clock(number: int, reader: Reader | None) -> str:
    """The time of the present event as ftrace writes it: seconds with six digits, or nine if it needs them; or ticks."""
    if reader is None:
        return f"{number / 1e3:.6f}"
    return f"{reader.stamp:.9f}".removesuffix("000") if reader.timed else f"{reader.stamp:.0f}"


def _task_column(task: str, number: int) -> str:
    """TASK-PID [CPU]; a task of the model gets ``number`` as its PID, an idle task, of which all have PID 0, its own CPU."""
    comm, dash, pid = task.rpartition("-")
    if not dash or not pid.isdecimal():
        comm, pid = task, str(number)
    idle = re.fullmatch(r"swapper/(\d{1,4})", comm)
    comm = re.sub(r"[^\w/.:-]", "_", comm)[:15] or "task"
    return f"{comm:>16}-{pid:<7} [{int(idle[1]) if idle else 0:03}]"


def _event_text(event: Event, layout: str, caller: str) -> str | None:
    kind, args = event.kind, event.args
    prefix = _prefix(args.get("driver", ""))
    state = _state(event, layout)
    page = f" page={_pointer(event.pfn)}"
    if kind in ("isolate_movable_page", "isolate_page"):
        name = f"{prefix}_isolate" if kind == "isolate_page" else kind
        return f"{name}: ({name}+0x0/0x1){page}{_field(args, 'mode', 'mode', '#x')}{state}"
    if kind == "set_page_movable":
        return f"{kind}: (__SetPageMovable+0x0/0x1){page}{_field(args, 'mops', 'ops', '#x')}{state}"
    newpage = _number(args, "newpage")
    target = "" if newpage is None else _pointer(newpage)
    mode = _field(args, "mode", "mode")
    if kind == "migratepage":
        new = f" newpage={target}" if target else ""
        flags = _number(args, "new_flags")
        nflags = "" if flags is None else f" nflags={kernel_flags(flags, layout):#x}"
        return f"{prefix}_migrate: ({prefix}_migrate+0x0/0x1){new}{page}{mode}{nflags}{state}"
    if kind == "move_to_new_page":
        new = f" dst={target}" if target else ""
        return f"move_to_new_folio: (move_to_new_folio+0x0/0x1){new} src={_pointer(event.pfn)}{mode}{state}"
    if kind in _STATE:
        name = f"{prefix}_putback" if kind == "putback_page" else _NAMES.get(kind, kind)
        return f"{name}: ({name}+0x0/0x1){page}{state}"
    return _return_text(kind, args, prefix, caller)


def _state(event: Event, layout: str) -> str:
    """The fields of the page that the event knows."""
    words = [f" flags={kernel_flags(event.flags, layout):#x}"] if event.flags >= 0 else []
    words += [f" mapping={event.mapping:#x}"] if event.mapping >= 0 else []
    words += [f" refs={event.refs}"] if event.refs >= 0 else []
    return "".join(words)


def _number(args: dict[str, Any], name: str) -> int | None:
    """An argument as a number; None where it is missing or none."""
    value = args.get(name)
    return int(value) if isinstance(value, int) and value >= 0 else None


def _field(args: dict[str, Any], name: str, argument: str, form: str = "d") -> str:
    """A field of a line; empty where the event does not know it, so that the text claims no more than the event."""
    value = _number(args, argument)
    return "" if value is None else f" {name}={value:{form}}"


def _return_text(kind: str, args: dict[str, Any], prefix: str, caller: str) -> str | None:
    returns = {
        "isolate_movable_page_ret": "isolate_movable_page",
        "isolate_page_ret": f"{prefix}_isolate",
        "migratepage_ret": f"{prefix}_migrate",
        "putback_page_ret": f"{prefix}_putback",
        "move_to_new_page_ret": "move_to_new_folio",
        "migrate_pages_ret": "migrate_pages",
    }
    if kind in returns:
        name = returns[kind]
        value = args.get("ret")
        ret = f" ret={int(value)}" if isinstance(value, int) and kind != "putback_page_ret" else ""
        return f"{name}_ret: ({caller if kind == 'isolate_movable_page_ret' else 'model'}+0x0/0x1 <- {name}){ret}"
    if kind == "migrate_pages":
        fields = _field(args, "mode", "mode") + _field(args, "reason", "reason")
        return f"migrate_pages: (migrate_pages+0x0/0x1) list=0x0 first=0x0{fields}"
    if kind == "putback_movable_pages":
        return "putback_movable_pages: (putback_movable_pages+0x0/0x1) list=0x0 first=0x0"
    return None


def _pointer(pfn: int) -> str:
    """The page pointer of a frame on a machine without KASLR."""
    return f"{VMEMMAP_BASE + PAGE_STRUCT_BYTES * pfn:#x}"


def _prefix(driver: str) -> str:
    """The driver's name as the beginning of an event name."""
    return re.sub(r"\W", "_", prefix_of(driver)) or "driver"
