"""Counters: /proc/vmstat, once or before and after, and /sys/block/zramN/mm_stat."""

from __future__ import annotations

import re

from movable.explain.material import Counters, Material, Zram
from movable.explain.paste import Line

_NAMES = re.compile(
    r"(?:nr_|numa_|pg|compact_|thp_|allocstall|kswapd_|slabs_scanned|pswp|oom_kill|workingset_|drop_|unevictable_|balloon_|swap_|htlb_|"
    r"pageoutrun|zone_reclaim|zswp|cma_|ksm_|cow_ksm|direct_map_|vma_lock_|hugetlb_|kstack_|unaccepted|vmalloc|kasan)\w*"
)
_COUNTER = re.compile(r"^\s*[-+<]?\s*([a-z][a-z0-9_]*)(?:\s*[:=]\s*|\s+)(\d{1,20})(?:\s*(?:->|=>|\s)\s*(\d{1,20}))?\s*$")
_DIFF = re.compile(r"^\s*([-<+>])\s*[a-z]")
_NUMBERS = re.compile(r"^\s*(\d+(?:\s+\d+){6,8})\s*$")
ZRAM = (
    "orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "same_pages", "pages_compacted",
    "huge_pages", "huge_pages_since",
)  # fmt: skip


class Snapshots:
    """Reads counters. A name that comes again, another file or another command begins the next snapshot.

    A name that no kernel known here has is one where it stands right behind another counter.
    """

    def __init__(self) -> None:
        self._place: tuple[str, str] | None = None
        self._diff: str | None = None
        self._last: tuple[str, int] | None = None

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a counter, or a line of mm_stat."""
        found = _COUNTER.match(line.text)
        if found is None or not (_NAMES.fullmatch(found[1]) or self._last == (line.source, line.number - 1)):
            return _mm_stat(line, material)
        self._last = (line.source, line.number)
        if found[3] is None and self._of_a_diff(line, material, found[1], int(found[2])):
            return True
        place = (line.source, line.hint)
        if place != self._place or not material.counters or (found[1] in material.counters[-1].values and found[3] is None):
            material.counters.append(Counters(line))
            self._place = place
        self._add(material, line, found[1], [int(number) for number in found.groups()[1:] if number])
        return True

    def _of_a_diff(self, line: Line, material: Material, name: str, value: int) -> bool:
        """A line of a diff belongs before or after; it is one where a line that was taken away came first."""
        mark = _DIFF.match(line.raw)
        side = "" if mark is None else "before" if mark[1] in "-<" else "after"
        if side == "before" and self._diff != line.source:
            self._diff = line.source
            material.counters += [Counters(line), Counters(line)]
            self._place = None
        if not side or self._diff != line.source:
            return False
        material.counters[-2 if side == "before" else -1].values[name] = value
        return True

    def _add(self, material: Material, line: Line, name: str, values: list[int]) -> None:
        """One number, or two side by side: before and after."""
        if len(values) == 1:
            material.counters[-1].values[name] = values[0]
            return
        if len(material.counters) < 2 or material.counters[-2].line.source != line.source:
            material.counters.append(Counters(line))
        material.counters[-2].values[name], material.counters[-1].values[name] = values


def _mm_stat(line: Line, material: Material) -> bool:
    """Seven to nine numbers that can only be mm_stat: bytes in whole pages, and less stored than was given."""
    found = _NUMBERS.match(line.text)
    if found is None:
        return False
    values = dict(zip(ZRAM, (int(word[:20]) for word in found[1].split()), strict=False))
    likely = values["orig_data_size"] % 4096 == 0 and values["mem_used_total"] % 4096 == 0
    likely = likely and values["mem_used_total"] <= values["mem_used_max"] and values["compr_data_size"] <= values["orig_data_size"]
    if not likely and "mm_stat" not in line.hint:
        return False
    material.zram.append(Zram(line, values))
    return True
