"""JSON that scripts of one's own write: lists of free blocks by order, and counters, made lines as the kernel has them."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from movable.mm.gfp import MIGRATETYPE_NAMES

_ZONES = {name.lower(): name for name in ("DMA32", "DMA", "Normal", "HighMem", "Movable", "Device")}
_ZONE = re.compile(rf"(?:zone[\s_-]*)?({'|'.join(_ZONES)})", re.IGNORECASE | re.ASCII)
_NODE = re.compile(r"(?:node|nid|numa)?[\s_-]*(\d{1,4})", re.IGNORECASE)
_ORDER = re.compile(r"(?:order)?[\s_-]*(\d{1,2})", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"\\]*)"')
_NAME = re.compile(r"[a-z][a-z0-9_]{2,60}")
_TYPES = {name.lower(): name for name in MIGRATETYPE_NAMES}
_OPENS, _CLOSES = ("{", "["), ("}", "]")
MOST_TRIES = 40  # lines that a document may begin in
LEAST_ORDERS, MOST_ORDERS, MOST_DEEP = 5, 20, 12


def tables_in(lines: Sequence[str]) -> tuple[set[int], list[tuple[int, str]]]:
    """Which lines (from 0) are of documents of JSON that have free blocks by order, and their tables and counters, numbered from 1.

    Words and fences may stand around them. The number is that of the line with the last key before a table. Both are empty for any
    other text.
    """
    places: set[int] = set()
    tables: list[tuple[int, str]] = []
    starts = [at for at, line in enumerate(lines) if line.lstrip()[:1] in _OPENS][:MOST_TRIES]
    text, offset, line = "\n".join(lines) if starts else "", 0, 0
    for first in starts:
        if first < line:
            continue  # in a document that was read
        offset += sum(len(one) + 1 for one in lines[line:first])
        line = first
        try:
            value, end = json.JSONDecoder().raw_decode(text, offset + len(lines[first]) - len(lines[first].lstrip()))
            found = list(_walk(value, (), MOST_DEEP))
        except (ValueError, RecursionError):
            continue
        last = first + text.count("\n", offset, end)
        if any(one.startswith("Node ") for _, one in found):
            places |= set(range(first, last + 1))
            tables += _numbered(lines, range(first, last + 1), found)
        offset += sum(len(one) + 1 for one in lines[first : last + 1])
        line = last + 1
    return places, tables


def _numbered(lines: Sequence[str], document: range, found: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
    """Tables and counters with the line that each came from."""
    at, numbered = document.start, list[tuple[int, str]]()
    stands: dict[str, list[int]] = {}
    for number in document:
        for key in _QUOTED.findall(lines[number]):
            stands.setdefault(key, []).append(number)
    for key, line in found:
        places = stands.get(key, [])
        later = bisect_left(places, at)
        at = places[later] if later < len(places) else at
        numbered.append((at + 1, line))
    return numbered


def _walk(value: object, path: Sequence[str], deep: int) -> Iterator[tuple[str, str]]:
    """Each table and counter as (the key before it, its line)."""
    if deep == 0:
        return
    counts = _counts(value)
    where = _place(path)
    if counts and where:
        yield path[-1] if path else "", f"{where} {' '.join(map(str, counts))}"
    elif isinstance(value, dict):
        named = [str(value[key]) for key in value if _named(str(key)) and isinstance(value[key], int | str)]
        marks = [f"{key}={value[key]}" for key in value if str(key).lower() in ("node", "nid", "node_id", "numa_node")]
        for key, one in value.items():
            if isinstance(one, dict | list):
                yield from _walk(one, (*path, *marks, *named, str(key)), deep - 1)
            elif isinstance(one, int) and not isinstance(one, bool) and _NAME.fullmatch(str(key)) and "_" in str(key):
                yield str(key), f"{key} {one}"
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, path, deep - 1)


def _named(key: str) -> bool:
    return key.lower() in ("zone", "zone_name", "name", "type", "migratetype", "migrate_type")


def _counts(value: object) -> list[int]:
    """Counts by order: a list of numbers, or an object whose keys are orders, where one left out has none. Else empty."""
    if isinstance(value, dict):
        orders = {int(found[1]): one for key, one in value.items() if (found := _ORDER.fullmatch(str(key)))}
        if len(orders) < max(len(value), LEAST_ORDERS):
            return []
        value = [orders.get(order, 0) for order in range(max(orders) + 1)]
    if not isinstance(value, list) or not LEAST_ORDERS <= len(value) <= MOST_ORDERS:
        return []
    return value if all(type(one) is int and one >= 0 for one in value) else []


def _place(path: Sequence[str]) -> str:
    """Node, zone and perhaps migratetype that keys and names around a table tell; "" where no zone is told."""
    named = ((at, _ZONES[found[1].lower()]) for at, key in enumerate(path) if (found := _ZONE.fullmatch(key)))
    at, zone = next(named, (-1, ""))
    if not zone:
        return ""
    node = next((found[1] for key in reversed(path) if (found := _NODE.fullmatch(key.rpartition("=")[2]))), "0")
    kind = next((_TYPES[key.lower()] for key in path[at + 1 :] if key.lower() in _TYPES), "")
    return f"Node {node}, zone {zone}" + (f", type {kind}" if kind else "")
