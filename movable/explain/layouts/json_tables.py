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
MOST_WORDS_BEFORE = 20  # lines before a document
LEAST_ORDERS, MOST_ORDERS, MOST_DEEP = 5, 20, 12


def tables_in(lines: Sequence[str]) -> tuple[range, list[tuple[int, str]]]:
    """Where the lines are a document of JSON that has free blocks by order, and its tables and counters as numbered lines (from 1).

    Words and fences may stand around it. The number is that of the line with the last key before a table. Both are empty for any
    other text.
    """
    nothing: tuple[range, list[tuple[int, str]]] = range(0), []
    first = next((at for at, line in enumerate(lines) if line.lstrip()[:1] in _OPENS), -1)
    end = next((at for at in range(len(lines) - 1, first, -1) if lines[at].rstrip()[-1:] in _CLOSES), first) if first >= 0 else -1
    if first < 0 or first > MOST_WORDS_BEFORE:
        return nothing
    try:
        found = list(_walk(json.loads("\n".join(lines[first : end + 1])), (), MOST_DEEP))
    except (ValueError, RecursionError):
        return nothing
    if not any(line.startswith("Node ") for _, line in found):
        return nothing
    at, numbered = first, []
    stands: dict[str, list[int]] = {}
    for number in range(first, end + 1):
        for key in _QUOTED.findall(lines[number]):
            stands.setdefault(key, []).append(number)
    for key, line in found:
        places = stands.get(key, [])
        later = bisect_left(places, at)
        at = places[later] if later < len(places) else at
        numbered.append((at + 1, line))
    return range(first, end + 1), numbered


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
