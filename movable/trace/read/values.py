"""The values of a line: numbers, flag words and page pointers, each looked up where it was decoded before.

What cannot be read is remembered here too, and which lines are therefore no evidence.
"""

from __future__ import annotations

import re
from typing import Any

from movable.shown import shown
from movable.trace.read.call_stack import Task
from movable.trace.read.columns import Layout
from movable.trace.read.numbers import Damaged, Fault, number
from movable.trace.read.vocabulary import BELOW_GUESS, PAGE_FIELDS, PAGE_STRUCT_BYTES, UNSEEN, guess_base, model_flags

CACHE_LIMIT = 100_000
"""Decoded tokens kept before the cache starts afresh."""
MAX_DAMAGED_KEPT = 20
"""Damaged lines that are remembered with what is wrong with them."""
SITES_LIMIT = 4096
"""Places of the kernel that are remembered."""
LINES_UNTIL_SURE = 20
"""Lines of an event after which it is known where in the kernel it is recorded."""
MIN_SITES = 3
"""Places in a trace; a tool that writes one for all lines has fewer."""
ENTRY = re.compile(r"\(\w+\+0x[04]/|<- \w")
"""Where a function begins, or ends: what is recorded there is at no other place, as what the kernel does in line is."""
ANYWHERE = re.compile(r"(?:\(|<- )0x|.*\[")
"""Where a function of a module is, which may be loaded anew."""


_PAGES = tuple(f"{name}=" for name in sorted(PAGE_FIELDS))


class Values:
    """What the tokens of one trace mean. ``base`` is where the page array begins, ``base_from`` how that is known."""

    def __init__(self, layout: str, vmemmap_base: int | None) -> None:
        self.layout = layout
        self.base = UNSEEN if vmemmap_base is None else vmemmap_base
        self.base_from = "" if vmemmap_base is None else "given"
        self.line = 0
        self.damaged = 0
        self.damaged_at = 0
        self.faults = 0
        self.refused: list[tuple[int, str]] = []
        self.touched: set[int] = set()
        self._flags: dict[str, int] = {}
        self._mappings: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._pages: dict[str, int] = {}
        self._sites: dict[str, Layout] = {}

    def _args(self, layout: Layout, tokens: list[str]) -> dict[str, Any]:
        args: dict[str, Any] = {}
        for name, at, field in layout.values:
            token = tokens[at]
            if name == "newpage":
                value = self._pages.get(token)
                args[name] = self._page(token) if value is None else value
            elif name == "new_flags":
                value = self._flags.get(token)
                args[name] = self._flag_word(token) if value is None else value
            else:
                value = layout.tokens.get(token)
                if value is None:
                    layout.fits_field(token, field)
                    value = self._number(token, layout.tokens)
                args[name] = value
        return args

    def _number(self, token: str, cache: dict[str, int], field: str = "") -> int:
        """A number that is no page and no flag word. Raises ValueError for what is none, or another than ``field``."""
        found = number(token)
        if field and not token.startswith(field):
            raise Damaged(f"{shown(token, 40)} is not where {field} must be")
        if found is None:
            self.faults += 1
            self._touch(self.line)
        value = UNSEEN if found is None else found
        if found is None and field != "flags":
            return value  # each of them counts
        if len(cache) > CACHE_LIMIT:
            cache.clear()
        cache[token] = value
        return value

    def _flag_word(self, token: str) -> int:
        """A flags word in the bits of the model. Raises ValueError for what is none."""
        value = self._number(token, self._flags, "nflags" if token[:1] == "n" else "flags")
        if value >= 0:
            value = self._flags[token] = model_flags(value, self.layout)
        return value

    def _page(self, token: str) -> int:
        """The frame that a page pointer means. Raises ValueError for a token that is none."""
        if not token.startswith(_PAGES):
            raise Damaged(f"{shown(token, 40)} is no page")
        pointer = number(token)
        if pointer is None:
            raise Fault(f"{token.rstrip()}: the probe could not read it")
        if self.base < 0:
            self.base, self.base_from = guess_base(pointer)
        pfn, rest = divmod(pointer - self.base, PAGE_STRUCT_BYTES)
        if pfn < 0 and self.base_from == "guessed":
            pfn += BELOW_GUESS  # a machine of more than 64 GiB, and the first page was none of the lowest
        if rest or pfn < 0:
            raise Damaged(f"{token} points to no page")
        if len(self._pages) > CACHE_LIMIT:
            self._pages.clear()
        self._pages[token] = pfn
        return pfn

    def _new_site(self, layout: Layout, rest: str) -> None:
        """Where a function returns from, in a line that is not known."""
        at = rest.find("<- ")
        site = rest[at : rest.find(")", at)] if at >= 0 else ""
        if site and site not in layout.sites:
            self._learn_site(layout, site)

    def _returned(self, layout: Layout, rest: str) -> int | None:
        """The value of a return, in a line that is not known; None where its event shows none.

        Raises Damaged where there is none: without it, nothing is known of the call.
        """
        at = rest.rfind("ret=")
        if at < 0:
            if layout.ret:
                raise Damaged("a return without its value")
            return None
        if not layout.ret:
            layout.ret = True
            self.damaged += layout.count  # so the lines before this one have lost theirs
        token = rest[at:].rstrip()
        found = number(token)
        if found is None:
            raise Fault(f"{token}: the probe could not read it")
        if len(layout.tokens) > CACHE_LIMIT:
            layout.tokens.clear()
        layout.tokens[rest] = found
        return found

    def _refuse(self, why: str) -> None:
        """Count the present line as one that cannot be read, and remember the first of them."""
        self.damaged += 1
        self.damaged_at = self.line
        if len(self.refused) < MAX_DAMAGED_KEPT:
            self.refused.append((self.line, why))
        self._touch(self.line)

    def _touch(self, line: int) -> None:
        """A line is no evidence."""
        if len(self.touched) < CACHE_LIMIT:
            self.touched.add(line)

    def _learn_site(self, layout: Layout, site: str) -> None:
        """Each event is recorded at a place of its own; one in a module may be loaded anew. Raises Damaged for another's place
        where its own is known, or the other's."""
        if len(self._sites) >= SITES_LIMIT:
            return
        other = self._sites.setdefault(site, layout)
        if other is not layout and (layout.sites or (other.count >= LINES_UNTIL_SURE and len(self._sites) > MIN_SITES)):
            raise Damaged(f"{shown(site, 40)} is where {other.kind or 'another event'} is recorded")
        if layout.count >= LINES_UNTIL_SURE and not ANYWHERE.match(site) and all(map(ENTRY.match, layout.sites)):
            if other is layout:
                del self._sites[site]
            raise Damaged(f"{shown(site, 40)} is not where {layout.kind or 'the event'} is recorded")
        layout.sites.add(site)

    def _release_in_doubt(self, task: Task) -> None:
        """Two lines tell of one release. Raises Damaged: they do not say the same, and neither is evidence."""
        self._touch(task.freed_at)
        raise Damaged(f"the page is released in line {task.freed_at} already, with another mapping or flags")
