"""The C memory of one machine: pages, what they hold, and everything of the driver's.

There is one arena in a process, and the kit keeps several machines; the one that is used is in it, the others are put aside.
"""

from __future__ import annotations

import ctypes
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any

from movable.c.bridge.pages import STORED, arena, page_class
from movable.c.bridge.runtime import NR_PAGES, PAGE_BYTES, PAGES
from movable.c.build.image import Image
from movable.errors import UsageError
from movable.mm.page import PAGE_SIZE, Page

if TYPE_CHECKING:
    from movable.mm.seam import Seam
    from movable.mm.vm import VM

WORD = 8
_numbers = count(1)
_machines: weakref.WeakValueDictionary[int, Memory] = weakref.WeakValueDictionary()
"""Every machine by its number."""
LRU = 8
"""Where the two links of a page's lru are in its struct, in bytes."""


class Memory:
    """What stands behind the pages of a machine whose driver is C (`VM.backing`)."""

    def __init__(self, vm: VM, image: Image) -> None:
        if vm.nr_frames > NR_PAGES:
            raise UsageError(f"a machine with a C driver has at most {NR_PAGES} frames, and this one has {vm.nr_frames}")
        if vm.backing is not None:
            raise UsageError("this machine has a C driver already; one machine has room for one")
        self.vm = weakref.proxy(vm)
        self.frames = vm.nr_frames
        self.sticky = vm.era.sticky_mark
        self.image = image
        self.runtime = image.runtime
        self.aside: Any = None
        self.arrived: Any = None
        self.number = next(_numbers)
        _machines[self.number] = self
        self.activate()
        self.runtime.lib.k_reset(self.frames)
        self._move_in(vm)

    def _move_in(self, vm: VM) -> None:
        """The pages that there are already, and what they hold."""
        size = self.frames * PAGE_SIZE
        content = self.runtime.content[:size]
        held = [(page, {name: getattr(page, name) for name in STORED}) for page in vm.pages.values()]
        if vm._memory is None:
            ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(content)), 0, size)
        else:
            content[:] = vm._memory
        vm._memory, vm._map = content, None
        vm.backing = self
        vm.page_class = self.page_class(vm.seam)
        for page, values in held:
            page.__class__ = vm.page_class
            for name, value in values.items():
                setattr(page, name, value)

    def page_class(self, seam: Seam | None) -> type[Page]:
        """The class of pages while ``seam`` watches."""
        return page_class(self.sticky, seam is not None)

    def installed(self, seam: Seam | None) -> None:
        """Somebody watches from now on, or nobody any more."""
        if self.arrived is not None:
            self.arrived(seam)

    def activate(self) -> None:
        """Bring this machine's memory into the arena, and put the other's aside.

        Which one is there, the C side knows. It changes in one call; whatever ends this before or after, the next one sees it.
        """
        if arena[0] is self:
            return
        there, swap, sticky = self.runtime.machine, self.runtime.lib.k_swap, int(self.sticky)
        kept, mine = ctypes.c_void_p(self.image.kept), (self, self.runtime.words, self.runtime.halves)
        arena[0] = None
        while (number := there.value) != self.number:
            other = _machines.get(number)
            room, frames = (None, 0) if other is None else (other._room(other.frames), other.frames)
            if there.value != number:  # while room was made, something was cleared away, which brought another one
                continue
            if other is not None:
                other.aside = room
            swap(room, frames, self.aside, self.frames, kept, self.number, sticky)
        arena[:] = mine  # nothing was allocated since the C side was asked, so it is as it was
        self.aside = None

    def _room(self, contents: int) -> Any:
        """Room for all that is in the arena, and for what so many of its pages hold."""
        return ctypes.create_string_buffer(int(self.runtime.lib.k_save(None, self.frames, contents)))

    def _saved(self, contents: int) -> Any:
        """All that is in the arena, and what so many of its pages hold."""
        kept = self._room(contents)
        self.runtime.lib.k_save(kept, self.frames, contents)
        return kept

    @property
    def constant(self) -> tuple[type, ...]:
        """What is the same for every machine, or is put back here."""
        return (Memory, Image, type(self.runtime))

    def keep(self) -> Any:
        """All of it as it is now, for `put_back`, but what pages hold: that is the machine's own."""
        self.activate()
        return self._saved(0)

    def put_back(self, kept: Any) -> None:
        """All of it as it was, but what pages hold."""
        self.activate()
        self.runtime.lib.k_restore(kept, self.frames, 0)

    def peek(self, address: int, size: int = 8, signed: bool = False) -> int:
        """A number in the driver's memory."""
        self.activate()
        return self.runtime.peek(address, size, signed)

    def poke(self, address: int, value: int, size: int) -> None:
        """Write a number into the driver's memory."""
        self.activate()
        self.runtime.poke(address, value, size)

    def words_of(self, page: Page) -> tuple[int, int, int, int]:
        """The number, flags, mapping and references of a page, read together."""
        if arena[0] is not self:
            self.activate()
        pfn, words = page.pfn, self.runtime.words
        at = 8 * pfn
        return pfn, words[at], words[at + 3], self.runtime.halves[at + at + 13]

    def fingerprint(self) -> int:
        """A number for the state of the driver's memory."""
        self.activate()
        self.runtime.lib.k_fingerprint()
        return self.runtime.request[1]

    # where the driver keeps pages

    def snapshot(self) -> object:
        """Lists of pages, and every other place of the driver's that leads to a page, by name."""
        self.activate()
        words = dict(self.runtime.page_words())
        lists, links = self._lists(words)
        rest = [(self.image_name(at), ("page", (to - PAGES) // PAGE_BYTES)) for at, to in words.items() if at not in links]
        found = tuple(sorted((*lists, *rest), key=repr))
        return ("c", found) if found else None

    def _lists(self, words: dict[int, int]) -> tuple[list[tuple[str, object]], set[int]]:
        """Heads of lists that pages are linked to by their lru, and the words that belong to such heads."""
        view = self.runtime.words
        lists: list[tuple[str, object]] = []
        links: set[int] = set()
        for head, first in words.items():
            pages: list[int] = []
            node = first
            while len(pages) <= self.frames:
                pfn, place = divmod(node - PAGES, PAGE_BYTES)
                if place != LRU or not 0 <= pfn < self.frames:
                    break
                pages.append(pfn)
                node = view[(pfn * PAGE_BYTES + LRU) // WORD]
            if pages and node == head:
                name = self.image_name(head)
                lists.append((name, ("list", name, tuple(pages))))
                links |= {head, head + WORD}
        return lists, links

    def image_name(self, address: int) -> str:
        """A name for an address of the driver's, the same in every execution."""
        from movable.c.bridge.keys import name_of

        return name_of(self.image, address)
