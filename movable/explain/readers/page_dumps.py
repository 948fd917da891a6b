"""Pages that the kernel dumped, and the lines about pages that did not migrate or could not be taken."""

from __future__ import annotations

import re
from dataclasses import replace

from movable.explain.guarded import Guarded
from movable.explain.material import Material, PageDump
from movable.explain.paste import Line
from movable.explain.readers.stack import caller

_BAD = Guarded(r"\bBUG: Bad page (?:state|map|cache) in process \S.*?\s+pfn:([0-9a-f]{1,16})\s*$")
_FAILED = Guarded(r"\bmigrating pfn ([0-9a-f]{1,16}) failed(?: ret:\s*(-?\d+))?")
_CALLED = Guarded(r"\b(?:page|folio):\s?(?:(?:0x)?([0-9a-f]{16}|\(____ptrval____\)|[0-9a-f]{8})\s)?.*?\b(?:ref)?count:(-?\d+)")
_FIELD = re.compile(r"\b(mapcount|mapping|index|pfn):\s?((?:0x)?[0-9a-f]+|\(null\)|-?\d+)", re.IGNORECASE)
_FLAGS = Guarded(r"\b(anon |ksm )?flags: (?:0x)?[0-9a-f]+\(([^)]*)\)")
_AOPS = Guarded(r"\baops:\s?(\S+)(?:\s+\[\w+\])?(?:\s+ino:(\S+))?(?:\s+dentry name(?:\([^)]*\))?:\s?(\S.*))?$")
_OLD_AOPS = re.compile(
    r"^\s*(?=\w*(?:aops|address_space_operations|a_ops))(\w+)(?:\s+\[\w+\])?(?:\s+name:\"?([^\"]*)\"?)?\s*$"
)
"""As kernels up to 5.6 have it."""
_TYPE = Guarded(r"\bpage_type:\s?(?:0x)?[0-9a-f]*\((\w*)\)")
_PINS = Guarded(r"\bpincount:(\d+)")
_LOST = Guarded(r"\bfailed to isolate pfn ([0-9a-f]{1,16})\s*$")
_SOFT = Guarded(
    r"\bsoft[_ ]offline: (?:0x)?([0-9a-f]{1,16}): (.*?(?:failed|hugepage|page is already|isolat)[^,:]*?)"
    r"(?:[: ]\s*(-?\d+))?(?:, page count (\d+))?(?:, type .*)?$"
)
_POISON = Guarded(r"\b(?:Memory failure:|MCE) (?:0x)?([0-9a-f]{1,16}): (.+?)\s*$")
_RETIRED = (
    "isolate pfn", "offline", "fflin", "emory failure", "MCE", "Onlined", "Unpoison", "nline failed", "pseries-hotplug", "dlpar",
    "poisoned", "mce: ", "kernel BUG", "invalid opcode", "removing memory",
)  # fmt: skip
_NEWS = Guarded(
    r"\bSoft offlining p(?:fn|age) |\bOnlined \d+ pages|\bUnpoison: |\bsoft_offline:|"
    r"\bmce: Uncorrected hardware memory error |\bInjecting memory failure |\bremoving memory fails, because memory \[|"
    r"\bmemory memory\d+: Online failed|\bis uninitialized and poisoned|\bkernel BUG at |\binvalid opcode: |"
    r"\bpseries-hotplug-mem: (?!.*[Ff]ailed)|\bdlpar: "
)
_HEAD = Guarded(r"\bhead:\s?(\S.*)$")
_WHY = Guarded(r"\bpage dumped because:\s*(.+?)\s*$")
_OWNER = Guarded(
    r"\bpage (?:last )?allocated via order (\d+), migratetype (\w+), gfp_mask .*?\bpid (\d+)(?:, tgid \d+)?(?: \(([^)]*)\))?"
)
_OPEN = re.compile(r"\bflags:\s*$|\bflags: (?:0x)?[0-9a-f]+\([^)]*$|\ballocated via order \d+,[^)]*$|\braw:\s*\.\.\.")
_BEGINS = re.compile(r"\s*(?:(?:anon |ksm )?flags: (?:0x)?[0-9a-f]+\([\w|=]+\)\s*$|aops:\s?\w+(?: \[\w+\])? ino:[0-9a-f]+)")
"""A dump whose first line was cut off."""
_MORE = Guarded(
    r"^\s*raw: [0-9a-f ]+|\bpage[_ ]owner (?:tracks the page as|free stack trace|info is not)|\bmemcg:[0-9a-f]+|"
    r"\bpage->mem_cgroup:|"
    r"\bpage has been migrated, last migrate reason|\bpage last free(?:d)? |\bpage_pinner|\bbad because of flags: |"
    r"\bhead: [0-9a-f]{16}"
)
_OFFLINE = Guarded(
    r"\bmemory offlining (?:\[mem )?((?:0x)?[0-9a-f]+)(?:-| to )((?:0x)?[0-9a-f]+)\]? failed(?: due to (.+?))?\s*$"
)


class Dumps:
    """Reads page dumps. What comes after the first line of a dump belongs to it until the reason has been told."""

    def __init__(self) -> None:
        self._page: PageDump | None = None
        self._last: Line | None = None
        self._traced = False  # whether the trace of who allocated the page comes next

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line tells something about one page."""
        readers = (self._failed, self._retired, self._called, self._about, self._range)
        return any(reader(line, material) for reader in readers)

    def _open(self, line: Line, material: Material) -> PageDump:
        self._page = PageDump(line)
        material.pages.append(self._page)
        return self._page

    def _failed(self, line: Line, material: Material) -> bool:
        bad = _BAD.search(line.text) if "Bad page" in line.text else None
        if bad is not None:
            self._open(line, material).pfn = int(bad[1], 16)
            return True
        found = _FAILED.search(line.text) if "migrating pfn" in line.text else None
        if found is None:
            return False
        page = self._open(line, material)
        page.pfn, page.ret = int(found[1], 16), None if found[2] is None else int(found[2][:12])
        return True

    def _retired(self, line: Line, material: Material) -> bool:
        """A page that could not be isolated, was to be retired, or broke."""
        if not any(mark in line.text for mark in _RETIRED):
            return False
        lost, soft, poison = (pattern.search(line.text) for pattern in (_LOST, _SOFT, _POISON))
        found = lost or soft or poison
        if found is None:
            return _NEWS.search(line.text) is not None
        page = self._open(line, material)
        page.pfn = int(found[1], 16)
        page.reason = "could not be isolated" if lost else f"soft offline: {found[2]}" if soft else f"memory failure: {found[2]}"
        if soft is not None:
            page.ret = int(soft[3][:12]) or None if soft[3] else None
            page.refcount = int(soft[4][:12]) if soft[4] else None
            flags = re.search(r", type [0-9a-f]+ \(([\w|=]+)\)", line.text)
            page.flags = tuple(flags[1].split("|")) if flags else ()
        return True

    def _called(self, line: Line, material: Material) -> bool:
        found = _CALLED.search(line.text) if "count:" in line.text else None
        if found is None:
            return False
        pfn = _frame(line.text)
        page = self._page
        known = page is not None and page.refcount is None and (pfn is None or page.pfn in (None, pfn))
        page = page if page is not None and known else self._open(line, material)
        page.refcount = int(found[2][:12])
        _fields(page, line.text)
        self._last = line
        return True

    def _about(self, line: Line, material: Material) -> bool:
        page = self._page
        why = _WHY.search(line.text)
        if why is not None:
            (page or self._open(line, material)).reason = why[1]
            return True
        if (page is None or (page.reason and page.flags)) and _BEGINS.match(line.text):
            page = self._open(line, material)
        if page is None:
            return False
        if self._traced and "+0x" in line.text:
            return self._allocated_by(page, line.text)
        self._traced = "allocated via" in line.text
        if _detail(page, line.text) or _MORE.search(line.text) is not None or _OPEN.search(line.text) is not None:
            self._last = line
            return True
        return self._goes_on(page, line)

    def _allocated_by(self, page: PageDump, text: str) -> bool:
        """A line of the trace below an allocation, as long as the function that wanted the page has not come."""
        function = caller(text)
        if function:
            page.owner += f", from {function}"
            self._traced = False
        return function is not None

    def _goes_on(self, page: PageDump, line: Line) -> bool:
        """The rest of a line of a dump that a mail program wrapped."""
        last, text = self._last, line.text.strip()
        if last is None or last.source != line.source or not last.number < line.number <= last.number + 2:
            return False  # a line that quoted-printable text took apart is two lines long
        whole = f"{last.text} {text}" if last.text[-1:] not in "|(" else last.text + text
        if _FIELD.match(text):
            _fields(page, whole)
        elif re.fullmatch(r"[0-9a-f\s]+", text) and re.search(r"\b(?:raw|head): ", last.text):
            pass
        elif not (last.text.count("(") > last.text.count(")") or last.text.endswith(("migratetype", "gfp_mask", ",", "flags:"))):
            return False
        else:
            _detail(page, whole)
        self._last = replace(line, text=whole)
        return True

    def _range(self, line: Line, material: Material) -> bool:
        found = _OFFLINE.search(line.text)
        if found is None:
            return False
        page = self._open(line, material)
        page.reason, page.name = f"memory offlining failed: {found[3] or 'no reason given'}", f"{found[1]}-{found[2]}"
        self._page = None
        return True


def _frame(text: str) -> int | None:
    found = re.search(r"\bpfn:\s?0x([0-9a-f]{1,16})", text)
    return None if found is None else int(found[1], 16)


def _fields(page: PageDump, text: str) -> None:
    """What the first line of a dump says beside the references."""
    values = {name.lower(): value for name, value in _FIELD.findall(text)}
    page.pfn = _frame(text) if page.pfn is None else page.pfn
    page.mapcount = int(values["mapcount"][:12]) if values.get("mapcount", "").lstrip("-").isdecimal() else None
    mapping = values.get("mapping", "")
    page.mapping = int(mapping, 16) if re.fullmatch(r"(?:0x)?[0-9a-f]+", mapping) else 0 if mapping else None
    page.index = values.get("index", "")


def _detail(page: PageDump, text: str) -> bool:
    flags, aops, kind, owner, head = (pattern.search(text) for pattern in (_FLAGS, _AOPS, _TYPE, _OWNER, _HEAD))
    if flags is not None:
        page.flags = tuple(word for word in flags[2].split("|") if word)
        page.anon, page.ksm = page.anon or flags[1] == "anon ", page.ksm or flags[1] == "ksm "
    elif aops is not None:
        page.aops, page.name = aops[1], (aops[3] or "").strip().strip('"')
    elif owner is not None:
        page.owner = f"order {owner[1]}, {owner[2]}, pid {owner[3]}" + (f" ({owner[4]})" if owner[4] else "")
    elif head is not None and not _MORE.search(text):
        page.compound = head[1]
        mapped = re.search(r"\bmapcount:(\d+)", head[1])
        page.mapcount = max(page.mapcount or 0, int(mapped[1][:12])) if mapped is not None else page.mapcount
        pins = _PINS.search(head[1])
        page.pins = int(pins[1][:12]) if pins is not None else page.pins
    elif re.match(r"^\s*(?:anon|ksm)\s*$", text):
        page.anon = True
        page.ksm = "ksm" in text
    elif (old := _OLD_AOPS.match(text)) is not None:
        page.aops, page.name = old[1], old[2] or ""
    elif kind is None:
        return False
    if kind is not None:
        page.page_type = kind[1]
    return True
