"""Events in plain words: which page, which call, who held what, in the order it happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import errorcode

from movable.events import Event
from movable.hookspecs import CALLBACKS
from movable.mm.migrate import MIGRATE_MODES
from movable.mm.page_flags import ISOLATED, LOCKED

MAX_LINES = 24
"""A story is no longer than this; what is left out is said."""

SENTENCES = {
    "alloc_page": "page {pfn} is allocated",
    "free_page": "page {pfn} goes back to the allocator",
    "bad_page": "the allocator refuses page {pfn}: {reason}",
    "lock_page": "lock_page({pfn})",
    "unlock_page": "unlock_page({pfn})",
    "set_page_movable": "__SetPageMovable({pfn}){unlocked}",
    "clear_page_movable": "__ClearPageMovable({pfn}){unlocked}",
    "set_page_isolated": "PG_isolated of page {pfn} is set{by}",
    "clear_page_isolated": "PG_isolated of page {pfn} is cleared{by}",
    "isolate_page": "-> {driver}.isolate_page({pfn})",
    "isolate_page_ret": "<- {driver}.isolate_page({pfn}) = {ret}",
    "migratepage": "-> {driver}.migratepage(new {newpage}, old {pfn}, {mode})",
    "migratepage_ret": "<- {driver}.migratepage(new {newpage}, old {pfn}) = {ret}",
    "putback_page": "-> {driver}.putback_page({pfn})",
    "putback_page_ret": "<- {driver}.putback_page({pfn})",
    "migrate_pages": "migrate_pages of {nr} page(s), {mode}",
    "migrate_pages_ret": "migrate_pages = {ret}",
    "released_isolated": "page {pfn} was released while it was isolated",
    "lock": "{type} {lock!r} is taken",
    "unlock": "{type} {lock!r} is released",
    "driver_remove": "{gone}",
    "get_page": "a reference on page {pfn} is taken, there were {refs}",
    "put_page": "a reference on page {pfn} is dropped, there were {refs}",
    "touch": "the driver touches {field} of page {pfn}",
    "copy_page": "page {source} is copied into page {pfn}",
    "sleep": "something that may sleep runs: {what}",
    "observation": "seen: {what}",
    "note": "{text}",
}
"""How each kind of event reads; kinds that are not here say nothing a reader needs."""

QUIET = {"touch", "lock", "unlock"}
"""What a long story leaves out even of the callback that matters."""
BRIEF = {"touch", "get_page", "put_page", "lock", "unlock", "lock_page", "unlock_page", "alloc_page", "copy_page"}
"""Kinds that are left out first when a story is too long."""


def sentence(event: Event, said: Callable[[str], str] = str) -> str:
    """One event in words, "" for one that says nothing; ``said`` gives functions and flags the names of an era."""
    template = SENTENCES.get(event.kind)
    if template is None or (event.kind == "observation" and event.args.get("ok", True)):
        return ""
    words = {**event.args, "pfn": event.pfn, "refs": event.refs}
    words["unlocked"] = "" if event.flags & LOCKED else " without the page lock"
    words["gone"] = "the driver's address space is freed" if "ops" in event.args else "the driver is removed"
    words["by"] = f" by {event.args['by']}" if event.args.get("by") else ""
    if "mode" in words:
        mode = words["mode"]
        words["mode"] = f"MIGRATE_{MIGRATE_MODES[mode]}" if mode in range(len(MIGRATE_MODES)) else f"mode {mode}"
    if isinstance(words.get("ret"), int) and not isinstance(words["ret"], bool) and words["ret"] < 0:
        words["ret"] = "-" + errorcode.get(-words["ret"], str(-words["ret"]))
    return said(template).format(**words)


def narrated(events: Sequence[Event], pfn: int = -1, said: Callable[[str], str] = str) -> list[str]:
    """The story of ``pfn`` (of everything for -1) up to the last event: a line each, at most MAX_LINES.

    What the last callback did is told in full, and of both pages where it moved one. ``said`` as for ``sentence``.
    """
    chosen, call = _of_page(events, pfn)
    for kinds in ({"touch"}, QUIET, BRIEF, BRIEF | {"free_page"}):
        shown = (event for event in chosen if event.kind not in (kinds if event.seq <= call else kinds & QUIET))
        lines = folded([line for event in shown if (line := _line(event, said))])
        if len(lines) > MAX_LINES:  # leave out the steps that did nothing to this page
            follows = [*lines[1:], ""]
            lines = [line for line, after in zip(lines, follows, strict=True) if not (is_step(line) and after and is_step(after))]
        if len(lines) <= MAX_LINES:
            return lines
    cut = len(lines) - MAX_LINES + 2
    heading = [line for line in lines[:cut] if is_step(line)][-1:]
    return [f"... {cut - len(heading)} lines before", *heading, *lines[cut:]]


def _of_page(events: Sequence[Event], pfn: int) -> tuple[list[Event], int]:
    """The events that concern a page, and where its last callback begins: from there on those of its target belong to it, too."""
    calls = [event for event in events if event.kind in CALLBACKS and event.pfn == pfn]
    if pfn < 0 or not calls:
        last = events[-1].seq if events else 0
        return [event for event in events if pfn < 0 or event.pfn in (pfn, -1) or event.args.get("newpage") == pfn], last
    call = calls[-1].seq
    target = calls[-1].args.get("newpage", -1)
    return [
        event
        for event in events
        if event.pfn in (pfn, -1) or event.args.get("newpage") == pfn or (event.pfn == target and event.seq >= call)
    ], call


def folded(lines: list[str]) -> list[str]:
    """``lines`` with a passage of up to four lines that comes again and again told once, and how often it comes again."""
    kept: list[str] = []
    at = 0
    while at < len(lines):
        size, again = max(((size, _repeats(lines, at, size)) for size in (1, 2, 3, 4)), key=lambda found: found[0] * found[1])
        kept += lines[at : at + size] if again > 1 else lines[at : at + 1]
        if again > 1:
            kept.append(f"    (the same {again} more times)")
        at += size * (again + 1) if again > 1 else 1
    return kept


def _repeats(lines: list[str], at: int, size: int) -> int:
    """How often the ``size`` lines from ``at`` come again right behind themselves."""
    count = 0
    while lines[at : at + size] == lines[at + size * (count + 1) : at + size * (count + 2)]:
        count += 1
    return count


def is_step(line: str) -> bool:
    """Whether a line is the heading of a step."""
    return not line.startswith(" ")


def _line(event: Event, said: Callable[[str], str]) -> str:
    words = sentence(event, said)
    if not words or event.kind == "note":
        return words
    state = "isolated " if event.flags & ISOLATED and event.pfn >= 0 else ""
    return f"  {words}" + (f"  [{state}{event.refs} refs]" if event.kind in ("migratepage", "putback_page", "free_page") else "")
