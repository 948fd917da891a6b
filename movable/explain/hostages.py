"""Which page is in the way, and whose it is: what a dump of the kernel says about references, kind and owner."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from movable.explain.material import PageDump
from movable.explain.meanings import AGAIN, OFFLINING, OWNERS, of_memory_failure, of_offlining, of_return
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_KSM, PAGE_MAPPING_MOVABLE
from movable.shown import many

TYPES = {-128: "buddy", -256: "page of a driver (balloon)"}
"""What a page is whose type stands where others count mappings, as kernels before 5.10 dumped it."""
CALLED = {
    "slab": "a page of slab", "reserved": "a reserved page", "buddy": "a free page", "table": "a page table",
    "guard": "a guard page",
    "hwpoison": "a page with an error of the hardware (hwpoison)",
    "hugetlb": "a huge page of the pool (hugetlb)", "kernel page": "a page of the kernel",
}  # fmt: skip
MAX_ORDER = 20  # of a folio that a dump is believed
PIN_BIAS = 1024
"""What FOLL_PIN adds to a page's reference count (GUP_PIN_COUNTING_BIAS)."""


BUG = re.compile(
    r"VM_BUG_ON|VM_WARN_ON|PAGE_FLAGS_CHECK|bad pte|non-NULL mapping|nonzero |corrupted |page still charged|still mapped"
)
"""How reasons of dumps begin that are about a page in a state that must not be."""
REPORT = "report it with the call trace; boot with page_owner=on debug_pagealloc=on to learn who had the page, and test the memory"
UNCOUNTED = ("unknown", "kernel page", "slab", "reserved", "buddy", "table", "guard", "hwpoison")
"""Kinds of pages whose references say nothing about migration."""


@dataclass(frozen=True, slots=True)
class Hostage:
    """A page that is in the way. ``expected`` references are those that migration counts on, None where the dump does not say."""

    page: PageDump
    kind: str
    held: int | None
    expected: int | None
    why: str
    advice: str


def judge(page: PageDump) -> Hostage:
    """What one dump says."""
    kind = kind_of(page)
    expected = _expected(page, kind)
    why, advice = _why(page, kind, expected)
    return Hostage(page, kind, page.refcount, expected, why, advice)


def called(kind: str) -> str:
    """A kind of page as it stands in a sentence: "It is ..."."""
    return CALLED.get(kind, f"a {kind}" if kind.startswith("page of") else kind)


def kind_of(page: PageDump) -> str:
    """What sort of page it is, as far as flags and mapping tell."""
    flags = set(page.flags)
    address = page.mapping or 0  # where a kernel hides it, its low bits say nothing
    marked = address & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE
    movable = "isolated" in flags or (marked and not page.aops and "swapbacked" not in flags)
    driver = re.match(r"(balloon|zsmalloc|z3fold)_\w*ops\b", page.aops)
    by_kind = (
        (bool(flags & {"slab"}) or page.page_type == "slab", "slab"),
        ("reserved" in flags, "reserved"),
        (driver is not None, f"page of a driver ({driver and driver[1]})"),
        (page.page_type in ("offline", "zsmalloc"), f"page of a driver ({page.page_type})"),
        (page.page_type in ("buddy", "table", "guard"), page.page_type),
        (page.mapcount in TYPES, TYPES.get(page.mapcount or 0, "")),
        (page.page_type == "hugetlb" or "hugepage" in page.reason or "hugetlb" in page.compound, "hugetlb"),
        (page.aops.startswith("swap_aops") or {"swapcache", "swapbacked"} <= flags, "anonymous, in the swap cache"),
        (page.aops.startswith(("shmem_aops", "tmpfs")), "shared memory (tmpfs)"),
        (bool(page.aops), f"page cache ({page.aops})"),
        (page.ksm or (address >> 63 == 1 and address & PAGE_MAPPING_FLAGS == PAGE_MAPPING_KSM), "anonymous, one that KSM shares"),
        (page.anon or "swapbacked" in flags, "anonymous"),
        (movable and page.mapping is not None, "page of a driver (movable)"),
        ("hwpoison" in flags, "hwpoison"),
        ("lru" in flags or _of_a_file(page), "page cache"),
        (bool(flags) or (page.refcount is not None and page.mapping == 0), "kernel page"),
    )
    return next((name for fits, name in by_kind if fits), "unknown")


TABLES = (
    "end the process whose page tables they are, or let it unmap (grep VmPTE /proc/[0-9]*/status: who has many); page_owner=on at "
    "boot says whose this one is"
)
POISON = 0xDEAD << 48


def _of_a_file(page: PageDump) -> bool:
    """Whether a dump of a kernel that names no operations has the mapping of a file: an address, and no mark in its low bits."""
    address = page.mapping or 0
    return address >> 63 == 1 and not address & PAGE_MAPPING_FLAGS and address & 0xFFFF << 48 != POISON


DROP = "echo 2 > /proc/sys/vm/drop_caches, where it holds dentries or inodes (slabtop); page_owner=on at boot says whose it is"
POISONED = (
    "the hardware reported an error in it, so that it is out of use for good: its block can go offline, but no contiguous "
    "allocation can have it"
)
HELD_BUFFERS = (
    "its references were as expected; its file system's own data on it (buffers) may be held, by a journal for one, which a dump "
    "does not show"
)


def _expected(page: PageDump, kind: str) -> int | None:
    """References that migration counts on: the isolator's, one for each mapping, the cache's, and that of private data."""
    if page.refcount is None or page.mapcount is None or kind in UNCOUNTED:
        return None
    cached = bool(page.aops) or "swap cache" in kind or kind in ("shared memory (tmpfs)", "page cache")
    count = 1 + max(page.mapcount, 0) + (pages_of(page) if cached else 0)
    count += bool({"private", "fs_private"} & set(page.flags)) and "page cache" in kind
    if kind.startswith("page of a driver"):
        count = 2  # the owner's and the isolator's
    return count


def pages_of(page: PageDump) -> int:
    """How many pages a large folio has, each of which the cache holds by a reference of its own; those of hugetlbfs have one."""
    order = re.search(r"\border:(\d{1,2})\b", page.compound)
    return 1 if order is None or "hugetlb" in page.aops else 1 << min(int(order[1]), MAX_ORDER)


def _why(page: PageDump, kind: str, expected: int | None) -> tuple[str, str]:
    flags = set(page.flags)
    if BUG.match(page.reason):
        return "a check of the kernel failed: it is a bug, or bad memory, and no question of migration", REPORT
    extra = None if expected is None or page.refcount is None else page.refcount - expected
    if kind in ("slab", "reserved", "table", "kernel page"):
        word = {"slab": "kernel objects lie in it", "reserved": "firmware or the kernel keeps it", "table": "it holds page tables"}
        return f"{word.get(kind, 'the kernel itself uses it')}, so nothing can move it", _whose(page, kind)
    if kind == "hwpoison":
        return POISONED, "replace the memory module; grep HardwareCorrupted /proc/meminfo says how much is lost"
    if page.reason == "unmovable page" and kind == "hugetlb":
        return "the kernel does not move huge pages of its size", "give it back: lower nr_hugepages of that size, on that node"
    if page.reason == "unmovable page" and not kind.startswith("page of a driver"):
        return _taken_for_unmovable(page, kind)
    if "writeback" in flags:
        return "it is being written out", "wait for the disk, then run it again (sync)"
    if page.ret == -errno.ENOMEM:
        return of_return(page.ret), "free memory elsewhere first; a huge page needs a free one of its size (nr_hugepages)"
    if kind.startswith("page of a driver"):
        return _of_a_driver(page, kind, extra)
    pins = _pins(page, expected)
    if pins:
        return (
            f"it is pinned for DMA ({many(pins, 'pin')} by pin_user_pages)",
            "end what holds it: RDMA, VFIO, io_uring buffers, a guest with a passed-through device; /proc/vmstat: nr_foll_pin_*",
        )
    if extra is None:
        return (of_return(page.ret), AGAIN) if page.ret is not None else _as_said(page.reason)
    return _by_references(kind, flags, extra)


KEEPERS = {"kvm_gmem": "memory of a confidential guest (guest_memfd)", "secretmem": "secret memory of a process (memfd_secret)"}
"""How the operations of files begin that let no page move, and what such files are."""


END_OWNER = "end the guest or the process whose it is, or keep such memory out (movable_node)"


def _taken_for_unmovable(page: PageDump, kind: str) -> tuple[str, str]:
    """Why a page stopped an isolation that is of a kind which moves, as a rule."""
    what = next((what for begins, what in KEEPERS.items() if page.aops.startswith(begins)), "")
    if what:
        return f"it is {what}, which lets no page move", END_OWNER
    if kind == "buddy":
        return "it became free while the kernel looked", AGAIN
    if "lru" not in page.flags:
        return "it was on no list of the LRU just then, so that the kernel took it for one that never moves", AGAIN
    return "the kernel took it for one that never moves", AGAIN


def _by_references(kind: str, flags: set[str], extra: int) -> tuple[str, str]:
    """What ``extra`` references more than migration counts on say of a page that neither the kernel nor a driver has."""
    if extra > 0:
        anonymous = "an aio, direct I/O or get_user_pages user, or a per-CPU batch"
        who = anonymous if "anonymous" in kind else "a reader, or private data"
        return f"{many(extra, 'reference')} more than migration counts on: {who}", AGAIN
    if "locked" in flags:
        return "its lock is held", AGAIN
    if {"dirty", "private"} <= flags and "page cache" in kind:
        return "it is dirty and its file system wants it written first", "sync, then run it again"
    if extra < 0:
        return "it had fewer references than migration counts on: somebody was letting it go, or it had no private data", AGAIN
    if {"private", "fs_private"} & flags:
        return HELD_BUFFERS, "sync, wait for the journal's next commit, and run it again; fsfreeze -f and -u writes all of it"
    return "its references were as expected when it was dumped: what held it was gone a moment later", AGAIN


def _whose(page: PageDump, kind: str) -> str:
    """What to do about a page that nothing can move."""
    function = page.owner.rpartition(", from ")[2] if ", from " in page.owner else ""
    if function and kind != "slab":
        return f"what asked for it ({function}) has to give it back: stop or unload it, or keep such pages out (movable_node, CMA)"
    return {"slab": DROP, "table": TABLES}.get(kind, OWNERS)


def _pins(page: PageDump, expected: int | None) -> int:
    """Pins for DMA: a large folio counts them by themselves, a single page as 1024 references each."""
    if page.refcount is None or "pincount" in page.compound:
        return page.pins
    return page.pins or max(0, page.refcount - (max(page.mapcount or 0, 0) if expected is None else expected)) // PIN_BIAS


def _of_a_driver(page: PageDump, kind: str, extra: int | None) -> tuple[str, str]:
    """A page of zsmalloc, of a balloon or of another driver, which moves it itself."""
    if page.ret in (-errno.EAGAIN, -errno.EBUSY):
        return "its driver could not let it go just then: somebody was reading or writing it, or gave it back", AGAIN
    if page.ret is not None:
        return of_return(page.ret), AGAIN
    if extra is not None and extra > 0:
        return f"{many(extra, 'reference')} more than migration counts on: somebody looked at it", AGAIN
    if extra is not None and extra < 0:
        return "it was not isolated when it was dumped: its driver refused it, or was giving it back", AGAIN
    how = "deflate the balloon, then run it again" if "offline" in kind or "balloon" in kind else AGAIN
    return "its driver did not move it; why, the dump does not say", how


def _as_said(reason: str) -> tuple[str, str]:
    """What the kernel's own words mean, and what to do, where nothing is known of the page itself."""
    if reason.startswith("memory failure"):
        return of_memory_failure(reason)
    if reason.startswith(OFFLINING):
        return of_offlining(reason.removeprefix(OFFLINING))
    if reason.startswith("soft offline"):
        return "it was in use, or on its way to another place, and could not be taken", AGAIN
    if reason == "migration failure":
        return "it did not move; why, the dump does not say", AGAIN
    return reason or "the dump does not say", OWNERS
