"""Tables of mmtests: a row for each figure in words, and a column for each kernel that was measured."""

from __future__ import annotations

import re
from dataclasses import replace

from movable.explain.material import Counters, Figure, Material
from movable.explain.paste import Line

COUNTERS = {
    "compaction stalls": "compact_stall", "compaction success": "compact_success", "compaction failures": "compact_fail",
    "compaction failure": "compact_fail", "page migrate success": "pgmigrate_success", "page migrate failure": "pgmigrate_fail",
    "compaction pages isolated": "compact_isolated", "compaction migrate scanned": "compact_migrate_scanned",
    "compaction free scanned": "compact_free_scanned", "kcompactd wake": "compact_daemon_wake",
    "kcompactd migrate scanned": "compact_daemon_migrate_scanned", "kcompactd free scanned": "compact_daemon_free_scanned",
    "thp fault alloc": "thp_fault_alloc", "thp fault fallback": "thp_fault_fallback", "thp fault fallbacks": "thp_fault_fallback",
    "thp collapse alloc": "thp_collapse_alloc", "thp collapse fail": "thp_collapse_alloc_failed", "thp splits": "thp_split_page",
    "thp split": "thp_split_page", "thp split failed": "thp_split_page_failed", "allocation stalls": "allocstall",
    "stall": "allocstall", "direct pages scanned": "pgscan_direct", "direct pages reclaimed": "pgsteal_direct",
    "kswapd pages scanned": "pgscan_kswapd", "kswapd pages reclaimed": "pgsteal_kswapd", "swap ins": "pswpin",
    "swap outs": "pswpout",
    "major faults": "pgmajfault", "numa pages migrated": "numa_pages_migrated", "numa hint faults": "numa_hint_faults",
}  # fmt: skip
"""What mmtests calls a counter of /proc/vmstat."""
_NUMBER = re.compile(r"-?\d[\d,]{0,18}(?:\.\d{1,6})?%?")
COUNTED = re.compile(r"(?:compact|thp|pgmigrate|allocstall|numa|pgscan|pgsteal|kswapd)_?\w*$")
_LABEL = re.compile(rf"[A-Z][\w./-]*|{COUNTED.pattern}")
MOST_OF_BEFORE_AND_AFTER = 3  # columns: with more, or with other sums, each is a kernel
_ROBOT = re.compile(
    r"^\s*(\d{1,18}(?:\.\d+)?)(?: ± *\d+%)?\s+[-+]\d[\d.e+]*%?\s+(\d{1,18}(?:\.\d+)?)(?: ± *\d+%)?\s+"
    r"(?:proc-)?vmstat\.([a-z]\w+)\s*$"
)
"""A row of the kernel test robot: two means, each with its deviation, and how much they differ."""
_MEASURED = re.compile(
    r"(?:Amean|Hmean|Gmean|B[AH]mean-\d+|Min|Max|Stddev|CoeffVar|Percentage|Success|User|System|Elapsed|Duration)\b"
)
_GAIN = re.compile(r"[(*]\s{0,9}-?[\d.]{1,12}%\s{0,9}[)*]")
MOST_WORDS = 6


class Mmtests:
    """Reads such tables. Each column is the counters of one kernel, kept as if they were of a machine with the kernel's name."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._next = 0  # the number of the line that would go on with the table

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is a row of such a table."""
        text = line.text
        robot = _ROBOT.match(text) if "vmstat." in text else None
        if robot is not None:
            self._columns, self._next = ["the first kernel", "the second kernel"], 0
            self._count(line, material, robot[3], [float(robot[1]), float(robot[2])])
            return True
        name, values = _split(text) if text[-1:] in "0123456789%)*" else ("", [])
        counter = COUNTERS.get(name.lower(), name if COUNTED.match(name) and len(values) >= MOST_OF_BEFORE_AND_AFTER else "")
        measured = bool(name) and _MEASURED.match(name) is not None and ("%" in line.text or self._next == line.number)
        if not values or not (counter or measured or self._next == line.number):
            return False
        if self._next != line.number or len(values) != len(self._columns):
            self._columns = _titles(line, material, len(values))
        self._next = line.number + 1
        if counter:
            self._count(line, material, counter, values)
        elif measured:
            material.figures.append(Figure(line, "mmtests", name, dict(zip(self._columns, values, strict=True))))
        return True

    def _count(self, line: Line, material: Material, counter: str, values: list[float]) -> None:
        for column, value in zip(self._columns, values, strict=True):
            one = next((each for each in material.counters if each.run and each.line.machine == column), None)
            if one is None:
                one = Counters(replace(line, machine=column), run=True)
                material.counters.append(one)
            one.values[counter] = one.values.get(counter, 0) + int(value)


def _split(text: str) -> tuple[str, list[float]]:
    """A row's name and the number in each column, without what was gained in brackets behind it; no numbers where it is no row."""
    words = _GAIN.sub(" ", text).split()
    words = words[1:] if words[:1] == ["Ops"] else words
    first = next((at for at, word in enumerate(words) if _NUMBER.fullmatch(word)), len(words))
    if not 0 < first <= MOST_WORDS or not _LABEL.match(words[0]) or not all(_NUMBER.fullmatch(word) for word in words[first:]):
        return "", []
    return " ".join(words[:first]), [float(word.rstrip("%").replace(",", "")) for word in words[first:]]


def _titles(line: Line, material: Material, count: int) -> list[str]:
    """The names of the columns: what the lines before the table say, which no reader understood."""
    words: list[list[str]] = []
    rows = 0
    while material.unread and len(words) < 2 and material.unread[-1].source == line.source:
        above = material.unread[-1]
        row = len(_split(above.text)[1]) == count  # of a figure that has no name here
        if line.number - above.number > len(words) + rows + 2 or not (row or len(above.text.split()) == count):
            break
        rows += row
        if not row:
            words.insert(0, above.text.split())
        material.unread.pop()
        material.recognised += 1
    names = [" ".join(parts) for parts in zip(*words, strict=True)] if words else []
    return names if len(set(names)) == count else [f"column {each + 1}" for each in range(count)]
