"""Sets of nodes as integers, bit N for node N, and what the kernel does with them (include/linux/nodemask.h, lib/bitmap.c).

Plain integers, so that ``&``, ``|``, ``~`` and ``bit_count`` say what nodes_and, nodes_or, nodes_complement and nodes_weight do.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_NUMNODES = 1024
"""How many nodes a mask has room for (CONFIG_NODES_SHIFT 10)."""
NUMA_NO_NODE = -1


def nodes(mask: int) -> Iterator[int]:
    """The nodes of a mask, lowest first (for_each_node_mask)."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def first_node(mask: int) -> int:
    """The lowest node of a mask, MAX_NUMNODES for an empty one."""
    return (mask & -mask).bit_length() - 1 if mask else MAX_NUMNODES


def nth_node(mask: int, n: int) -> int:
    """The node at position ``n`` of a mask, counted from 0 and modulo its weight."""
    for _ in range(n % mask.bit_count()):
        mask &= mask - 1
    return first_node(mask)


def position(mask: int, node: int) -> int:
    """How many nodes of ``mask`` are below ``node``, -1 when it is not in the mask (bitmap_pos_to_ord)."""
    return (mask & ((1 << node) - 1)).bit_count() if mask >> node & 1 else -1


def node_remap(node: int, old: int, new: int) -> int:
    """The node of ``new`` at the position that ``node`` has in ``old``; itself when it is not in ``old`` (bitmap_bitremap)."""
    place = position(old, node)
    return node if place < 0 or not new else nth_node(new, place)


def nodes_remap(mask: int, old: int, new: int) -> int:
    """Each node of a mask by ``node_remap`` (bitmap_remap)."""
    result = 0
    for node in nodes(mask):
        result |= 1 << node_remap(node, old, new)
    return result


def relative_nodemask(mask: int, allowed: int) -> int:
    """What a mask means relative to ``allowed``: bit b is the allowed node at position b, modulo (mpol_relative_nodemask)."""
    result = 0
    if allowed:
        for node in nodes(mask):
            result |= 1 << nth_node(allowed, node)
    return result


def format_nodelist(mask: int) -> str:
    """A mask in words, such as ``0-2,5``; "" for an empty one (the %*pbl of the kernel's printf)."""
    parts = []
    rest = list(nodes(mask))
    while rest:
        run = 1
        while run < len(rest) and rest[run] == rest[0] + run:
            run += 1
        parts.append(str(rest[0]) if run == 1 else f"{rest[0]}-{rest[run - 1]}")
        del rest[:run]
    return ",".join(parts)


def parse_nodelist(text: str) -> int:
    """The mask that a list such as ``0-2,5`` or ``0-7:1/2`` means (bitmap_parselist).

    Empty parts are nothing; ``all`` and ``N`` (the last node) are known. Raises ValueError for what is no list, OverflowError
    for a node that no mask has room for.
    """
    mask = 0
    for part in text.replace("\n", ",").replace(" ", ",").replace("\t", ",").split(","):
        if part:
            mask |= _parse_range(part)
    return mask


def _parse_range(text: str) -> int:
    bounds, colon, pattern = text.partition(":")
    used = group = 0
    if colon:
        first, slash, second = pattern.partition("/")
        used, group = _number(first), _number(second)
        if not slash or not group or used > group:
            raise ValueError(text)
    if bounds.lower() == "all":
        start, end = 0, MAX_NUMNODES - 1
    else:
        low, dash, high = bounds.partition("-")
        if colon and not dash:
            raise ValueError(text)
        start = _number(low)
        end = _number(high) if dash else start
    if start > end:
        raise ValueError(text)
    if end >= MAX_NUMNODES:
        raise OverflowError(text)
    return sum(1 << node for node in range(start, end + 1) if not group or (node - start) % group < used)


def _number(text: str) -> int:
    if text == "N":
        return MAX_NUMNODES - 1
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    number = int(text[:12])
    if number >= 1 << 32:
        raise OverflowError(text)
    return number
