"""Owners of movable pages: a table of operations, or before 6.0 the mapping of an inode, each known to the core by its address."""

from __future__ import annotations

from errno import EBUSY, EINVAL
from typing import TYPE_CHECKING, Any

from movable.c.bridge.errors import memory_error
from movable.c.bridge.runtime import PAGE_BYTES, PAGES
from movable.errors import ListCorruption, VMBug
from movable.mm.address_space import AddressSpace
from movable.mm.movable_ops import TYPE_SHIFT

if TYPE_CHECKING:
    from movable.c.bridge.calls import Bridge
    from movable.c.build.image import Line
    from movable.mm.page import Page

POISON1, POISON2 = 0xDEAD000000000600, 0xDEAD000000000622
"""What the list node of a page holds while the core has it."""


class Callbacks:
    """The three functions of one owner."""

    def __init__(self, spaces: Spaces, address: int, with_mapping: bool) -> None:
        self._spaces = spaces
        self._address = address
        self._with_mapping = with_mapping

    def functions(self) -> tuple[int, int, int]:
        """Their addresses. Raises VMBug where the table is gone."""
        memory, table = self._spaces.bridge.memory, self._address
        readable = self._spaces.bridge.memory_readable
        if self._with_mapping and readable(table):
            table = memory.peek(table + 8)
        if not readable(table):
            raise VMBug(
                "D41", f"the operations at {self._address:#x} are in memory that was freed", "the owner to outlive its pages"
            )
        return memory.peek(table), memory.peek(table + 8), memory.peek(table + 16)

    def isolate_page(self, page: Page, mode: int) -> bool:
        """The driver's isolate_page; on true the node must be free for the core."""
        answer = bool(self._spaces.bridge.call(self.functions()[0], (_at(page), mode)) & 0xFF)
        if answer:
            self._spaces.let_go(page)
        return answer

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        """The driver's migratepage, or migrate_page: the source says which, whatever kernel the machine is."""
        return self.migrate_page(newpage, page, mode)

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        """The same in the form of later kernels."""
        arguments = (_at(newpage), _at(page), mode)
        if self._with_mapping:
            arguments = (self._address, *arguments)  # type: ignore[assignment]
        answer = self._spaces.bridge.call(self.functions()[1], arguments) & 0xFFFFFFFF
        return answer - (1 << 32) if answer >> 31 else answer

    def putback_page(self, page: Page) -> None:
        """The driver's putback_page."""
        words = self._spaces.words()
        words[page.pfn * 8 + 1] = words[page.pfn * 8 + 2] = 0
        self._spaces.bridge.call(self.functions()[2], (_at(page),))


def _at(page: Page) -> int:
    return PAGES + page.pfn * PAGE_BYTES


class Spaces:
    """The owners that one driver has named so far."""

    def __init__(self, bridge: Bridge, host: Any) -> None:
        self.bridge = bridge
        self.host = host
        self.known: dict[int, AddressSpace] = {}

    def words(self) -> Any:
        """Struct pages, by words of eight bytes."""
        self.bridge.memory.activate()
        return self.bridge.runtime.words

    def register(self, address: int, page_type: str, line: Line) -> int:
        """set_movable_ops: operations for a page type, or none; 0, -EINVAL, -EBUSY. One table may serve both types."""
        vm = self.bridge.vm
        if page_type not in vm.era.movable_types:
            return -EINVAL
        word = vm.era.page_types[page_type]
        taken = vm.movable_ops.get(word >> TYPE_SHIFT)
        if not address:
            if taken is not None:
                self.free(taken.addr)
            return 0
        if taken is not None:
            return -EBUSY
        mapping = self.space(address, False, line, 8 if address in self.known else 0)
        mapping.page_type = word
        vm.movable_ops[word >> TYPE_SHIFT] = mapping
        return 0

    def space(self, address: int, with_mapping: bool, line: Line, aside: int = 0) -> AddressSpace:
        """The owner at an address, made known to the core at its first use, ``aside`` bytes on where another has that address."""
        known_as = address + aside
        found = self.known.get(known_as)
        if found is not None:
            return found
        if not self.bridge.memory_readable(address):
            raise memory_error("D46", f"names {address & (1 << 64) - 1:#x} as a page's owner", "operations in living memory", line)
        callbacks = Callbacks(self, address, with_mapping)
        ops = self.bridge.vm.binder(callbacks, self.bridge.vm.era)
        for name, function in zip(ops._fields, callbacks.functions(), strict=True):
            if not function:
                ops = ops._replace(**{name: None})
        found = self.known[known_as] = AddressSpace(known_as, self.bridge.name(address), ops, self.host)
        self.bridge.vm.address_spaces[known_as] = found
        return found

    def free(self, address: int) -> None:
        """An owner goes."""
        found = self.known.pop(address, None)
        if found is not None and self.bridge.vm.address_spaces.get(address) is found:
            self.bridge.vm.free_address_space(found)

    def free_all(self) -> None:
        """The driver goes, and its owners with it."""
        for address in list(self.known):
            self.free(address)

    def let_go(self, page: Page) -> None:
        """isolate_page answered true: the node must be on no list of the driver's, for the core takes it."""
        words = self.words()
        node = _at(page) + 8
        for place, other in ((1, 8), (2, 0)):  # the next one's prev, the previous one's next
            neighbour = words[page.pfn * 8 + place]
            if (
                neighbour in (0, node)
                or not self.bridge.memory_readable(neighbour)
                or not self.bridge.memory_readable(neighbour + other)
            ):
                continue
            if self.bridge.memory.peek(neighbour + other) == node:
                raise ListCorruption("D12", "isolate_page returned true with the page still on a list of the driver's",
                                     "an unlinked page", page)  # fmt: skip
        words[page.pfn * 8 + 1], words[page.pfn * 8 + 2] = POISON1, POISON2
