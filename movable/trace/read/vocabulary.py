"""One table: what each trace event means in the events of the model, and which of its fields carry what.

Flag bits differ between kernels, page pointers between machines; both are turned into the model's here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from movable.eras import ERAS
from movable.mm.page_flags import PG_NAMES
from movable.trace.record.driver_probes import driver_of

UNSEEN = -1
"""What ``flags``, ``mapping`` and ``refs`` of an event hold where the trace does not show them."""

PLAIN, FREE, UNLOCK, MARK, CALL, RETURN, CALLER, CALLER_RETURN, LIST = range(9)
"""What to do with a trace event. Up to CALL it is about a page: pass it on; a release, told twice; an unlock, which shows the flag
bits; a mark; a call that opens. From RETURN on it bears no page: a return, who asks for migration (begins and ends), a list."""


class Meaning(NamedTuple):
    """What one trace event means.

    ``action`` is one of the constants above, ``kind`` the kind of model event, ``page`` the field that points to the page,
    ``call`` the name that joins an entry with its return, ``driver`` whose callback it is, ``values`` the fields that become
    arguments, by the name of the argument.
    """

    action: int
    kind: str
    page: str = ""
    call: str = ""
    driver: str = ""
    values: tuple[tuple[str, str], ...] = ()


CORE = {
    "isolate_movable_page": Meaning(CALL, "isolate_movable_page", "page", "isolate_movable_page", "", (("mode", "mode"),)),
    "isolate_movable_page_ret": Meaning(RETURN, "isolate_movable_page_ret", "", "isolate_movable_page"),
    "putback_movable_pages": Meaning(LIST, "putback_movable_pages"),
    "set_page_movable": Meaning(MARK, "set_page_movable", "page", "", "", (("ops", "mops"),)),
    "clear_page_movable": Meaning(PLAIN, "clear_page_movable", "page"),
    "migrate_pages": Meaning(LIST, "migrate_pages", "", "migrate_pages", "", (("mode", "mode"), ("reason", "reason"))),
    "migrate_pages_ret": Meaning(RETURN, "migrate_pages_ret", "", "migrate_pages"),
    "move_to_new_folio": Meaning(
        CALL, "move_to_new_page", "src", "move_to_new_folio", "", (("newpage", "dst"), ("mode", "mode"))
    ),
    "move_to_new_folio_ret": Meaning(RETURN, "move_to_new_page_ret", "", "move_to_new_folio"),
    "clear_private": Meaning(PLAIN, "clear_private", "page"),
    "set_page_isolated": Meaning(PLAIN, "set_page_isolated", "page"),
    "clear_page_isolated": Meaning(PLAIN, "clear_page_isolated", "page"),
    "folio_unlock": Meaning(UNLOCK, "unlock_page", "page"),
    "folio_put_final": Meaning(FREE, "free_page", "page"),
    "free_unref_page": Meaning(FREE, "free_page", "page"),
    "offline_pages": Meaning(CALLER, "", "", "offline_pages"),
    "offline_pages_ret": Meaning(CALLER_RETURN, "", "", "offline_pages"),
    "soft_offline_page": Meaning(CALLER, "", "", "soft_offline_page"),
    "soft_offline_page_ret": Meaning(CALLER_RETURN, "", "", "soft_offline_page"),
    "alloc_contig_range": Meaning(CALLER, "", "", "alloc_contig_range"),
    "alloc_contig_range_ret": Meaning(CALLER_RETURN, "", "", "alloc_contig_range"),
    "mm_compaction_begin": Meaning(CALLER, "", "", "compact_zone"),
    "mm_compaction_end": Meaning(CALLER_RETURN, "", "", "compact_zone"),
}
"""Trace events of the core. Events of a driver are known by their endings, below."""

ASKERS = ("offline_pages", "soft_offline_page", "alloc_contig_range", "compact_zone")
"""Who asks for isolations."""
ENDS = frozenset(("migratepage", "putback_page"))
"""Callbacks that get isolated pages only."""

CALLBACKS = {
    "isolate": ("isolate_page", (("mode", "mode"),)),
    "migrate": (
        "migratepage",
        (("newpage", "newpage"), ("mode", "mode"), ("new_flags", "nflags"), ("new_refs", "nrefs"), ("new_mapping", "nmapping")),
    ),
    "putback": ("putback_page", ()),
}
HOOK_EVENT = re.compile(r"\w+_hook(_ret)?")
"""What the balloon core calls of a device, under whatever name it is probed."""
CALLBACK_EVENT = re.compile(r"(\w+)_(isolate|migrate|putback)(_ret)?")

PAGE_FIELDS = frozenset({"page", "newpage", "src", "dst"})


def meaning(event: str) -> Meaning | None:
    """What the trace event called ``event`` means; None when it says nothing about movable pages.

    A name that perf or trace-cmd made up (``p_folio_unlock_0``, ``r_folio_unlock_0``) is read as the function's.
    """
    made_up = re.fullmatch(r"([pr])_(\w+)_0", event)
    if made_up:
        event = made_up[2] + ("_ret" if made_up[1] == "r" else "")
    event = ALIASES.get(event, event)
    if event in CORE:
        return CORE[event]
    hook = HOOK_EVENT.fullmatch(event)
    if hook is not None:
        if hook[1]:
            return Meaning(RETURN, "balloon_hook_ret", "", "balloon_hook")
        return Meaning(CALL, "balloon_hook", "page", "balloon_hook", "", (("newpage", "newpage"), ("mode", "mode")))
    match = CALLBACK_EVENT.fullmatch(event)
    if match is None:
        return None
    prefix, callback, returns = match.groups()
    kind, values = CALLBACKS[callback]
    driver = driver_of(prefix)
    call = f"{driver} {kind}"
    if returns:
        return Meaning(RETURN, f"{kind}_ret", "", call, driver)
    return Meaning(CALL, kind, "page", call, driver, values)


ALIASES = {
    "unlock_page": "folio_unlock",
    "__put_page": "folio_put_final",
    "__folio_put": "folio_put_final",
    "move_to_new_page": "move_to_new_folio",
    "move_to_new_page_ret": "move_to_new_folio_ret",
    "__SetPageMovable": "set_page_movable",
    "__ClearPageMovable": "clear_page_movable",
    "SetPageMovable": "set_page_movable",
    "ClearPageMovable": "clear_page_movable",
}
"""Other names for the same event: what older kernels call the function, and what tools make of it."""

NEEDED = frozenset(
    (
        *("isolate_movable_page", "isolate_movable_page_ret", "migrate_pages", "set_page_movable", "clear_page_movable"),
        *("isolate_page", "isolate_page_ret", "migratepage", "migratepage_ret", "putback_page", "putback_page_ret"),
    )
)
"""Kinds of events of which a trace must have at least one, to be about movable pages at all."""
ABOUT_PAGES = NEEDED - {"migrate_pages"}
"""Those that only movable pages take part in."""

# --- flag words ---

FLAG_LAYOUTS = {name: era.flag_names for name, era in ERAS.items()}
"""Names of the flag bits by bit number, for each era."""

LAYOUT_BY_ISOLATED_BIT = {era.flag_names.index("reclaim"): name for name, era in ERAS.items() if not era.sticky_mark}
"""Which layout a kernel has, told by the bit that a successful isolation sets."""


def model_flags(word: int, layout: str) -> int:
    """The flags word ``word`` of a kernel with this layout, in the bits of the model; zone and node are dropped."""
    flags = 0
    for bit, name in enumerate(FLAG_LAYOUTS[layout]):
        if word >> bit & 1 and name in PG_NAMES:
            flags |= 1 << PG_NAMES.index(name)
    return flags


def kernel_flags(flags: int, layout: str) -> int:
    """The other way round: model bits as a kernel of this layout would show them."""
    names = FLAG_LAYOUTS[layout]
    word = 0
    for bit, name in enumerate(PG_NAMES):
        if flags >> bit & 1 and name in names:
            word |= 1 << names.index(name)
    return word


def raw_bits(token: str) -> int:
    """The number of a flags field as the kernel has it; 0 where the memory could not be read."""
    word = token.partition("=")[2]
    return 0 if word.startswith("(") else int(word, 0)


# --- page pointers ---

VMEMMAP_BASE = 0xFFFFEA0000000000
"""Where the page array of x86-64 lies without KASLR."""
OBJ_PFN_SHIFT = 24
"""The word behind a zsmalloc handle holds the frame number from this bit on."""
PAGE_STRUCT_BYTES = 64
"""Bytes of struct page."""
BASE_GRAIN_BYTES = 1 << 30
"""KASLR moves the page array in steps of this size."""
BELOW_GUESS = 1 << 34
"""Added to the numbers of frames that lie below a guessed begin of the page array: no machine has so many frames."""


def guess_base(pointer: int) -> tuple[int, str]:
    """Where the page array begins, judged by one pointer into it, and how that is known.

    Exact for machines with less than 64 GiB of memory; above, frames may lie before it.
    """
    base = pointer - pointer % BASE_GRAIN_BYTES
    return base, "the default of x86-64" if base == VMEMMAP_BASE else "guessed"


def find_base(lines: Iterable[str]) -> tuple[int, str]:
    """Where the page array begins and how that is known, judged by the first lines of a trace; (-1, "") where nothing tells.

    Surest is a probe that shows it, then an object that zs_malloc placed on a page just marked, then the default.
    """
    marked: list[int] = []
    first = UNSEEN
    for line in lines:
        match = POINTER.search(line)
        if match is None:
            continue
        event, base, page, obj = match.groups()
        if base:
            return int(base, 16), "a probe of the recording"
        if page:
            pointer = int(page, 16)
            if first < 0:
                first = pointer
            if event == "set_page_movable":
                marked.append(pointer)
            continue
        for pointer in marked[-4:]:  # a zspage has up to four pages
            candidate = pointer - PAGE_STRUCT_BYTES * (int(obj, 16) >> OBJ_PFN_SHIFT)
            if candidate > 0 and candidate % BASE_GRAIN_BYTES == 0:
                return candidate, "objects of zs_malloc"
    if first < 0:
        return UNSEEN, ""
    return guess_base(first)


POINTER = re.compile(
    r": (memory_base|zs_malloc_ret|set_page_movable|isolate_movable_page|free_unref_page): .*?"
    r"(?:\bbase=(0x[0-9a-f]{1,16})|\bpage=(0x[0-9a-f]{1,16})|\bobj=(0x[0-9a-f]{1,16}))"
)
"""What tells where the page array lies."""
