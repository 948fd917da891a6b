"""Lines of kernels whose marks stay (6.17 and later) in the words that the reader knows.

There ``mapping`` plays no part: a page is movable by its type and a flag, and released when ``private`` is 0. What a line says of
that is put into its ``mapping`` field as the model has it: the slot of the type with the movable tag, the tag alone for a released
page, nothing for one that is not marked. A call that isolates answers 1 where older kernels answer 0, and functions have other
names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from movable.mm.page_flags import PAGE_MAPPING_MOVABLE
from movable.trace.read.numbers import HEX

ISOLATE = "isolate_movable_ops_page"
NAMES = {
    ISOLATE: "isolate_movable_page",
    f"{ISOLATE}_ret": "isolate_movable_page_ret",
    "free_frozen_pages": "free_unref_page",
    "zs_reset": "clear_private",
    "set_isolated": "set_page_isolated",
    "clear_isolated": "clear_page_isolated",
}
"""Events by another name."""
FLAG_CHANGES = frozenset(("set_isolated", "clear_isolated"))
ISOLATED_BIT = 16
MOVABLE_OPS = 1 << 3
OFFLINE, ZSMALLOC = 0xF1, 0xF6
STATE = re.compile(r" flags=(\S+) type=(\S+) refs=(\S+) mapping=\S+(?: lru=\S+)? private=(\S+)")
NEW = re.compile(r" nflags=(\S+) nrefs=(\S+) ntype=(\S+)")
EVENT = re.compile(r"(: )(\w+)(: )")
RETURNED = re.compile(r"ret=(-?\d+)")


def slot(page_type: int) -> int:
    """What stands for the operations of a page type in events."""
    return page_type << 12


def _number(word: str) -> int:
    """A number as probes print them. Raises ValueError."""
    if HEX.fullmatch(word) is None:
        raise ValueError(word)
    return int(word, 16)


def operations_of(page_type: str, tag: int = 0) -> str:
    """The word for the operations of a page type; what a probe prints that cannot read it, where it is no number."""
    try:
        return hex(slot(_number(page_type)) | tag)
    except ValueError:
        return "(fault)"


def word_of(flags: str, page_type: str, private: str) -> str:
    """The mapping word of the model for a page in this state."""
    try:
        typed = _number(page_type)
        if typed not in (OFFLINE, ZSMALLOC) or not _number(flags) & MOVABLE_OPS:
            return "0x0"
        return hex((slot(typed) if _number(private) else 0) | PAGE_MAPPING_MOVABLE)
    except ValueError:
        return "(fault)"


def _state(match: re.Match[str]) -> str:
    flags, page_type, refs, private = match.groups()
    return f" flags={flags} mapping={word_of(flags, page_type, private)} refs={refs}"


def _new(match: re.Match[str]) -> str:
    flags, refs, page_type = match.groups()
    typed = page_type not in ("0xff", "0xffffffff")
    return f" nflags={flags} nrefs={refs} nmapping={operations_of(page_type, PAGE_MAPPING_MOVABLE) if typed else '0x0'}"


def in_old_words(text: str) -> str:
    """One line, as an older kernel's. A line that says nothing of these pages is returned as it is."""
    match = EVENT.search(text)
    if match is None:
        return text
    name = match[2]
    if name == f"{ISOLATE}_ret":
        text = RETURNED.sub(lambda found: "ret=0" if found[1] == "1" else "ret=-16", text)
    if name in FLAG_CHANGES and _ordinary(name, text):
        if name == "clear_isolated" and "(putback_movable_pages+" in text and " type=0xf6 " in text:
            # the function is empty, and so has no probe for its return
            return f"{text[: match.start(2)]}zs_putback_ret: (putback_movable_pages)\n"
        return text  # the core's own, which says no more than the calls around it
    new_name = NAMES.get(name, name)
    if name == "set_page_movable":
        found = STATE.search(text)
        if found is not None:
            text = text.rstrip("\n") + f" mops={operations_of(found[2])}\n"
    if new_name != name:
        text = f"{text[: match.start(2)]}{new_name}{text[match.end(2) :]}"
    text = NEW.sub(_new, text, 1)
    return STATE.sub(_state, text, 1)


def _ordinary(name: str, text: str) -> bool:
    """Whether the core finds the isolated bit as it left it: these lines show the flags before the change."""
    found = STATE.search(text)
    try:
        return found is None or bool(_number(found[1]) >> ISOLATED_BIT & 1) is (name == "clear_isolated")
    except ValueError:
        return True


def translated(block: Iterable[str]) -> list[str]:
    """A block of lines, each in old words."""
    return [in_old_words(text) for text in block]

