"""Figures of tools that say how a machine does, not how its free memory lies: free, sar, vmstat, slabs, pressure, zswap, sysfs.

Each table has a header that names its columns; each row becomes a ``Figure`` with those names.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TypeVar

from movable.explain.guarded import Guarded
from movable.explain.material import Figure, FreeBlocks, Marks, Material
from movable.explain.paste import Line
from movable.explain.readers.tools import free

Row = TypeVar("Row", FreeBlocks, Marks)
_TIME = re.compile(r"\d\d:\d\d(?::\d\d)?")
_SYSTEM = re.compile(r"^\s*Linux \S+ \(\S+\)\s")
_SAR = {"pgscand/s", "pgscank/s", "pswpin/s", "pswpout/s", "kbmemfree", "kbhugfree", "kbswpfree", "%vmeff", "majflt/s"}
_SLABS = ({"Cache", "Num", "Total", "Size", "Pages"}, {"OBJS", "ACTIVE", "SLABS", "NAME"}, {"Name", "Used", "Total"})
_SLAB = re.compile(
    r"^\s*([^\s:](?:\S*[^\s:])?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)(?:\s+(\d+)\s+:\s+tunables.*:\s+slabdata\s+(\d+)\s+(\d+).*)?$"
)
_SLAB_TOP = re.compile(r"^\s*(?:\d+\s+\d+\s+\d+%\s+[\d.]+[KM]?\s+\d+\s+\d+\s+(\d+)K\s+(\S+)|(\S+)\s+\d+KB\s+(\d+)KB)\s*$")
_PRESSURE = re.compile(r"^\s*(some|full)\s+avg10=([\d.]+)\s+avg60=([\d.]+)\s+avg300=([\d.]+)\s+total=(\d+)")
_PAGE_TYPE = re.compile(r"^\s*0x[0-9a-f]{16}\s+(\d+)\s+\d+\s+[A-Za-z_:]+(?:\s+(\S+))?\s*$")
_FRAME_RUN = re.compile(r"^\s*(?:[0-9a-f]{1,16}\s+)?([0-9a-f]{1,12})\s+([0-9a-f]{1,12})\s+([A-Za-z_]{40,80})\s*$")
_FRAMES = re.compile(r"^\s*(?:voffset\s+)?offset\s+len\s+flags\s*$")
_AROUND_SAMPLES = re.compile(r"^\s*(?:Samples: \S+ of event |Overhead\s+(?:Shared Object|Command)\b|\d+\.\d+ ?%\s.*\[\.\]\s)")
_ALLOCATED = re.compile(r"^\s*(\d{1,19}|[\d.]{1,12} ?[KMGT]?i?B)\s+(\d{1,15}) (\S+\.[ch]:\d+)(?: \[(\w+)\])? func:(\w+)\s*$")
_ALLOCATIONS = re.compile(r"^\s*allocinfo - version: |^\s*#\s+<size>\s+<calls>")
_HUGE_POOL = Guarded(
    r"HugeTLB: allocating (\d+) of page size (\S+ \S+) failed(?: node\d+)?\.\s+Only allocated (\d+) hugepages"
)
_HUGE_NEWS = Guarded(
    r"\bHugeTLB:? (?:registered|\d+ KiB vmemmap|support|overcommit|total)|\bhugetlb_cma: |"
    r"\bmin_free_kbytes (?:is not updated|from)|"
    r"\bhugepages?: .*(?:reserved|free)|\braising min_free_kbytes"
)
_PATH = Guarded(r"/sys/(?:kernel/(?:mm|debug)|devices/system|block|module)/(\S+)$")
_VALUE = re.compile(r"^\s*(-?\d{1,20})(?:kB)?\s*$")
_KB = r"(\d{1,15}(?:[.,]\d{1,6})?)"
_TOP = re.compile(
    rf"^\s*([KMGT])i?B (Mem|Swap)\s*:\s+{_KB}[+ ]*total,\s+{_KB}[+ ]*free,\s+{_KB}[+ ]*used[,.](?:\s+{_KB} buff/cache)?"
)
_WORD = re.compile(r"^\s*([A-Za-z][\w+-]{0,40}|(?:(?:DMA|DMA32|Normal|HighMem|Movable|none|None)\s*){1,4})\s*$")
_EXPORTED = re.compile(r"^\s*(?:node|proc)_(?!vmstat)(\w+?)(?:\{(.*)\})?\s+(-?[\d.]+(?:e[+-]?\d+)?)(?:\s+\d{10,})?\s*$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_BUCKET = re.compile(r"^\s*(?:[\[(]-?\d+[KMGT]?(?:,\s*(?:-?\d+[KMGT]?|\.\.\.))?[\])]|\d+ -> \d+\s*:)\s+(\d+)\s*\|[@* ]*\|\s*$")
_MAP = re.compile(r"^\s*@(\w*)(?:\[([^\]]*)\])?:\s*$")
_STATUS = re.compile(
    r"^\s*(Vm(?:Peak|Size|Lck|Pin|HWM|RSS|Data|Stk|Exe|Lib|PTE|PMD|Swap)|Rss(?:Anon|File|Shmem)|HugetlbPages|THP_enabled):\s+(\d{1,18})"
    r"(?: kB)?\s*$"
)
_VMWARE = re.compile(r"^\s*(target|current):\s+(\d{1,12}) pages\s*$")
_OF_VMWARE = re.compile(
    r"^\s*(?:(?:balloon|used) capabilities:\s+0x[0-9a-f]+|is resetting:\s+[yn]|rateSleepAlloc:\s+\d+ pages/sec)\s*$"
)
_AT_BOOT = Guarded(r"\bHugeTLB:? registered (\S+ \S+) page size, pre-allocated (\d{1,12}) pages")
_VIRTIO_MEM = Guarded(r"\bvirtio_mem (\S+): (plugged|requested) size: 0x([0-9a-f]{1,14})\s*$")
_ZSWAP = re.compile(
    r"^\s*(same_filled_pages|stored_pages|pool_total_size|duplicate_entry|written_back_pages|reject_\w+|pool_limit_hit|"
    r"stored_incompressible_pages|decompress_fail|"
    r"(?:Duplicate entries|Stored pages|Same filled pages|Written back pages) count|Pool (?:limit hit|total size)|"
    r"Reject [A-Za-z ]+?)"
    r"\s*[:=]?\s+(\d{1,18})\.?\s*$"
)
_ZSWAP_CLI = {"stored pages count": "stored_pages", "reject allocation failures": "reject_alloc_fail"}
_SAMPLES = re.compile(r"^\s*(\d+\.\d+) ?%\s+(?:\d+\.\d+%\s+)?(\S.*?\s+)??\[\S+\]\s+\[k\]\s+(\w+)")
_HEADS = re.compile(
    r"^\s*#?\s*Overhead\s+Command|^\s*[nmu]?secs?\s+: count\s+distribution|^\s*FUNC\s+COUNT\s*$|^\s*procs? -+memory|"
    r"^\s*Detaching\.\.\.|"
    r"^\s*Tracing \d+ functions|^\s*Active / Total|^\s*Minimum / Average|^slabinfo - version|"
    r"^\s*flags\s+page-count\s+MB\s+symbolic|"
    r"^(?:# )?name\s+<active_objs>|^\s*(?:Memory block size|Total (?:on|off)line memory):|"
    r"^\s*total\s+\d+\s+\d+\s*$|^# (?:Samples|Event count|To display|Total Lost)"
)


MOST_PAGES = 1e15
VMSTAT = set("r b swpd free buff cache inact active si so bi bo in cs us sy id wa st gu".split())
_DECIMAL = re.compile(r"-?\d{1,15}(?:[.,]\d{1,6})?")
MARKS = (
    "total", "swpd", "/s", "%vmeff", "kb", "RANGE", "ACTIVE", "Cache", "Used", "FUNC", "obj_used", "COUNT", "Overhead", "memory--",
    "Linux ", "distribution", "symbolic", "active_objs", "Detaching", "Tracing", "Active /", "Minimum /", "slabinfo",
    "Memory block", "line memory:", "# ",
)  # fmt: skip
"""One of these is in every header."""


class Figures:
    """Reads rows of the table whose header came last."""

    def __init__(self) -> None:
        self._kind, self._columns = "", [""]
        self._next = 0  # the number of the line in which functions go on: nothing else tells them from counters
        self._map = ""
        self._rows = {
            "free": self._free, "vmstat": self._numbers, "sar": self._sar, "slab": self._slab, "lsmem": self._block,
            "functions": self._function, "zsmalloc": self._class,
            "sadf": self._sadf,
        }  # fmt: skip

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a figure, or the header of a table of them."""
        return self._header(line) or self._row(line, material) or self._bucket(line, material) or _alone(line, material)

    def _header(self, line: Line) -> bool:
        text = line.text
        of_free = free.columns(line) if "free" in text or "free" in line.hint else []
        if of_free:
            self._kind, self._columns = "free", of_free
            return True
        if not any(mark in text for mark in MARKS):
            return False
        words = text.split()
        known = set(text.replace(";", " ").split() if ";" in text else words)
        kind = (
            "vmstat" if {"swpd", "free", "si", "so"} <= known else
            "sar" if known & _SAR else
            "lsmem" if {"RANGE", "STATE"} <= known else
            "slab" if any(names <= known for names in _SLABS) else
            "zsmalloc" if {"obj_allocated", "pages_used", "freeable"} <= known else
            "functions" if known == {"FUNC", "COUNT"} else ""
        )  # fmt: skip
        if kind == "sar" and text.count(";") > 2:
            self._kind, self._columns = "sadf", [word.strip("# ") for word in text.split(";")]
        elif kind:
            self._kind, self._columns = kind, [word for word in words if not _TIME.fullmatch(word) and word not in ("AM", "PM")]
            self._columns = [word for word in self._columns if kind != "vmstat" or word in VMSTAT]
            self._next = line.number + 1
        return bool(kind) or _HEADS.match(text) is not None or _SYSTEM.match(text) is not None

    def _row(self, line: Line, material: Material) -> bool:
        if not self._kind:
            return False
        words = line.text.split()
        return bool(words) and self._rows[self._kind](line, words, material)

    def _free(self, line: Line, words: list[str], material: Material) -> bool:
        return free.row(line, self._columns, material)

    def _numbers(self, line: Line, words: list[str], material: Material) -> bool:
        if len(words) < len(self._columns) or not all(word.isdecimal() for word in words[: len(self._columns)]):
            return False
        material.figures.append(Figure(line, "vmstat", "", dict(zip(self._columns, map(float, words), strict=False))))
        return True

    def _sar(self, line: Line, words: list[str], material: Material) -> bool:
        words = " ".join(words).partition(" #")[0].split()
        numbers = [word.replace(",", ".") for word in words if word not in ("AM", "PM")]
        if not (_TIME.fullmatch(numbers[0]) or numbers[0] == "Average:") or len(numbers) != len(self._columns) + 1 - (
            self._columns[0] == "Average:"
        ):
            return False
        if not all(map(_DECIMAL.fullmatch, numbers[1:])):
            return False
        values = dict(zip(self._columns, map(float, numbers[1:]), strict=True))
        material.figures.append(Figure(line, "sar", words[0].strip(":"), values))
        return True

    def _sadf(self, line: Line, words: list[str], material: Material) -> bool:
        """A row of sadf -d: host, seconds, moment, and a number for each column behind them."""
        cells = line.text.split(";")
        if len(cells) != len(self._columns):
            return False
        both = zip(self._columns[3:], cells[3:], strict=True)
        numbers = {name: float(cell.replace(",", ".")) for name, cell in both if _DECIMAL.fullmatch(cell)}
        if numbers:
            material.figures.append(Figure(line, "sar", cells[2], numbers))
        return bool(numbers)

    def _slab(self, line: Line, words: list[str], material: Material) -> bool:
        return _slab(line, material)

    def _block(self, line: Line, words: list[str], material: Material) -> bool:
        if not words[0].startswith("0x") or len(words) < 3:
            return False
        values = {"online": float("online" in words)}
        if "REMOVABLE" in self._columns:
            values["removable"] = float("yes" in words)
        material.figures.append(Figure(line, "lsmem", words[0], values))
        return True

    def _class(self, line: Line, words: list[str], material: Material) -> bool:
        """A size class of zsmalloc, or the sum; a class that is empty, or an old kernel's, may have fewer columns."""
        numbers = [word for word in words if word.isdecimal()]
        if len(numbers) < len(words) - 1 or not (words[0] == "Total" or words[0].isdecimal()) or len(numbers) < 5:
            return False
        names = ["obj_allocated", "obj_used", "pages_used", "freeable"] if words[0] == "Total" else self._columns[-5:]
        values = dict(zip(names, map(float, numbers[-len(names) :]), strict=True))
        material.figures.append(Figure(line, "zsmalloc", words[0] if words[0] == "Total" else f"class {words[0]}", values))
        return True

    def _function(self, line: Line, words: list[str], material: Material) -> bool:
        if len(words) != 2 or not words[1].isdecimal() or line.number != self._next:
            return False
        self._next += 1
        material.event_counts[words[0]] += int(words[1][:18])
        return True

    def _bucket(self, line: Line, material: Material) -> bool:
        """A histogram of bpftrace or bcc: its name, and rows of a range with a count."""
        name, row = _MAP.match(line.text), _BUCKET.match(line.text)
        if name is not None:
            self._map = " ".join(filter(None, (name[1], name[2])))
            return True
        if row is None:
            return False
        span = line.text.split("|")[0].rsplit(None, 1)[0].strip(" :")
        material.figures.append(Figure(line, "histogram", self._map, {span: float(row[1])}))
        return True


def _slab(line: Line, material: Material) -> bool:
    """A cache of the slab allocator, and the kB of its objects, used or not."""
    top, row = _SLAB_TOP.match(line.text), _SLAB.match(line.text)
    if top is not None:
        name, kb = top[2] or top[3], float(top[1] or top[4])
    elif row is not None:
        name, kb = row[1], float(row[3]) * float(row[4]) / 1024
    else:
        return False
    material.figures.append(Figure(line, "slab", name, {"kb": kb}))
    return True


def _alone(line: Line, material: Material) -> bool:
    """Figures that need no header."""
    if ": slabdata" in line.text and _slab(line, material):  # a row of /proc/slabinfo
        return True
    if ":" in line.text[:40] and free.row(line, [], material):
        return True
    return _sysfs(line, material) or _exported(line, material) or _placed(line, material) or _said(line, material)


def _placed(line: Line, material: Material) -> bool:
    """A run of frames with their flags, or what a place of the kernel's source has allocated."""
    run = _FRAME_RUN.match(line.text) if "_____" in line.text else None
    allocated = _ALLOCATED.match(line.text) if " func:" in line.text else None
    if run is not None:
        values = {"first": float(int(run[1], 16)), "frames": float(int(run[2], 16))}
        material.figures.append(Figure(line, "frames", run[3], values))
    elif allocated is not None:
        module = f" [{allocated[4]}]" if allocated[4] else ""
        kb = int(allocated[1]) / 1024 if allocated[1].isdecimal() else _of_words(allocated[1])
        values = {"kb": kb, "calls": float(allocated[2])}
        material.figures.append(Figure(line, "allocinfo", f"{allocated[5]}{module} ({allocated[3]})", values))
    return run is not None or allocated is not None


def _said(line: Line, material: Material) -> bool:
    text = line.text
    pressure = _PRESSURE.match(text) if "avg10" in text else None
    pool = _HUGE_POOL.search(text) if "HugeTLB" in text else None
    top = _TOP.match(text) if "total," in text else None
    kind = _PAGE_TYPE.match(text) if "0x" in text else None
    samples = _SAMPLES.match(text) if "[k]" in text else None
    if pressure is not None:
        values = dict(zip(("avg10", "avg60", "avg300", "total"), map(float, pressure.groups()[1:]), strict=True))
        material.figures.append(Figure(line, "pressure", pressure[1], values))
    elif pool is not None:
        values = {"wanted": float(pool[1]), "given": float(pool[3]), "kb": _of_words(pool[2])}
        material.figures.append(Figure(line, "hugetlb", pool[2], values))
    elif top is not None:
        names = ("total", "free", "used", "buff/cache")
        values = {name: free.kb(size, top[1]) for name, size in zip(names, top.groups()[2:], strict=True) if size}
        material.figures.append(Figure(line, "free", top[2], values))
    elif kind is not None:
        material.figures.append(Figure(line, "page-types", kind[2] or "no flags", {"pages": float(kind[1])}))
    elif samples is not None:
        material.figures.append(Figure(line, "samples", samples[3], {"percent": float(samples[1])}))
    elif (balloon := _VMWARE.match(text) if " pages" in text else None) is not None:
        material.figures.append(Figure(line, "balloon", balloon[1], {"pages": float(balloon[2])}))
    elif (boot := _AT_BOOT.search(text) if "pre-allocated" in text else None) is not None:
        material.huge_at_boot[boot[1]] = int(boot[2])
    elif (memory := _VIRTIO_MEM.search(text) if "virtio_mem" in text else None) is not None:
        material.figures.append(Figure(line, "virtio-mem", memory[1], {memory[2]: float(int(memory[3], 16) >> 10)}))
    elif (status := _STATUS.match(text)) is not None:
        material.figures.append(Figure(line, "status", status[1], {"value": float(status[2])}))
    elif (zswap := _ZSWAP.match(text)) is not None:
        name = _ZSWAP_CLI.get(zswap[1].lower(), zswap[1].lower().replace(" ", "_"))
        material.figures.append(Figure(line, "sysfs", name, {"value": float(zswap[2])}))
    else:
        around = _AROUND_SAMPLES.match(text) or _ALLOCATIONS.match(text)
        return any(found is not None for found in (_HUGE_NEWS.search(text), _FRAMES.match(text), _OF_VMWARE.match(text), around))
    return True


_BLOCK = re.compile(r"^\s*(memory\d{1,6})\s*[:=]?\s+([A-Za-z]\w*(?: [A-Z]\w*)*|[01])\s*$")
_BLOCK_FILE = re.compile(r"/memory/memory[^/\s]*/(state|valid_zones|removable)\b")
"""Files of memory blocks that a loop prints with the block's name before each."""


def _sysfs(line: Line, material: Material) -> bool:
    """A value of a file below /sys that grep or cat named."""
    block = _BLOCK.match(line.text) if line.text.lstrip()[:6] == "memory" else None
    file = _BLOCK_FILE.search(line.hint) if block is not None else None
    if block is not None and file is not None:
        number = {"value": float(block[2])} if block[2].isdecimal() else {}
        name = f"memory/{block[1]}/{file[1]}"
        material.figures.append(Figure(line, "sysfs", name if number else f"{name} {block[2]}", number))
        return True
    path = _PATH.search(line.hint.split(" |")[0].strip()) if "/sys/" in line.hint and not line.place else None
    value = (_VALUE.match(line.text) or _WORD.match(line.text)) if path is not None else None
    if path is None or value is None or ("{" in path[1] or "*" in path[1]):
        return False
    number = {"value": float(value[1])} if _VALUE.match(line.text) else {}
    material.figures.append(Figure(line, "sysfs", path[1] if number else f"{path[1]} {value[1]}", number))
    return True


EXPORTED = ("node_", "proc_")
"""How the names of an exporter begin."""


def _exported(line: Line, material: Material) -> bool:
    """A value of a Prometheus exporter: of buddyinfo, and of meminfo; others of the same node are figures."""
    found = _EXPORTED.match(line.text) if line.text.lstrip()[:5] in EXPORTED else None
    if found is None:
        return False
    labels: dict[str, str] = dict(_LABEL.findall(found[2] or ""))
    order, number = labels.get("size") or labels.get("order") or "", float(found[3])
    if not isfinite(number):
        return False
    if "buddyinfo" in found[1] and order.isdecimal() and int(order) < 20 and labels.get("node", "0").isdecimal():
        _block_count(line, material, labels, int(order), int(number))
    elif found[1].startswith("zoneinfo_") and labels.get("node", "").isdecimal() and "zone" in labels:
        _mark(line, material, int(labels["node"][:6]), labels["zone"], found[1][9:], number)
    elif found[1].startswith("memory_") and found[1].endswith("_bytes"):
        material.meminfo[found[1][7:-6].replace("_", "")] = int(number) >> 10
    else:
        material.figures.append(Figure(line, "exported", found[1], {"value": number}))
    return True


def _mark(line: Line, material: Material, node: int, zone: str, name: str, number: float) -> None:
    """A watermark or a size of a zone, as the exporter names it (min_pages, nr_free_pages)."""
    marks = _of_zone(material.marks, Marks(line, node, zone))
    marks.values["free" if name == "nr_free_pages" else name.removesuffix("_pages")] = int(min(number, MOST_PAGES))


def _block_count(line: Line, material: Material, labels: dict[str, str], order: int, count: int) -> None:
    node, zone = int(labels.get("node", "0")[:6]), labels.get("zone", "Normal")
    _of_zone(material.free, FreeBlocks(line, node, zone, [])).put(order, count)


def _of_zone(rows: list[Row], fresh: Row) -> Row:
    """The row that an exporter gave of a zone already; ``fresh``, which is kept from now on, where it gave none."""
    for row in rows:
        exported = row.line.text.lstrip()[:5] in EXPORTED
        if exported and (row.node, row.zone, row.line.source) == (fresh.node, fresh.zone, fresh.line.source):
            return row
    rows.append(fresh)
    return fresh


def _of_words(size: str) -> float:
    """kB of a size as the kernel writes it: "1.00 GiB", before 4.15 "1 GB"; 0 for what is none."""
    word = size.replace(" ", "")
    return free.kb(word, "K") if free.SIZE.fullmatch(word) else 0.0
