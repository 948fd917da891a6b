"""Counters: /proc/vmstat, once or before and after, and /sys/block/zramN/mm_stat."""

from __future__ import annotations

import re

from movable.explain.material import Counters, Material, Zram
from movable.explain.paste import Line

_NAMES = re.compile(
    r"(?:nr_|numa_|pg|compact_|thp_|allocstall|kswapd_|slabs_scanned|pswp|oom_kill|workingset_|drop_|unevictable_|balloon_|swap_|htlb_|"
    r"pageoutrun|zone_reclaim|zswp|cma_|ksm_|cow_ksm|direct_map_|vma_lock_|hugetlb_|kstack_|unaccepted|vmalloc|kasan)\w*"
)
_PLAIN = re.compile(r"\s*(?:(?:node|proc)_vmstat_)?([a-z][a-z0-9_]*)(?:\s*[:=]\s*|\s+)(\d{1,20})\s*$")
_LIKE = re.compile(r"\s*[-+<>]?\s*[a-z][a-z0-9_]*(?:\s*[:=]\s*|\s*[-=]>\s*|\s+)[-+]?\d")
_THOUSANDS = re.compile(
    r"(?<=\d),(?=\d{3}(?!\d))|(?<=\d)\.(?=\d{3}\.\d{3}(?!\d))|(?<=\d\.\d{3})\.(?=\d{3}(?!\d))|(?<=\d)['’_](?=\d{3}(?!\d))"
)
_BETWEEN = re.compile(r"(?:\s*(?:[|:=<>→⇒]|->|=>)\s*|\s+)+")
_LABEL = re.compile(r"\s*(?:before|after|old|new|first|last|start|end|t\d)\s*:\s+(?=[a-z]+_\w+)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,3})?%?|\d(?:\.\d+)?e\+?\d{1,2}")
_HEADS = re.compile(
    r"\s*(?:(?:counter|name|metric|event|field|vmstat|key)s?\s+)?(?:before|old|first|start)\s+"
    r"(?:after|new|last|end)(?:\s+(?:diff\w*|delta|change|[^\w\s]+))*\s*",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?:node_vmstat_|proc_vmstat_|vmstat_)?([a-z][a-z0-9_]*)")
_CELLS = re.compile(r"\s*[,;\t]\s*")
_DIFF = re.compile(r"^\s*([-<+>])\s*(?!/?[a-z]{1,12}(?:\s[^<>]*)?>)[a-z]")  # and no tag of HTML
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
        self._place: tuple[str, str, str] | None = None
        self._diff: str | None = None
        self._last: tuple[str, int] | None = None
        self._columns: list[str] = []
        self._beside: Counters | None = None  # the first of two snapshots that stand side by side

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a counter, or several, or a line of mm_stat."""
        if _HEADS.fullmatch(line.text):
            return True
        if "nr_base_pages" in line.text or "stack_count" in line.text:  # of page_owner
            return False
        plain = _PLAIN.match(line.text)
        if plain is not None and plain[1] in ZRAM:
            return _of_zram(line, material, plain[1], int(plain[2]))
        found = [(plain[1], [int(plain[2])])] if plain else _counters(line.text)
        beside = self._last == (line.source, line.number - 1) or self._last == (line.source, line.number)
        if not found or not (beside or any(_NAMES.fullmatch(name) for name, _ in found)):
            return self._cells(line, material) or _mm_stat(line, material)
        self._last = (line.source, line.number)
        for name, values in found:
            self._counter(line, material, name, values)
        return True

    def _counter(self, line: Line, material: Material, name: str, values: list[int]) -> None:
        if len(values) == 1 and self._of_a_diff(line, material, name, values[0]):
            return
        place = (line.source, line.hint, line.machine)
        again = bool(material.counters) and name in material.counters[-1].values and len(values) == 1
        if place != self._place or not material.counters or again:
            material.counters.append(Counters(line))
            self._place = place
        self._add(material, line, name, values)

    def _cells(self, line: Line, material: Material) -> bool:
        """A table of counters with a column for each: its header, and a row for each moment."""
        if not self._columns and "_" not in line.text:
            return False
        cells = _CELLS.split(line.text.strip().lower())
        if sum(1 for cell in cells if _NAMES.fullmatch(cell)) >= 2:
            self._columns = cells
            return True
        if len(cells) != len(self._columns):
            self._columns = []
            return False
        both = zip(self._columns, cells, strict=True)
        values = {name: int(cell[:20]) for name, cell in both if _NAMES.fullmatch(name) and cell.isdecimal()}
        if values:
            material.counters.append(Counters(line, values))
            self._place = None
        return bool(values)

    def _of_a_diff(self, line: Line, material: Material, name: str, value: int) -> bool:
        """A line of a diff belongs before or after; it is one where a line that was taken away came first."""
        mark = _DIFF.match(line.raw)
        side = "" if mark is None else "before" if mark[1] in "-<" else "after"
        if side == "before" and self._diff != line.source:
            self._diff = line.source
            around = material.counters and material.counters[-1].line.source == line.source
            before = material.counters.pop() if around else Counters(line)
            material.counters += [before, Counters(line, dict(before.values))]
            self._place = None
        if self._diff != line.source:
            return False
        if not side and line.raw[:1] != " ":
            return False
        if not side:  # what a diff shows around is the same before and after
            material.counters[-2].values[name] = material.counters[-1].values[name] = value
            return True
        material.counters[-2 if side == "before" else -1].values[name] = value
        return True

    def _add(self, material: Material, line: Line, name: str, values: list[int]) -> None:
        """One number, or two side by side: before and after."""
        if len(values) == 1:
            material.counters[-1].values[name] = values[0]
            return
        if self._beside is None or self._beside is not material.counters[-2]:
            last = material.counters[-1]
            self._beside = Counters(last.line) if last.values else last
            material.counters += [self._beside, Counters(line)] if last.values else [Counters(line)]
        material.counters[-2].values[name], material.counters[-1].values[name] = values


def _counters(text: str) -> list[tuple[str, list[int]]]:
    """Names with a number each, or with two: before and after, whatever stands between them and whether their difference follows.

    Empty where there is anything else.
    """
    text = text.replace('"', " ").replace("`", " ").replace("(+", " ").rstrip(" ,)")
    label = _LABEL.match(text)
    text = text[label.end() :] if label is not None else text
    if _LIKE.match(text) is None:
        return []
    found: list[tuple[str, list[int]]] = []
    for word in _BETWEEN.split(_THOUSANDS.sub("", text).strip(" -+<>|")):
        name = _WORD.fullmatch(word)
        if name is not None:
            found.append((name[1], []))
        elif _NUMBER.fullmatch(word) and found:
            found[-1][1].append(int(float(word.rstrip("%"))))
        else:
            return []
    if len(found) == 2 and found[0][0] == found[1][0]:
        found = [(found[0][0], found[0][1] + found[1][1])]
    return [(name, values[:2]) for name, values in found] if all(_are_two(values) for _, values in found) else []


def _are_two(values: list[int]) -> bool:
    """Whether numbers are one, or two moments: then a third is what was added, and a fourth a share in per cent."""
    return len(values) in (1, 2) or (len(values) in (3, 4) and values[1] - values[0] in (values[2], -values[2]))


def _of_zram(line: Line, material: Material, name: str, value: int) -> bool:
    """A value of mm_stat with its name, as scripts print them and as older kernels have a file for each."""
    last = material.zram[-1] if material.zram else None
    if last is None or last.line.source != line.source or name in last.values:
        last = Zram(line, {})
        material.zram.append(last)
    last.values = {**last.values, name: value}
    return True


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
