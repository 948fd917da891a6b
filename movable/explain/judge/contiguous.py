"""Why a contiguous allocation failed: how long the free runs were, what the area's own users keep, and what was busy."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from movable.explain.judge.plain import percent
from movable.explain.material import Answer, CmaFailure, Material, grouped
from movable.explain.meanings import of_return
from movable.shown import many

ERRORS = {
    -12: "-ENOMEM, no run of free pages is long enough",
    -16: "-EBUSY, a page that was lent could not be moved away",
    -4: "-EINTR, a signal ended the attempt",
}
DUMPS = (
    "echo 'func alloc_contig_dump_pages +p' > /sys/kernel/debug/dynamic_debug/control, and again: the kernel dumps each page in "
    "the way"
)
LARGER = "a larger area (cma=), or smaller or earlier requests; moving pages cannot help"


def areas(material: Material) -> Iterator[Answer]:
    """Failures of contiguous allocation; those that are alike are told once, and ranges that were busy together."""
    busy = [one.busy for one in material.cma if one.busy is not None]
    failed = (one for one in material.cma if one.busy is None)
    for group in grouped(failed, lambda one: (one.area, one.wanted, one.ret, tuple(one.runs))).values():
        answer = _failure(group[0], material)
        if len(group) > 1:
            answer.facts.insert(1, f"That is said {len(group)} times.")
        yield answer
    if busy:
        (first, end), *others = dict.fromkeys(busy)
        where = f"[{first:#x}, {end:#x})" + (f" and {many(len(others), 'more range')}" if others else "")
        often = f" ({len(busy)} times)" if len(busy) > 1 else ""
        said = f"Pages in {where} were busy{often}: one could not be isolated or moved; the kernel goes on to the next place."
        inside = [f"{page.pfn:#x}" for page in material.pages if page.pfn is not None and any(a <= page.pfn < b for a, b in busy)]
        which = [f"Of these, the kernel dumped {', '.join(dict.fromkeys(inside[:4]))}."] if inside else []
        yield Answer("Contiguous allocation: busy ranges", [said, *which], [] if inside else [DUMPS])
    yield from _kept(material)


def _failure(one: CmaFailure, material: Material) -> Answer:
    answer = Answer(f"Contiguous allocation{' from ' + one.area if one.area else ''}")
    longest = max((length for length, _ in one.runs), default=0)
    if one.wanted is not None:
        said = f" and failed: {ERRORS.get(one.ret, of_return(one.ret))}" if one.ret else ""
        were = "was" if one.wanted == 1 else "were"
        answer.facts.append(f"{many(one.wanted, 'page')} ({one.wanted * material.page_kb} kB) {were} wanted{said}.")
        if material.cma_kb and not one.total:
            _against(one.wanted * material.page_kb, max(material.cma_kb), answer)
    if one.runs:
        total = f" of {one.total}" if one.total else ""
        free = sum(length for length, _ in one.runs) if one.free is None else one.free
        answer.facts.append(f"{free}{total} pages of the area are free in {many(len(one.runs), 'run')}; the longest has {longest}.")
    elif one.free is not None:
        answer.facts.append(f"{one.free} of {one.total} pages of the area are free; how long their runs are was left out.")
    if one.wanted is not None and one.runs:
        if longest < one.wanted:
            answer.facts.append("No run is long enough: the area itself is taken up by its users, in pieces.")
            answer.advice.append(LARGER)
        elif one.ret == -errno.ENOMEM:
            answer.facts.append("A run is long enough, but none from a page on that is aligned as the request wants it.")
            answer.advice.append(LARGER)
        else:
            answer.facts.append("A run is long enough: alignment, or pages in it that could not be moved, stood in the way.")
            answer.advice.append("try again; look for pinned pages (long-term pins, writeback) in the area")
            answer.advice.append(DUMPS)
    elif one.ret == -errno.ENOMEM:
        lent = material.meminfo.get("CmaFree")
        if lent is not None and one.wanted is not None and lent < one.wanted * material.page_kb:
            answer.facts.append(
                f"{lent} kB of all areas are free. What movable pages borrow counts as room for this: it is the area's users that "
                "have too much."
            )
        answer.advice.append("grep . /sys/kernel/debug/cma/*/{count,used,maxchunk}: what its users have, and the longest free run")
    return answer


def _against(wanted_kb: int, area_kb: int, answer: Answer) -> None:
    """A request beside the size of the largest area that the kernel named when it started."""
    if wanted_kb > area_kb:
        answer.facts.append(f"The largest area has {area_kb} kB: such a request can never be served.")
    else:
        share = percent(wanted_kb, area_kb)
        answer.facts.append(f"The largest area has {area_kb} kB: the request wants {share} % of it in one piece.")
    if 2 * wanted_kb > area_kb:
        answer.advice.append(LARGER)


def _kept(material: Material) -> Iterator[Answer]:
    """What a display driver keeps, by its own count: these pages are in the way, and cannot be moved."""
    held, kb = material.buffers.get("num used"), material.buffers.get("size used")
    if held is None and kb is None and not material.cma_kb:
        return
    answer = Answer("Users of contiguous memory")
    if material.cma_kb:
        answer.facts.append(f"Areas that the kernel set aside: {', '.join(f'{one} kB' for one in material.cma_kb)}.")
    if held is not None or kb is not None:
        uses = f"The display driver uses {held or 0} buffers of {kb or 0} kB in all"
        answer.facts.append(f"{uses}: no other may have them, or move them.")
        cached = material.buffers.get("size cached", 0)
        if cached:
            answer.facts.append(f"{cached} kB more are buffers that it keeps for later.")
        answer.advice.append("end what draws (windows, video), or give it a larger area (cma=)")
    yield answer
