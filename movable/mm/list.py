"""Intrusive doubly linked lists with corruption checks (include/linux/list.h, lib/list_debug.c).

A page carries one node, ``page.lru``; whoever holds the page lends that node to one list at a time. A node remembers the
list that it is on, so that a page on the wrong list can be named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from movable.errors import ListCorruption

if TYPE_CHECKING:
    from movable.mm.page import Page
    from movable.mm.steps import Seam


class ListHead:
    """A node, or the head of a list (struct list_head).

    ``owner`` is the page that the node belongs to, None for a head. ``list`` is the head that the node is linked to, None
    while it is unlinked. ``name`` is what reports call a head. A new node is linked to itself. ``seam`` is that of its page for
    a node, and is set on heads that tasks share while somebody watches: then looking at the list is a scheduling point too.
    """

    __slots__ = ("list", "name", "next", "owner", "prev", "seam")

    def __init__(self, name: str = "list", owner: Page | None = None) -> None:
        self.next: ListHead = self
        self.prev: ListHead = self
        self.owner = owner
        self.list: ListHead | None = None
        self.name = name
        self.seam: Seam | None = None if owner is None else owner.seam

    def __iter__(self) -> Iterator[Page]:
        """The pages of the list, in order; safe against removal of the page just yielded."""
        if self.seam is not None:
            self.seam.list_read(self)
        node = self.next
        while node is not self:
            if node is LIST_POISON:
                raise ListCorruption("D12", f"list {self.name!r} runs into a poisoned node", "linked nodes")
            following = node.next
            if following.prev is not node and following is not LIST_POISON:
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
        return self.next is not self

    def __repr__(self) -> str:
        return f"<node of {self.owner!r}>" if self.owner is not None else f"<list {self.name!r}>"


LIST_POISON = ListHead("poison")
"""What the links of a deleted node lead to (LIST_POISON1 and LIST_POISON2 of include/linux/poison.h)."""


def _refuse(node: ListHead, head: ListHead) -> NoReturn:
    if node.list is not None:
        raise ListCorruption("D12", f"added to {head.name!r} while on {node.list.name!r}", "an unlinked node", node.owner)
    raise ListCorruption("D12", f"links of {head.name!r} disagree", "next and prev to match", node.owner)


def list_add(node: ListHead, head: ListHead) -> None:
    """Link ``node`` in front of ``head``'s first entry. Raises ListCorruption when the node is on a list already."""
    if node.seam is not None:
        node.seam.list_access(head)
    following = head.next
    if node.list is not None or following.prev is not head:
        _refuse(node, head)
    following.prev = node
    node.next = following
    node.prev = head
    node.list = head
    head.next = node


def list_add_tail(node: ListHead, head: ListHead) -> None:
    """Link ``node`` behind ``head``'s last entry. Raises ListCorruption when the node is on a list already."""
    if node.seam is not None:
        node.seam.list_access(head)
    prev = head.prev
    if node.list is not None or prev.next is not head:
        _refuse(node, head)
    prev.next = node
    node.next = head
    node.prev = prev
    node.list = head
    head.prev = node


def list_add_after(node: ListHead, entry: ListHead) -> None:
    """Link ``node`` right behind ``entry``, which is on a list (list_add with an entry as its head)."""
    if entry.list is None:
        raise ListCorruption("D12", "added behind a node that is on no list", "a linked node", node.owner)
    if node.seam is not None:
        node.seam.list_access(entry.list)
    following = entry.next
    if node.list is not None or following.prev is not entry:
        _refuse(node, entry.list)
    following.prev = node
    node.next = following
    node.prev = entry
    node.list = entry.list
    entry.next = node


def list_del(node: ListHead) -> None:
    """Unlink ``node`` and poison its links. Raises ListCorruption when it is on no list, or its neighbours disagree."""
    head = node.list
    if head is None:
        raise ListCorruption("D12", "removed while on no list", "a linked node", node.owner)
    if node.seam is not None:
        node.seam.list_access(head)
    prev, following = node.prev, node.next
    if prev.next is not node or following.prev is not node:
        raise ListCorruption("D12", f"links of {head.name!r} disagree", "next and prev to match", node.owner)
    following.prev = prev
    prev.next = following
    node.next = node.prev = LIST_POISON
    node.list = None


def list_move(node: ListHead, head: ListHead) -> None:
    """Unlink ``node`` from its list and link it in front of ``head``'s first entry."""
    list_del(node)
    list_add(node, head)


def list_empty(node: ListHead) -> bool:
    """True for a head with no entries, and for a node that is on no list."""
    if node.owner is not None:
        return node.list is None
    if node.seam is not None:
        node.seam.list_read(node)
    return node.next is node


def list_name(node: ListHead) -> str:
    """The name of the list that ``node`` is linked to, "" while it is on none."""
    return "" if node.list is None else node.list.name


def list_first(head: ListHead) -> Page | None:
    """The page of the first entry, or None (list_first_entry_or_null)."""
    if head.seam is not None:
        head.seam.list_read(head)
    return head.next.owner


def list_splice_init(source: ListHead, head: ListHead) -> None:
    """Move every entry of ``source`` in front of ``head``'s first entry, in order; ``source`` becomes empty."""
    for page in reversed(list(source)):
        list_move(page.lru, head)
