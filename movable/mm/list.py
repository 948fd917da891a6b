"""Intrusive doubly linked lists with corruption checks (include/linux/list.h, lib/list_debug.c).

A page carries one node, ``page.lru``; whoever holds the page lends that node to one list at a time. A node remembers the
list that it is on, so that a page on the wrong list can be named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from movable.errors import ListCorruption

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.seam import Seam


SLOTS = ("_list", "_next", "_prev", "name", "owner", "seam")


class ListHead:
    """A node, or the head of a list (struct list_head).

    ``owner`` is the page that the node belongs to, None for a head. ``list`` is the head that the node is linked to, None
    while it is unlinked. ``name`` is what reports call a head. A new node is linked to itself. ``seam`` is that of its page for
    a node, and is set on heads that tasks share while somebody watches: then looking at the list is a scheduling point too.
    This module uses the underscored names of the links, which are the same storage: see `WatchedHead`.
    """

    __slots__ = SLOTS

    if TYPE_CHECKING:
        list: ListHead | None
        next: ListHead
        prev: ListHead

    def __init__(self, name: str = "list", owner: Page | None = None) -> None:
        self._next: ListHead = self
        self._prev: ListHead = self
        self.owner = owner
        self._list: ListHead | None = None
        self.name = name
        self.seam: Seam | None = None if owner is None else owner.seam

    def __iter__(self) -> Iterator[Page]:
        """The pages of the list, in order; safe against removal of the page just yielded."""
        if self.seam is not None:
            self.seam.list_read(self)
        node = self._next
        while node is not self:
            if node is LIST_POISON:
                raise ListCorruption("D12", f"list {self.name!r} runs into a poisoned node", "linked nodes")
            following = node._next
            if following._prev is not node and following is not LIST_POISON:
                raise ListCorruption("D12", f"links of {self.name!r} disagree", "next and prev to match", node.owner)
            page = node.owner
            if page is None:
                raise ListCorruption("D12", f"list {self.name!r} runs into another list's head", "nodes of pages")
            yield page
            if self.seam is not None:
                self.seam.list_read(self)
            node = following

    def __len__(self) -> int:
        """How many pages the list holds (walks it; for tests and reports)."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """True while something is linked."""
        if self.seam is not None:
            self.seam.list_read(self)
        return self._next is not self

    def __repr__(self) -> str:
        return f"<node of {self.owner!r}>" if self.owner is not None else f"<list {self.name!r}>"


for _name in ("list", "next", "prev"):
    setattr(ListHead, _name, ListHead.__dict__["_" + _name])  # the same slot under both names: no cost in a plain run


class WatchedHead(ListHead):
    """A head or a node that tasks share while somebody watches: a look at its links is a scheduling point. Same storage."""

    __slots__ = ()

    def _seen(self, write: bool) -> None:
        if self.seam is not None:
            (self.seam.list_access if write else self.seam.list_read)(self)


def _watched(name: str) -> property:
    slot = ListHead.__dict__["_" + name]

    def read(node: WatchedHead) -> Any:
        node._seen(False)
        return slot.__get__(node)

    def write(node: WatchedHead, value: Any) -> None:
        node._seen(True)
        slot.__set__(node, value)

    return property(read, write)


for _name in ("list", "next", "prev"):
    setattr(WatchedHead, _name, _watched(_name))


def watch(head: ListHead, seam: Seam) -> None:
    """From now on looking at the list, or at the node, is a point of ``seam``."""
    head.seam = seam
    head.__class__ = WatchedHead


LIST_POISON = ListHead("poison")
"""What the links of a deleted node lead to (LIST_POISON1 and LIST_POISON2 of include/linux/poison.h)."""


def _refuse(node: ListHead, head: ListHead) -> NoReturn:
    where = node._list.name if node._list is not None else "none"
    raise ListCorruption("D12", f"added to {head.name!r} while on {where!r}", "an unlinked node", node.owner)


def _disagree(node: ListHead, head: ListHead) -> NoReturn:
    raise ListCorruption("D12", f"links of {head.name!r} disagree", "next and prev to match", node.owner)


def _join(node: ListHead, head: ListHead, seam: Seam) -> None:
    """What comes before a node is linked, where somebody watches: two locations change, so there are two steps.

    Each takes effect before the next one is announced, or others would see the effect of a step that is not theirs to see.
    """
    seam.list_access(node)
    if node._list is not None:
        _refuse(node, head)
    node._list = head
    seam.list_access(head)


def _leave(node: ListHead, seam: Seam) -> ListHead | None:
    """What comes before a node is unlinked, as in `_join`; returns the list that it leaves."""
    seam.list_access(node)
    head = node._list
    if head is not None:
        node._list = None
        seam.list_access(head)
    return head


def list_add(node: ListHead, head: ListHead) -> None:
    """Link ``node`` in front of ``head``'s first entry. Raises ListCorruption when the node is on a list already."""
    if node.seam is not None:
        _join(node, head, node.seam)
    elif node._list is not None:
        _refuse(node, head)
    following = head._next
    if following._prev is not head:
        _disagree(node, head)
    following._prev = node
    node._next = following
    node._prev = head
    node._list = head
    head._next = node


def list_add_tail(node: ListHead, head: ListHead) -> None:
    """Link ``node`` behind ``head``'s last entry. Raises ListCorruption when the node is on a list already."""
    if node.seam is not None:
        _join(node, head, node.seam)
    elif node._list is not None:
        _refuse(node, head)
    prev = head._prev
    if prev._next is not head:
        _disagree(node, head)
    prev._next = node
    node._next = head
    node._prev = prev
    node._list = head
    head._prev = node


def list_add_after(node: ListHead, entry: ListHead) -> None:
    """Link ``node`` right behind ``entry``, which is on a list (list_add with an entry as its head)."""
    if entry.seam is not None:
        entry.seam.list_read(entry)
    head = entry._list
    if head is None:
        raise ListCorruption("D12", "added behind a node that is on no list", "a linked node", node.owner)
    if node.seam is not None:
        _join(node, head, node.seam)
    elif node._list is not None:
        _refuse(node, head)
    following = entry._next
    if following._prev is not entry:
        _disagree(node, head)
    following._prev = node
    node._next = following
    node._prev = entry
    node._list = head
    entry._next = node


def list_del(node: ListHead) -> None:
    """Unlink ``node`` and poison its links. Raises ListCorruption when it is on no list, or its neighbours disagree."""
    head = node._list if node.seam is None else _leave(node, node.seam)
    if head is None:
        raise ListCorruption("D12", "removed while on no list", "a linked node", node.owner)
    prev, following = node._prev, node._next
    if prev._next is not node or following._prev is not node:
        _disagree(node, head)
    following._prev = prev
    prev._next = following
    node._next = node._prev = LIST_POISON
    node._list = None


def list_move(node: ListHead, head: ListHead) -> None:
    """Unlink ``node`` from its list and link it in front of ``head``'s first entry."""
    list_del(node)
    list_add(node, head)


def list_empty(node: ListHead) -> bool:
    """True for a head with no entries, and for a node that is on no list."""
    if node.seam is not None:
        node.seam.list_read(node)
    return node._next is node if node.owner is None else node._list is None


def list_name(node: ListHead) -> str:
    """The name of the list that ``node`` is linked to, "" while it is on none. Nobody sees the look: for events and reports."""
    return "" if node._list is None else node._list.name


def list_first(head: ListHead) -> Page | None:
    """The page of the first entry, or None (list_first_entry_or_null)."""
    if head.seam is not None:
        head.seam.list_read(head)
    return head._next.owner


def list_splice_init(source: ListHead, head: ListHead) -> None:
    """Move every entry of ``source`` in front of ``head``'s first entry, in order; ``source`` becomes empty."""
    for page in reversed(list(source)):
        list_move(page.lru, head)
