"""Model events that come from a file: a simulation's, or those that were exported of a trace.

An export begins and ends with a note. The first says that a trace of a real kernel lies behind the events, and of which era; the
last what that trace lost and what it could show. So nothing can be concluded from an export that the trace itself does not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from movable.events import MACHINE, Event, from_json, machine_note
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE
from movable.trace.judge.visible import BITS, Shown, shown_by
from movable.trace.read.model_types import check_types
from movable.trace.read.vocabulary import FLAG_LAYOUTS

if TYPE_CHECKING:
    from movable.trace.read.ftrace import Reader

BEGIN, END = "trace", "end of trace"
"""What the notes of an export have as ``of``."""
FOLLOWS, HERE = "follows", "here"
"""What lines of ours in an exported text have as ``trailer``."""
LOSSES = ("lost", "missed", "unpaired", "damaged")


class ModelEvents:
    """Reads model events for a reader. ``seen`` counts them by kind.

    ``of_trace`` says that they were exported of a trace, ``ended`` that the note at their end was read, ``shown`` what that trace
    could show, ``at`` the time of the present event in its clock, None where it has none.
    """

    def __init__(self, reader: Reader) -> None:
        self.seen: dict[str, int] = {}
        self.of_trace = False
        self.ended = False
        self.shown: Shown = {}
        self.at: float | None = None
        self._reader = reader
        self._compacting: set[str] = set()

    def block(self, block: list[str]) -> Iterator[Event]:
        """The events of some lines."""
        reader = self._reader
        for text in block:
            reader.line += 1
            if text.strip():
                reader.text = text
                reader.trace_lines += 1
                event = from_json(text, reader.line)
                check_types(event, reader.line)
                if event.kind == "note" and event.args.get("of") in (BEGIN, END, MACHINE):
                    self._note(event.args)
                else:
                    yield self._event(event._replace(seq=reader.line))

    def _event(self, event: Event) -> Event:
        kind, args, reader = event.kind, event.args, self._reader
        if self.of_trace:
            at = args.pop("at", None)
            self.at = at if isinstance(at, (int, float)) else None
        if kind in ("compact_zone", "compact_zone_ret"):
            (self._compacting.add if kind == "compact_zone" else self._compacting.discard)(event.task)
        elif kind == "isolate_movable_page_ret":
            asked = args.pop("caller", "") if self.of_trace else ""
            reader.caller = str(asked) or ("compact_zone" if event.task in self._compacting else "")
        driver = args.get("driver", "")
        if driver and event.mapping > PAGE_MAPPING_FLAGS:
            reader.drivers[event.mapping - PAGE_MAPPING_MOVABLE] = driver
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return event

    def _note(self, args: dict[str, Any]) -> None:
        reader = self._reader
        if args["of"] in (BEGIN, MACHINE):
            self.of_trace = args["of"] == BEGIN
            era = args.get("era")
            if era in FLAG_LAYOUTS:
                reader.says(era)
                reader.layout, reader.layout_known = era, True
            return
        self.ended = True
        self.shown = unpacked(str(args.get("shown", "")))
        for name in LOSSES:
            number = args.get(name, 0)
            reader.count_lost(name, number if isinstance(number, int) and number >= 0 else 1)

    def finish(self) -> None:
        """An export whose end is not there may have lost anything."""
        if self.of_trace and not self.ended:
            self._reader.cut_short()


def packed(shown: Shown) -> str:
    """What a trace shows, as one word for each kind of event."""
    return " ".join(f"{kind}:{','.join(sorted(fields))}" for kind, fields in sorted(shown.items()))


def unpacked(text: str) -> Shown:
    """The other way round."""
    words = (word.partition(":") for word in text.split())
    return {kind: set(fields.split(",")) - {""} for kind, _, fields in words}


def shown_in(reader: Reader) -> Shown:
    """What the trace behind a reader shows, after it was read."""
    if reader.is_model:
        return reader.model_events.shown
    shown = shown_by(reader.layouts, reader.header)
    if reader.bits_known:
        shown[BITS] = set()
    return shown


def losses(reader: Reader) -> dict[str, int]:
    """What is missing in the trace behind a reader, by kind, after it was read."""
    return dict(zip(LOSSES, (reader.lost, reader.missed, reader.unpaired, reader.unreadable), strict=True))


def model_events(reader: Reader) -> Iterator[Event]:
    """The events of a trace for a file of model events: with their times, and between the two notes."""
    begun = False
    for number, event in enumerate(reader.events()):
        if number == 0 and reader.simulated and reader.layout_known:
            yield machine_note(reader.layout)
        if not reader.simulated:
            if not begun:
                begun = True
                yield _first(reader)
            args = {**event.args, "at": reader.stamp if reader.timed else int(reader.stamp)}
            if event.kind == "isolate_movable_page_ret":
                args["caller"] = reader.caller
            event = event._replace(args=args)
        yield event
    if begun:
        args = {"text": "end of the trace", "of": END, **losses(reader), "shown": packed(shown_in(reader))}
        yield Event(reader.line, "trace", "note", -1, 0, 0, 0, args)


def _first(reader: Reader) -> Event:
    era = reader.layout if reader.bits_known else ""
    args = {"text": f"from a trace, era {era or 'unknown'}", "of": BEGIN, "era": era}
    return Event(0, "trace", "note", -1, 0, 0, 0, args)


def header_line(reader: Reader) -> str:
    """Our line at the top of an exported text: what a recording's own says, and that what was lost follows at the end."""
    words: dict[str, str] = {name: reader.header[name] for name in ("driver", "refused") if name in reader.header}
    if reader.bits_known:
        words["era"] = reader.layout
    return "# movable: " + " ".join(f"{name}={value}" for name, value in {**words, "trailer": FOLLOWS}.items()) + "\n"


def trailer_line(reader: Reader) -> str:
    """Our line at the end. Lines that could not be read, and returns without an entry, are not in the text: lost too."""
    lost = reader.lost + reader.unreadable + reader.orphans
    return f"# movable: trailer={HERE} lost={lost} missed={reader.missed}\n"
