"""What tools print: tables with a header (compactsnoop, drsnoop, zramctl), counts of events (perf stat, bpftrace, perf's
report of compaction times), and lines of the kernel's tracepoints, which are kept for the trace summary."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import CompactionRun, Figure, Material, Reclaim, Zram
from movable.explain.paste import Line
from movable.explain.readers.tools.perf_trace import event_line

_EVENT = Guarded(
    r"\b(?:mm_compaction_\w+|mm_migrate_pages(?:_start)?|mm_page_alloc_extfrag|set_migration_pte|remove_migration_pte|"
    r"cma_(?:alloc|release)\w*|mm_vmscan_\w+|mm_page_alloc):\s"
)
_REQUEST = Guarded(r"\bmm_page_alloc:\s+page=(\S+) .*?\border=(\d{1,3})\b")
_COLLAPSE = Guarded(r"\bmm_(?:khugepaged|collapse_huge_page|swapin_huge|collapse_file)\w*:\s(?:.*?\b(?:status|result)=(\w+))?")
_TRACE_HEADER = re.compile(
    r"^\s*#(?:[\s|/]*$|(?=[ -~]*$).*(?:tracer:|TASK-PID|entries|=>|irqs-off|need-resched|hardirq|preempt|delay))"
)
_COLUMNS = {
    "COMM": "task", "TASK": "task", "PROCESS": "task", "COMMAND": "task", "PNAME": "task", "PID": "pid", "TID": "pid",
    "TGID": "pid", "NODE": "node", "NID": "node", "ZONE": "zone", "ZONENAME": "zone", "ORDER": "order", "MODE": "mode",
    "STATUS": "status", "RESULT": "status", "RET": "status", "LAT": "latency", "LATENCY": "latency", "DURATION": "latency",
    "DELTA": "latency", "ELAPSED": "latency", "FRAGIDX": "index", "FRAGINDEX": "index", "PAGES": "pages", "RECLAIMED": "pages",
    "NAME": "device", "DISKSIZE": "disksize", "DATA": "data", "COMPR": "compr", "TOTAL": "total",
}  # fmt: skip
"""What a word of a header is called here; one that is not there is a column of no interest."""
_UNITS = {"s": 1e3, "sec": 1e3, "ms": 1.0, "msec": 1.0, "us": 1e-3, "usec": 1e-3, "ns": 1e-6, "nsec": 1e-6}
_HEADER_WORD = re.compile(r"([A-Za-z_]+)(?:[(\[](\w+)[)\]]|_(s|ms|us|ns))?")
_SIZE = re.compile(r"(\d{1,15}(?:[.,]\d{1,3})?)([BKMGT]?)")
_COUNTED = re.compile(
    r"^\s*([\d][\d.,'\u202f ]{0,24}?)\s+(?:\w+/)?((?:compaction|migrate|kmem|vmscan|cma|huge_memory|hugetlbfs):\w+)(?:\s|$)"
)
_MAP = re.compile(r"^\s*@(\w*)(?:\[([^\]]{0,200})\])?:\s*(\d{1,18})\s*$")
_TIMES = Guarded(r"\b(migration|free_scanner|migration_scanner):\s+(?=\w+=\d)((?:\w+=\d{1,18}\s*)+)")
_AROUND = Guarded(
    r"^\s*Performance counter stats for |^\s*[\d.,]+ seconds (?:time elapsed|user|sys)|^\s*<not (?:counted|supported)>\s|"
    r"^\s*Attaching \d+ probes?|^\s*\^C|^\s*total: \d+ns"
)
_ABOUT = Guarded(r"compact|migrat|extfrag|kcompactd|cma_|alloc_pages|page_alloc|direct_reclaim", re.IGNORECASE)
_SNOOPED = Guarded(r"^\s*\S.*\s\d+\s+\d+\s+ZONE_[A-Z0-9]+\s+-?\d+\s+A?SYNC\s+\d+\.\d+\s+[a-z_]+\s*$")
"""A row of compactsnoop whose header was left out."""
_WORD = re.compile(r"[A-Za-z_]\w*")
MOST_EXTRA_WORDS = 8


class ToolTables:
    """Reads the tables of tools; the header says which columns there are, in which order and in which unit."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._unit = 1.0

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a row or the header of such a table, a count, or a tracepoint."""
        collapse = _COLLAPSE.search(line.text) if "_huge" in line.text or "khuge" in line.text else None
        if collapse is not None:
            if collapse[1]:
                material.figures.append(Figure(line, "khugepaged", collapse[1].replace("ccgroup", "cgroup"), {}))
            return True
        request = _REQUEST.search(line.text) if "mm_page_alloc:" in line.text else None
        if request is not None:
            ended = "failed" if request[1].strip("(0x)") in ("", "nil", "null") else "were served"
            material.event_counts[f"requests of order {request[2]} that {ended} (mm_page_alloc)"] += 1
            return True
        if _EVENT.search(line.text):
            material.events.append(line.raw)
            return True
        event = event_line(line.text) if line.text[-1:] == ")" else None
        if event is not None:
            material.events.append(event)
            return True
        words = line.text.split()
        header = _may_be_header(line.text.upper()) and self._header(words)
        if header or _TRACE_HEADER.match(line.text) or _counted(line, material) or _AROUND.search(line.text):
            return True
        if not self._columns and _SNOOPED.match(line.text):
            self._columns, self._unit = ["task", "pid", "node", "zone", "order", "mode", "latency", "status"], 1.0
        return bool(self._columns) and self._row(line, words, material)

    def _header(self, words: list[str]) -> bool:
        """Whether the words name columns of one of the tables. A number is no name, so that no row is taken for a header."""
        found = [_HEADER_WORD.fullmatch(word) for word in words]
        names = ["" if one is None else _COLUMNS.get(one[1].upper(), "") for one in found]
        known = set(names)
        if not any(known >= needed for needed in ({"order", "status"}, {"order", "latency", "pid"}, {"pid", "latency", "pages"},
                                                  {"device", "data", "compr", "total"})):  # fmt: skip
            return False
        self._columns, self._unit = names, 1.0
        for one, name in zip(found, names, strict=True):
            if name == "latency" and one is not None:
                self._unit = _UNITS.get((one[2] or one[3] or "ms").lower(), 1.0)
        return True

    def _row(self, line: Line, words: list[str], material: Material) -> bool:
        extra = len(words) - len(self._columns)  # a task's name may hold blanks
        at = self._columns.index("task") if "task" in self._columns else len(self._columns) - 1
        if extra < (-1 if "device" in self._columns else 0) or extra > MOST_EXTRA_WORDS:  # zramctl leaves the last column empty
            return False
        if extra > 0:
            words = [*words[:at], " ".join(words[at : at + extra + 1]), *words[at + extra + 1 :]]
        row = {name: word for name, word in zip(self._columns, words, strict=False) if name}
        if not all(_WORD.fullmatch(row.get(name, "x")) for name in ("zone", "mode", "status")):
            return False
        try:
            self._keep(line, row, material)
        except (ValueError, KeyError, OverflowError):
            return False
        return True

    def _keep(self, line: Line, row: dict[str, str], material: Material) -> None:
        if "device" in row:
            data, packed, used = (_bytes(row[name]) for name in ("data", "compr", "total"))
            material.zram.append(Zram(line, {"orig_data_size": data, "compr_data_size": packed, "mem_used_total": used}))
            return
        latency = _number(row["latency"]) * self._unit if "latency" in row else None
        pid = int(row.get("pid", "0")[:10])
        if "order" not in row:
            assert latency is not None
            material.reclaims.append(Reclaim(line, row.get("task", f"pid {pid}"), pid, latency, int(row["pages"][:12])))
            return
        material.runs.append(
            CompactionRun(
                line, row.get("task", f"pid {pid}"), pid, int(row.get("node", "0")[:6]), row.get("zone", "").removeprefix("ZONE_"),
                int(row["order"][:6]), row.get("mode", ""), row.get("status", "unknown"), latency, _index(row.get("index")),
            )
        )  # fmt: skip


def _may_be_header(text: str) -> bool:
    """Whether a line in capitals has a column that one of the tables must have: most lines are no header."""
    return "ORDER" in text or "PAGES" in text or "RECLAIMED" in text or "DATA" in text


def _index(word: str | None) -> int | None:
    return None if word is None else round(_number(word) * 1000)


def _number(word: str) -> float:
    """A plain number, in any locale. Raises ValueError for others that Python would take (inf, nan, 1e999)."""
    if re.fullmatch(r"-?\d{1,15}(?:[.,]\d{1,9})?", word) is None:
        raise ValueError(word)
    return float(word.replace(",", "."))


def _bytes(word: str) -> int:
    """A size as util-linux prints it: 4K, 1.2G, and 1,2G in some languages. Raises ValueError."""
    found = _SIZE.fullmatch(word)
    if found is None:
        raise ValueError(word)
    return round(float(found[1].replace(",", ".")) * (1 << 10 * "BKMGT".index(found[2] or "B")))


def _counted(line: Line, material: Material) -> bool:
    """Counts of events: a row of perf stat, whatever parts its thousands, a map of bpftrace, a sum of perf's compaction times."""
    found = _COUNTED.match(line.text)
    if found is not None:
        material.event_counts[found[2]] += int(re.sub(r"\D", "", found[1])[:18])
        return True
    if _TIMES.search(line.text):
        for what, values in _TIMES.findall(line.text):
            for name, value in re.findall(r"(\w+)=(\d+)", values):
                material.event_counts[f"{what} {name}"] += int(value)
        return True
    entry = _MAP.match(line.text)
    if entry is None or not (_ABOUT.search(line.hint) or _ABOUT.search(line.text)):
        return False
    material.event_counts[" ".join(filter(None, (entry[1], entry[2])))] += int(entry[3])
    return True
