"""Excerpts of /sys/kernel/debug/page_owner, as it is and as page_owner_sort prints it: who allocated which page."""

from __future__ import annotations

import re

from movable.explain.material import Material, OwnedPage
from movable.explain.paste import Line
from movable.explain.readers.stack import caller

_ALLOCATED = re.compile(
    r"^\s*Page allocated via order (\d+), mask (?:0x)?[0-9a-f]+(?:\(([^)]*)\))?(?:, pid (\d+))?(?:, tgid \d+)?(?: \(([^)]*)\))?"
)
_FRAME = re.compile(r"^\s*PFN (0x)?([0-9a-f]+) (?:type (\w+) )?Block \d+ type (\w+)\s*(?:Flags (?:0x)?[0-9a-f]*\s*\(?([^)]*)\)?)?")
_TIMES = re.compile(r"^\s*(\d+) times(?:, (\d+) pages)?(?:, PID \d+)?(?:, TGID \d+)?(?:, task_comm_name: (.*?))?:?\s*$")
_MORE = re.compile(r"^\s*Charged (?:\([^)]*\) )?to (?:offline )?memcg|^\s*Page has been migrated, last migrate reason: ")


_OF_STACK = re.compile(r"^\s*(?:nr_base_pages|stack_count):\s*(\d{1,18})\s*$")
"""How many pages a call trace has now, behind each in page_owner_stacks/show_stacks."""


class PageOwner:
    """Reads pages with their owners. A frame, and how often the like came, belong to the page that is nearest."""

    def __init__(self) -> None:
        self._page: OwnedPage | None = None
        self._traced = False  # whether the function that wanted the page has not come
        self._stack = ""  # the function that wanted the pages of a trace that stands alone
        self._times: tuple[int, bool, str] = (0, False, "")  # how many, whether of blocks and not of pages, and whose

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is of page_owner."""
        if "Page allocated via" in line.text:
            return self._allocated(line, material)
        frame = _FRAME.match(line.text) if "PFN" in line.text and self._page is not None else None
        if self._traced and "+0x" in line.text and self._page is not None:
            return self._called_by(self._page, line.text)
        if "+0x" in line.text:
            self._stack = self._stack or caller(line.text) or ""
            return False
        of_stack = _OF_STACK.match(line.text) if self._stack else None
        if of_stack is not None:
            material.owned.append(OwnedPage(line, 0, "", "", pages=int(of_stack[1]), caller=self._stack))
            self._stack = ""
            return True
        times = _TIMES.match(line.text) if " times" in line.text else None
        if frame is not None and self._page is not None:
            self._page.pfn = int(frame[2], 16 if frame[1] else 10) if frame[1] or frame[2].isdecimal() else None
            self._page.migratetype, self._page.block = frame[3] or "", frame[4]
            return True
        if times is not None:
            self._times = int((times[2] or times[1])[:18]), times[2] is None, (times[3] or "").strip()
            return True
        return _MORE.match(line.text) is not None

    def _called_by(self, page: OwnedPage, text: str) -> bool:
        """A line of the trace below a page, as long as the function that wanted it has not come."""
        function = caller(text)
        if function:
            page.caller, self._traced = function, False
        return function is not None

    def _allocated(self, line: Line, material: Material) -> bool:
        found = _ALLOCATED.match(line.text)
        if found is None:
            return False
        pages, blocks, task = self._times
        order = int(found[1][:4])
        self._page = OwnedPage(line, order, found[4] or task or (f"pid {found[3]}" if found[3] else "nobody known"), found[2] or "")
        self._page.pages = (pages or 1) << min(order, 20) if blocks or not pages else pages
        self._times, self._traced = (0, False, ""), True
        material.owned.append(self._page)
        return True
