"""Contiguous allocations that failed: what CMA prints, with its list of free runs."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import CmaFailure, Material
from movable.explain.paste import Line

_FAILED = Guarded(r"\bcma(?:_alloc)?:.*?\balloc failed, req-size:\s*(\d+) pages?, ret:\s*(-?\d+)")
_AREA = Guarded(r"(?:\b|__)cma_alloc\w*:\s*(?!alloc failed)([\w.,@-]+):\s*alloc failed")
_LIST = Guarded(
    r"\b(\d{1,12}(?:@\d{1,12})?(?: ?\+ ?\d{1,12}(?:@\d{1,12})?)*)\s?\+?\s?=>\s*(\d+)"
    r"(?: free of (?=\d+ total pages)| pages, total: (?=\d+ pages))(\d+)"
)
_CUT_LIST = Guarded(r"(?:\.{2,}|…)\s*=>\s*(\d+) free of (\d+) total pages")
_PART = re.compile(r"((?:\+?\s*\d{1,12}@\d{1,12}\b)*)(?:\s*\+)?(?:\s*=>\s*(\d{1,12}) free of (\d{1,12}) total pages)?")
"""Of a list whose parts became lines of their own, as each was printed by itself."""
_SHORT = Guarded(r"((?:\d+@\d+\s*\+\s*)*\d+@\d+)\s*=>\s*(\d+)\s+free\b(?:\s+of\s+(\d+))?")
_RUN = re.compile(r"(\d+)(?:@(\d+))?")
_BUSY = Guarded(
    r"\balloc_contig_\w+: \[(?:0x)?([0-9a-f]+),\s?(?:0x)?([0-9a-f]+)\) PFNs busy|"
    r"\balloc_contig_range test_pages_isolated\(([0-9a-f]+), ([0-9a-f]+)\) failed"
)
_MARKS = (
    "cma", "@", "dma_", "alloc_contig", "available pages", "CMA", "bos ", "kb BOs", "failed to allocate buffer", "*ERROR*",
    "reusable", "total pages",
)  # fmt: skip
_SIZE = Guarded(
    r"(?:\bcreated CMA memory pool at 0x[0-9a-f]+, size |\bcma: Reserved )(\d{1,7}) MiB|\b(\d{1,12})K cma-reserved|"
    r"\bCMA: reserved (\d{1,7}) MiB at |"
    r"\bOF: reserved mem: 0x[0-9a-f]+\.\.0x[0-9a-f]+ \((\d{1,12}) KiB\) map reusable "
)
_NODE = Guarded(
    r"\bOF: reserved mem: initialized node [\w,@-]+, compatible id shared-dma-pool|\bfailed to allocate buffer with size \d+"
)
_HELD = Guarded(r"\b(num|size) bos (\w+):\s*(\d{1,12})(?:kb)?\b")
_KINDS = Guarded(r": \[\s*(\S[^\]]{0,40})\]:\s+(\d{1,12})kb BOs \((\d{1,9})\)")  # of vc4
_DRM = Guarded(r"\*ERROR\* Failed to allocate from (?:CMA|GEM DMA helper)|\bFailed to allocate a? ?CMA buffer")
_OTHER = Guarded(
    r"\bcma: number of available pages:|\bcma_alloc\(cma |\bcma_alloc\(\): (?:returned|memory range)|"
    r"\bdma_alloc_from_contiguous\((?:cma |\w+, count)|"
    r"\bdma_alloc_from_contiguous\(\): (?:memory range|returned (?!\s*\(null\)|0+\b))|"
    r"\bdma_release_from_contiguous\("
)


def read(line: Line, material: Material) -> bool:
    """Whether the line is about a contiguous allocation. Runs and the request of one failure come in two lines, either first."""
    if not any(mark in line.text for mark in _MARKS):
        return False
    failed, runs, busy = _FAILED.search(line.text), _LIST.search(line.text) or _SHORT.search(line.text), _BUSY.search(line.text)
    if failed is not None:
        entry = _entry(line, material, lambda last: last.wanted is None)
        area = _AREA.search(line.text)
        entry.wanted, entry.ret, entry.area = int(failed[1][:12]), int(failed[2][:12]), area[1] if area else ""
        return True
    if runs is not None:
        entry = _entry(line, material, lambda last: not last.runs)
        entry.runs = [(int(length[:12]), int(start[:12] or 0)) for length, start in _RUN.findall(runs[1])]
        entry.free, entry.total = int(runs[2][:12]), int(runs[3][:12]) if runs[3] else None
        return True
    parted = _PART.fullmatch(line.text.strip())
    if parted is not None and material.cma and not material.cma[-1].total:
        entry = material.cma[-1]
        entry.runs = [*entry.runs, *((int(length[:12]), int(start[:12] or 0)) for length, start in _RUN.findall(parted[1]))]
        if parted[2]:
            entry.free, entry.total = int(parted[2]), int(parted[3])
        return True
    cut = _CUT_LIST.search(line.text)
    if cut is not None:
        entry = _entry(line, material, lambda last: not last.runs and last.free is None)
        entry.free, entry.total = int(cut[1][:12]), int(cut[2][:12])
        return True
    if busy is not None:
        material.cma.append(CmaFailure(line, busy=(int(busy[1] or busy[3], 16), int(busy[2] or busy[4], 16))))
        return True
    return _around(line.text, material)


def _around(text: str, material: Material) -> bool:
    """What the kernel said of its areas when it started, and what a display driver keeps of one."""
    size, held = _SIZE.search(text), _HELD.search(text)
    if size is not None:
        mib, kib = size[1] or size[3], size[2] or size[4]
        kb = int(mib) << 10 if mib else int(kib)
        if kb and kb not in material.cma_kb:
            material.cma_kb.append(kb)
    elif held is not None:
        material.buffers[f"{held[1]} {held[2]}"] = int(held[3])
    kind = _KINDS.search(text) if "kb BOs" in text else None
    if kind is not None:
        use = "cached" if "cache" in kind[1] else "used"
        for what, number in (("num", kind[3]), ("size", kind[2])):
            material.buffers[f"{what} {use}"] = material.buffers.get(f"{what} {use}", 0) + int(number)
    return bool(size or held or kind or _NODE.search(text) or _DRM.search(text) or _OTHER.search(text))


def _entry(line: Line, material: Material, fits: object) -> CmaFailure:
    last = material.cma[-1] if material.cma else None
    if last is not None and last.busy is None and callable(fits) and fits(last) and last.line.source == line.source:
        return last
    material.cma.append(CmaFailure(line))
    return material.cma[-1]
