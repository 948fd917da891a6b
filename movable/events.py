"""Events: what happened to a page, in order. Every rule judges these, wherever they come from.

An event carries the page's state *at entry of the operation*, as a probe on a real kernel sees it. Return events carry
``ret``. The table KINDS is the vocabulary; nothing else is ever emitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

from movable.errors import UsageError


class Event(NamedTuple):
    """One event.

    ``seq`` counts from 0. ``task`` names who did it. ``kind`` is a key of KINDS. ``pfn`` is the page, -1 where no page is
    concerned. ``flags`` is the flags word, ``mapping`` the tagged word of ``page->mapping``, ``refs`` the reference count, all
    before the operation. ``args`` holds what KINDS says for the kind.
    """

    seq: int
    task: str
    kind: str
    pfn: int
    flags: int
    mapping: int
    refs: int
    args: dict[str, Any]


NEW = ("new_flags", "new_mapping", "new_refs", "new_list", "new_private")
"""How events of a migrate callback show the new page: its state, the name of its list, whether its private is set."""

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    # life of a frame
    "alloc_page": ("the allocator handed the page out", ("order", "gfp", "zone")),
    "free_page": ("the last reference is gone, the page goes back to the allocator", ("order",)),
    "bad_page": ("the allocator refused a freed page, which is lost", ("reason",)),
    "get_page": ("a reference was taken", ()),
    "put_page": ("a reference is dropped", ()),
    # page lock
    "lock_page": ("the page lock was taken, waiting for it if need be", ()),
    "trylock_page": ("the page lock was tried", ("ret",)),
    "unlock_page": ("the page lock is released", ()),
    # marks
    "set_page_movable": ("__SetPageMovable", ("ops", "owner")),
    "clear_page_movable": ("__ClearPageMovable", ()),
    "set_private": ("the owner of a page whose mark stays sets its back pointer", ()),
    "clear_private": ("the owner of a page whose mark stays clears its back pointer: the page is released", ()),
    "set_page_isolated": ("PG_isolated is set", ("by",)),
    "clear_page_isolated": ("PG_isolated is cleared", ("by",)),
    # the core's entry points
    "isolate_movable_page": ("the core tries to isolate", ("mode",)),
    "isolate_movable_page_ret": ("", ("ret",)),
    "putback_movable_pages": ("a list of isolated pages is put back", ("nr",)),
    "migrate_pages": ("a list of isolated pages is migrated", ("nr", "mode", "reason")),
    "migrate_pages_ret": ("", ("ret", "nr_succeeded", "nr_failed", "nr_left")),
    "migrate_pass": ("a pass over the list begins", ("nr_pass",)),
    "get_new_page": ("the caller of migrate_pages was asked for a target", ("newpage",)),
    "put_new_page": ("an unused target went back to the caller", ("newpage",)),
    "move_to_new_page": ("both pages are locked, the move begins", ("newpage", "mode")),
    "move_to_new_page_ret": ("", ("newpage", "ret")),
    "putback_page_done": ("the isolation ended with a put-back", ()),
    "released_isolated": ("the isolation ended because the owner had released the page", ()),
    "migrated": ("the isolation ended with success", ("newpage",)),
    # the driver's callbacks
    "isolate_page": ("the driver's isolate_page is called", ("mode", "driver", "list")),
    "isolate_page_ret": ("", ("ret", "driver", "list")),
    "migratepage": ("the driver's migratepage is called", ("newpage", "mode", "driver", "list", *NEW)),
    "migratepage_ret": ("", ("newpage", "ret", "driver", "list", *NEW)),
    "putback_page": ("the driver's putback_page is called", ("driver", "list")),
    "putback_page_ret": ("", ("driver", "list")),
    # pages of processes
    "isolate_lru_page": ("a page was taken off its LRU list", ()),
    "putback_lru_page": ("a page goes back to the LRU lists", ()),
    "released_lru_page": ("the isolation of a page of the LRU lists ended because nobody uses it any more", ()),
    "mod_nr_isolated": ("the page counts as isolated in its node from now on, or no more", ("node", "change")),
    "set_migration_pte": ("a mapping is replaced by a migration entry", ("mm", "vpn", "pte")),
    "remove_migration_pte": ("a migration entry becomes a mapping again", ("mm", "vpn", "pte", "old")),
    "move_mapping": ("the page hands its place to another", ("newpage", "expected", "ret")),
    "copy_lru_page": ("the content of a page of the LRU lists goes to its target", ("source", "mapcount")),
    "migration_step": ("a step of movable.mm.migrate.STEPS begins, of a page of the LRU lists", ("step", "newpage")),
    "move_lru_page_ret": ("the move of a page of the LRU lists ended", ("newpage", "ret", "mapcount")),
    "fork_migration_pte": ("a fork copies a migration entry, and takes its right to write", ("mm", "child", "vpn")),
    "protect_migration_pte": ("mprotect takes the right to write from a migration entry", ("mm", "vpn")),
    "clear_page_dirty_for_io": ("a dirty page of a file is about to be written", ()),
    "zap_pte": ("an entry is taken out of a page table", ("mm", "vpn", "pte")),
    "access": ("a process touches the page", ("mm", "vpn", "write")),
    "set_movable_ops": ("callbacks are registered for a page type, or taken away", ("type", "owner", "ret", "pages")),
    "balloon_hook": ("the balloon core asks a device to tell its host of a move", ("newpage", "mode")),
    "balloon_hook_ret": ("", ("newpage", "ret")),
    # what only a model can see
    "touch": ("a field of the page is touched by a driver", ("field", "write", "changed", "list")),
    "copy_page": ("the content of another page is copied in", ("source",)),
    "write_data": ("the content is written", ()),
    "lock": ("a lock of the VM was taken; one that can be shared says whether it is", ("lock", "type", "tried", "shared")),
    "unlock": ("a lock of the VM is released", ("lock", "type")),
    "sleep": ("something that may sleep runs", ("what", "atomic")),
    "alloc_in_callback": ("a driver allocates inside a callback", ("gfp",)),
    "driver_remove": ("an owner went away", ("driver", "ops")),
    "compact_zone": ("compaction of a zone begins", ("node", "zone", "order", "mode")),
    "compact_zone_ret": ("", ("node", "zone", "ret")),
    "observation": ("somebody looked, and says whether a rule was kept", ("rule", "ok", "what", "error")),
    "note": ("a remark for the reader of the story", ("text",)),
}
"""Every kind of event: what it means, and the names of its arguments."""


MACHINE = "machine"
"""What the note has as ``of`` with which the events of a machine begin."""


def machine_note(era: str) -> Event:
    """What events of a machine begin with, before number 0: which era it runs as."""
    return Event(-1, "main", "note", -1, 0, 0, 0, {"text": f"a machine of era {era}", "of": MACHINE, "era": era})


def to_json(event: Event) -> str:
    """One line of JSON: seq, task, kind, pfn, flags, mapping, refs, then the arguments of the kind."""
    import json  # here and below: a driver that is only imported writes no events

    record: dict[str, Any] = event._asdict()
    record.update(record.pop("args"))
    return json.dumps(record, separators=(",", ":"))


def from_json(line: str, number: int = 0) -> Event:
    """The event that ``to_json`` wrote. Raises UsageError naming line ``number`` for anything else."""
    import json

    try:
        record = json.loads(line)
        seq, task, kind, pfn, flags, mapping, refs = (record.pop(name) for name in Event._fields[:-1])
        event = Event(seq, task, kind, pfn, flags, mapping, refs, record)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(f"line {number}: not an event ({error}); expected what 'movable run --events' writes") from None
    if not isinstance(event.kind, str) or event.kind not in KINDS:
        raise UsageError(f"line {number}: unknown kind of event {event.kind!r}; was it written by a newer version?")
    return event


def write_events(events: Iterable[Event], stream: IO[str]) -> int:
    """Write events as JSON lines; returns how many."""
    count = 0
    for event in events:
        stream.write(to_json(event) + "\n")
        count += 1
    return count


def read_events(stream: Iterable[str]) -> Iterator[Event]:
    """Read events from JSON lines. Raises UsageError at the first line that is none."""
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield from_json(line, number)
