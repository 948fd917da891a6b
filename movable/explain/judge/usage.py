"""Where memory is: what Mem-Info or /proc/meminfo counts, against what the machine has; the rest is counted nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from movable.explain.judge.plain import percent
from movable.explain.material import Answer, Material

MUCH_PERCENT = 10  # per cent of memory, from which a use gets advice of its own
SHOWN_PERCENT = 2  # per cent of memory, below which a use is not named
MAX_TASKS = 3
ADVICE = {
    "huge pages of the pool": "lower nr_hugepages where they are free: nothing else may use them",
    "slab that cannot be reclaimed": "slabtop -s c says which caches are large; one that only grows is a leak",
    "shared memory": "df -t tmpfs and ipcs -m say whose it is: it can only go to swap, or be removed",
    "page tables": "fewer processes that map the same large area, or huge pages for it",
    "zram's own": "zramctl; a limit of it (mem_limit), or swap on a disk",
}
UNKNOWN = "drivers and the kernel took these pages directly (graphics, network, a balloon): boot with page_owner=on to learn who"
Uses = Mapping[str, int]


def answers(material: Material) -> Iterator[Answer]:
    """Where memory is by the last Mem-Info, and the largest tasks; that of /proc/meminfo is told with its other values."""
    uses, total = of_report(material)
    facts = list(shares(uses, total))
    if material.tasks:
        largest = sorted(dict(material.tasks).items(), key=lambda one: -one[1])[:MAX_TASKS]
        facts.append("Largest tasks: " + ", ".join(f"{name} {_size(pages * material.page_kb)}" for name, pages in largest) + ".")
    pool, idle = (sum(size * counts[which] for (_, size), counts in material.pools.items()) for which in (0, 1))
    if facts and pool and 100 * pool >= MUCH_PERCENT * total:
        facts.insert(1, f"{_size(idle)} of the pool's huge pages are free: set aside, and not in use.")
    if facts:
        yield Answer("Where memory is", facts, list(advice(uses, total)))


def shares(uses: Uses, total: int) -> Iterator[str]:
    """The uses of ``total`` kB, the largest first, and how much is in none of them. Nothing where the sizes do not fit."""
    if not _short(uses, total):
        return
    named = {name: kb for name, kb in uses.items() if SHOWN_PERCENT * total <= 100 * kb}
    if not named:
        return
    parts = (f"{name} {_size(kb)} ({percent(kb, total)} %)" for name, kb in sorted(named.items(), key=lambda one: -one[1]))
    yield f"Of {_size(total)}: {', '.join(parts)}."
    rest = total - sum(uses.values())
    if 100 * rest >= MUCH_PERCENT * total:
        yield f"{_size(rest)} ({percent(rest, total)} %) are in none of the counts: {UNKNOWN.partition(':')[0]}."


def advice(uses: Uses, total: int) -> Iterator[str]:
    """What to do about each use that is large."""
    if not _short(uses, total):
        return
    yield from (what for name, what in ADVICE.items() if 100 * uses.get(name, 0) >= MUCH_PERCENT * total)
    if 100 * (total - sum(uses.values())) >= MUCH_PERCENT * total:
        yield UNKNOWN.partition(": ")[2]


def _short(uses: Uses, total: int) -> bool:
    """Whether most of ``total`` kB is in use. Not where there is no memory, or the sizes do not fit: a zone's was cut off."""
    return bool(uses) and total > 0 and 50 * sum(uses.values()) <= 51 * total and 2 * uses.get("free", 0) <= total


def of_meminfo(values: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Uses in kB of /proc/meminfo, or of a node's, and the whole; empty where the lists of pages are not there."""
    if not {"MemTotal", "MemFree", "Slab"} <= set(values) or not ({"Active", "Inactive"} <= set(values) or "AnonPages" in values):
        return {}, 0
    lists = sum(values.get(name, 0) for name in ("Active", "Inactive", "Unevictable"))
    cached = sum(values.get(name, 0) for name in ("Cached", "FilePages", "Buffers", "SwapCached"))
    lists = lists or values.get("AnonPages", 0) + cached
    shared = values.get("Shmem", 0)
    anon = values.get("AnonPages", 0)
    pool = values.get("Hugetlb", values.get("HugePages_Total", 0) * values.get("Hugepagesize", 2048))
    stacks = values.get("KernelStack", 0)
    return {
        "free": values["MemFree"], "anonymous": anon, "shared memory": shared, "cache of files": max(lists - anon - shared, 0),
        "huge pages of the pool": pool, "slab that can be reclaimed": values.get("SReclaimable", 0),
        "slab that cannot be reclaimed": values.get("SUnreclaim", values["Slab"] - values.get("SReclaimable", 0)),
        "page tables": values.get("PageTables", 0) + values.get("SecPageTables", 0), "per CPU": values.get("Percpu", 0),
        "vmalloc and stacks": max(values.get("VmallocUsed", 0) if values.get("VmallocUsed", 0) < values["MemTotal"] else 0, stacks),
        "zswap": values.get("Zswap", 0),
    }, values["MemTotal"]  # fmt: skip


def of_report(material: Material) -> tuple[dict[str, int], int]:
    """Uses in kB of the last Mem-Info, whose counts are pages, and the whole; empty where it was cut."""
    counts, end = _as_now(material.counts), material.report_end
    if not {"active_anon", "slab_unreclaimable", "free"} <= set(counts):
        return {}, 0
    unit = material.page_kb
    marks = {(one.node, one.zone): one.values for one in material.marks}.values()
    managed = sum(values.get("managed", values.get("present", 0)) for values in marks)
    pages = end["RAM"] - end["reserved"] if {"RAM", "reserved"} <= set(end) else managed
    shared = counts.get("shmem", 0)
    anon = max(_all(counts, "active_anon", "inactive_anon", "isolated_anon") - shared, 0)
    stacks, zspages = (sum(values.get(name, 0) for values in marks) for name in ("kernel_stack", "zspages"))
    uses = {
        "free": _all(counts, "free", "free_pcp"), "anonymous": anon, "shared memory": shared,
        "cache of files": _all(counts, "active_file", "inactive_file", "isolated_file"),
        "unevictable": counts.get("unevictable", 0),
        "slab that can be reclaimed": counts.get("slab_reclaimable", 0),
        "slab" if "slab" in counts else "slab that cannot be reclaimed": counts["slab_unreclaimable"],
        "page tables": _all(counts, "pagetables", "sec_pagetables"), "zram's own": zspages,
    }  # fmt: skip
    pool = sum(size * total for (_, size), (total, _) in material.pools.items())
    stacks_kb = counts.get("kernel_stack_kb", 0) or stacks * unit
    kb = {name: count * unit for name, count in uses.items()} | {"huge pages of the pool": pool, "stacks": stacks_kb}
    return kb, max(pages, 0) * unit


def _as_now(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Counts by the names of kernels from 2.6.32 on. Those before count slab in one, still older ones both lists in one, too."""
    if "slab" not in counts or "slab_unreclaimable" in counts:
        return counts
    new = {**counts, "slab_unreclaimable": counts["slab"]}
    if "mapped_anon" in counts:
        lists = _all(counts, "active", "inactive")
        new |= {"active_anon": counts["mapped_anon"], "active_file": max(lists - counts["mapped_anon"], 0)}
    return new


def _all(counts: Mapping[str, int], *names: str) -> int:
    return sum(counts.get(name, 0) for name in names)


def _size(kb: int) -> str:
    return f"{kb} kB" if kb < 10 << 10 else f"{kb >> 10} MiB" if kb < 10 << 20 else f"{kb / (1 << 20):.1f} GiB"
