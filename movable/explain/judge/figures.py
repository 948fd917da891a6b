"""What figures of tools say about the question: is memory short, who reclaims, which kinds of pages there are, who holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from movable.explain.judge.frame_runs import frame_runs
from movable.explain.judge.khugepaged import collapses
from movable.explain.judge.plain import BLOCKS, MAX_SHOWN, percent, plain, read_too
from movable.explain.judge.sysfs import hugetlb, sysfs, with_boot
from movable.explain.material import Answer, Figure, MappedArea, Material, OwnedPage, grouped
from movable.shown import many

COMPACTING = (
    "isolate_migratepages", "isolate_freepages", "compact_", "migrate_page", "migrate_folio", "pageblock_pfn_to_page",
    "get_pfnblock_flags", "move_to_new", "release_freepages", "fast_isolate", "unmap_and_move",
)  # fmt: skip
"""How functions begin that compaction runs."""
RECLAIMABLE = ("dentry", "inode_cache", "radix_tree_node", "btrfs_inode", "xfs_inode", "buffer_head")
HUGE_PAGE_KB = 2048  # kB
BUSY_PERCENT = 20  # per cent of a processor
LARGEST_PAGE_KB = 64  # kB; what is larger is a huge page


def answers(material: Material) -> Iterator[Answer]:
    """One answer for each kind of figures, then for owners of pages and for what processes have mapped."""
    for kind, rows in grouped(material.figures, lambda one: one.kind).items():
        title, teller = TELLERS.get(kind, (kind, read_too))
        if kind == "hugetlb":
            rows = [with_boot(one, material) for one in rows]
        answer = Answer(title)
        teller(rows, answer)
        yield answer
    if set(material.cgroup) - {"constraint", "task"} and not material.requests:
        yield _group(material.cgroup)
    if material.owned:
        yield _owners(material.owned)
    if material.areas:
        yield _mapped(material.areas)


def _free(rows: list[Figure], answer: Answer) -> None:
    for one in rows:
        values = one.values
        if one.name == "Mem":
            cache = sum(values.get(name, 0) for name in ("buff/cache", "cached", "cache", "buffers"))
            free, total = plain(values.get("free", 0) // 1), plain(values.get("total", 0) // 1)
            answer.facts.append(f"{free} kB of {total} kB are free, {plain(cache // 1)} kB are cache that can be given up.")
        elif one.name == "Swap":
            used, whole = values.get("used", 0) // 1, values.get("total", 0) // 1
            answer.facts.append(f"{plain(used)} kB of {plain(whole)} kB of swap are used." if whole else "There is no swap.")
    answer.advice.append(BLOCKS)


def _vmstat(rows: list[Figure], answer: Answer) -> None:
    out, least = max(one.values["so"] for one in rows), min(one.values["free"] for one in rows)
    answer.facts.append(f"At least {plain(least)} were free, in the unit of vmstat (kB, if none was asked for).")
    answer.facts.append(f"At most {plain(out)} a second were swapped out.")
    answer.facts.append("Memory is short: pages are swapped out." if out else "Nothing is swapped out: memory is not short.")
    answer.advice.append(BLOCKS)


def _sar(rows: list[Figure], answer: Answer) -> None:
    most = {name: max(one.values.get(name, 0) for one in rows) for one in rows for name in one.values}
    if "pgscand/s" in most:
        direct, kswapd = most["pgscand/s"], most.get("pgscank/s", 0)
        answer.facts.append(f"Scanned in a second: at most {plain(direct)} pages by tasks themselves, {plain(kswapd)} by kswapd.")
        answer.facts.append(
            "Memory was short: tasks had to reclaim it (direct reclaim)." if direct else
            "kswapd kept up: no task had to reclaim memory." if kswapd else "Nothing was reclaimed: memory was not short."
        )  # fmt: skip
    elif "majflt/s" in most:
        answer.facts.append(f"At most {plain(most['majflt/s'])} faults a second had to read from disk.")
        answer.facts.append("Whether memory was reclaimed is in columns that are not here (pgscank/s, pgscand/s).")
    if "pswpout/s" in most:
        out = most["pswpout/s"]
        answer.facts.append(f"At most {plain(out)} pages a second were swapped out: memory was {'short' if out else 'not short'}.")
    for name, what in (("kbmemfree", "kB were free"), ("kbhugfree", "kB of huge pages were free")):
        if name in most:
            answer.facts.append(f"At least {plain(min(one.values[name] for one in rows if name in one.values))} {what}.")
    if len(answer.facts) == 0:
        read_too(rows, answer)
    answer.advice.append(BLOCKS)


def _slab(rows: list[Figure], answer: Answer) -> None:
    largest = sorted(rows, key=lambda one: -one.values["kb"])[:MAX_SHOWN]
    total = sum(one.values["kb"] for one in rows)
    reclaimable = [one for one in rows if one.name.startswith(RECLAIMABLE) or one.name.endswith("inode_cache")]
    back = plain(sum(one.values["kb"] for one in reclaimable) // 1)
    answer.facts.append(f"{plain(total // 1)} kB are slab, which no compaction moves; {back} kB of it can be reclaimed.")
    answer.facts.append("Largest: " + ", ".join(f"{one.name} ({plain(one.values['kb'] // 1)} kB)" for one in largest) + ".")
    drop = "echo 2 > /proc/sys/vm/drop_caches frees dentries and inodes that nobody uses, and some blocks with them"
    leak = "a cache that only grows is a leak: page_owner=on or slab_debug=U at boot says who allocates from it"
    answer.advice.append(drop if reclaimable else leak)


def _pressure(rows: list[Figure], answer: Answer) -> None:
    for one in rows:
        who = "some task" if one.name == "some" else "all tasks"
        answer.facts.append(f"{plain(one.values['avg10'])} % of the last 10 s {who} waited for memory.")
    answer.advice.append(BLOCKS)


def _page_types(rows: list[Figure], answer: Answer) -> None:
    counts = Counter({one.name: 0 for one in rows})
    for one in rows:
        counts[one.name] += int(one.values["pages"])
    most = ", ".join(f"{name}: {count}" for name, count in counts.most_common(MAX_SHOWN))
    answer.facts.append(f"Frames by their flags: {most}.")
    slab = sum(count for name, count in counts.items() if "slab" in name)
    answer.facts.append(f"{slab} frames are slab, which nothing can move.")
    answer.advice.append("movable explain /proc/kpageflags, as root: says which pageblocks they hold")


def _allocated(rows: list[Figure], answer: Answer) -> None:
    """What each place of the kernel's source has allocated and not given back."""
    largest = sorted(rows, key=lambda one: -one.values["kb"])[:MAX_SHOWN]
    told = (f"{one.name} {plain(one.values['kb'] // 1)} kB in {plain(one.values['calls'])}" for one in largest)
    answer.facts.append(f"Largest of {many(len(rows), 'place')}: {', '.join(told)}.")
    answer.advice.append("sort -g /proc/allocinfo twice: a place that only grows leaks; whose it is its file and module say")


def _samples(rows: list[Figure], answer: Answer) -> None:
    ours = [one for one in rows if one.name.startswith(COMPACTING)]
    share = sum(one.values["percent"] for one in ours)
    answer.facts.append(f"{share:.1f} % of the samples are in compaction and migration.")
    if ours:
        answer.facts.append("Most: " + ", ".join(f"{one.name} {one.values['percent']:.1f} %" for one in ours[:MAX_SHOWN]) + ".")
        answer.advice.append("grep compact /proc/vmstat: does what is scanned move")
        answer.advice.append("movable trace summary FILE: who scans what again and again")


def _histogram(rows: list[Figure], answer: Answer) -> None:
    for name, group in grouped(rows, lambda one: one.name).items():
        buckets = [next(iter(one.values.items())) for one in group]
        most = max(buckets, key=lambda one: one[1])
        total = plain(sum(count for _, count in buckets))
        answer.facts.append(f"{name or 'A histogram'}: {total} values, most of them in {most[0]}.")


def _lsmem(rows: list[Figure], answer: Answer) -> None:
    marked = [one for one in rows if "removable" in one.values]
    fixed = [one.name for one in marked if not one.values["removable"]]
    online = sum(1 for one in rows if one.values["online"])
    answer.facts.append(f"{online} of {len(rows)} ranges of memory are online.")
    if marked:
        answer.facts.append(f"{len(marked) - len(fixed)} of {len(marked)} are marked as removable.")
    if fixed:
        answer.facts.append(f"Not removable: {', '.join(fixed[:MAX_SHOWN])}.")
    answer.advice.append("newer kernels say 'yes' of every block: try (echo offline > state), and dmesg dumps the page in the way")


def _by_node(rows: list[Figure], answer: Answer) -> None:
    names: dict[str, dict[str, float]] = {}
    for one in rows:
        names.setdefault(one.name, {}).update(one.values)
    for name, nodes in names.items():
        answer.facts.append(f"{name}: {', '.join(f'{node} {plain(value)}' for node, value in nodes.items())}.")
    missed = sum(sum(one.values.values()) for one in rows if one.name == "numa_miss")
    if missed:
        answer.facts.append(f"{plain(missed)} pages came from another node than wanted: the wanted one was short of memory.")


def _freepages(rows: list[Figure], answer: Answer) -> None:
    """What virsh counts: small pages that are free, and huge pages that the pool has free."""
    for one in rows:
        for what, count in one.values.items():
            size, _, state = what.split(" ", 2)
            pool = f"huge pages of {size} KiB" if int(size) > LARGEST_PAGE_KB else f"pages of {size} KiB"
            if state == "free":
                of = " in the pool" if int(size) > LARGEST_PAGE_KB else f" ({plain(count * int(size))} kB)"
                answer.facts.append(f"{one.name}: {plain(count)} {pool} are free{of}.")
            else:
                answer.facts.append(f"{one.name} has {plain(count)} {pool}.")
    answer.facts.append("The pool's huge pages were taken before: their number does not say in which blocks the rest lies.")
    answer.advice.append(BLOCKS)


def _atop(rows: list[Figure], answer: Answer) -> None:
    """Of atop's rows those of paging and pressure, which are what the interval added."""
    paging = [one.values for one in rows if one.name == "PAG"]
    for name, what in (("compact", "requests stalled in compaction"), ("stall", "requests stalled in direct reclaim"),
                       ("swout", "pages were swapped out")):  # fmt: skip
        if any(name in values for values in paging):
            answer.facts.append(f"At most {plain(max(values.get(name, 0) for values in paging))} {what} in one interval.")
    names = ", ".join(dict.fromkeys(one.name for one in rows))
    answer.facts = answer.facts or [f"Read: {names}; none says whether anything stalled."]
    answer.advice.append(BLOCKS)


def _top(rows: list[Figure], answer: Answer) -> None:
    for one in rows:
        answer.facts.append(f"{one.name} takes {one.values['percent']:.1f} % of a processor.")
    if any(one.name.startswith("kcompactd") and one.values["percent"] > BUSY_PERCENT for one in rows):
        answer.facts.append("Compaction in the background works hard: it helps only where what it scans moves.")
        answer.advice.append("grep compact /proc/vmstat twice: pages scanned for each that moved")


def _graph(rows: list[Figure], answer: Answer) -> None:
    for name, group in list(grouped(rows, lambda one: one.name).items())[: MAX_SHOWN * 2]:
        times = [one.values["us"] for one in group]
        answer.facts.append(f"{name}: {len(times)} times, {max(times):.1f} us at most, {sum(times):.1f} us in all.")


OF_A_PROCESS = {"VmRSS": "are in memory", "VmSwap": "in swap", "VmLck": "locked", "VmPin": "pinned"}


def _status(rows: list[Figure], answer: Answer) -> None:
    """What /proc/PID/status says of one process."""
    values = {one.name: one.values["value"] for one in rows}
    told = [f"{plain(values[name])} kB {what}" for name, what in OF_A_PROCESS.items() if name in values]
    if told:
        answer.facts.append(f"{', '.join(told)}.")
    if values.get("HugetlbPages"):
        answer.facts.append(f"{plain(values['HugetlbPages'])} kB are of the pool of huge pages.")
    if "THP_enabled" in values:
        may = "may have transparent huge pages" if values["THP_enabled"] else "may have no transparent huge pages (prctl)"
        answer.facts.append(f"The process {may}.")
    if values.get("VmPin"):
        answer.facts.append("Pinned pages cannot move: they stay where they are until they are let go.")
    answer.facts = answer.facts or [f"Read: {', '.join(f'{name} {plain(value)}' for name, value in values.items())}."]
    answer.advice.append("grep -A 20 heap /proc/PID/smaps: how much of it is in huge pages (AnonHugePages)")


def _balloon(rows: list[Figure], answer: Answer) -> None:
    """What the balloon of VMware holds, and what the host wants."""
    pages = {one.name: one.values["pages"] for one in rows}
    answer.facts.append(", ".join(f"{name}: {plain(count)} pages" for name, count in pages.items()) + ".")
    if pages.get("current"):
        answer.facts.append("What the balloon holds is no memory of the guest, and /proc/meminfo counts it nowhere.")
        answer.advice.append("more memory for the guest, or a smaller balloon, where the guest is short")


def _virtio_mem(rows: list[Figure], answer: Answer) -> None:
    """What a host wants a guest to have, and what it has."""
    for device, group in grouped(rows, lambda one: one.name).items():
        now = {name: kb for one in group for name, kb in one.values.items()}
        if len(now) < 2:
            answer.facts.append(f"{device}: {', '.join(f'{plain(kb // 1024)} MiB are {name}' for name, kb in now.items())}.")
            continue
        plugged, wanted = now["plugged"] // 1024, now["requested"] // 1024
        answer.facts.append(f"{device}: {plain(plugged)} MiB are plugged, the host wants {plain(wanted)} MiB.")
        if plugged > wanted:
            left = plain(plugged - wanted)
            answer.facts.append(f"{left} MiB have to be emptied and given back: one page that cannot move keeps its block.")
            answer.advice.append("online it to ZONE_MOVABLE (memhp_default_state=online_movable): only movable pages go there")


def _swaps(rows: list[Figure], answer: Answer) -> None:
    for one in rows:
        answer.facts.append(f"{one.name}: {plain(one.values['used'])} kB of {plain(one.values['total'])} kB are used.")
    if any("zram" in one.name for one in rows):
        answer.facts.append("Pages that hold one word again and again count here, but not as data of zram: they take no memory.")
        answer.advice.append("cat /sys/block/zram0/mm_stat: same_pages counts those")


def _pool(rows: list[Figure], answer: Answer) -> None:
    for one in rows:
        now, least, most = (plain(one.values[name]) for name in ("now", "at least", "at most"))
        answer.facts.append(f"Huge pages of {one.name}: {now} now, {least} at least, {most} at most.")


def _named(rows: list[Figure], answer: Answer) -> None:
    answer.facts.append(f"Read: {', '.join(dict.fromkeys(one.name for one in rows))}.")
    answer.advice.append("on the node: grep -r . /sys/kernel/mm/hugepages, and cat /proc/buddyinfo; restart kubelet after a change")


def _mmtests(rows: list[Figure], answer: Answer) -> None:
    """Each measured row, from column to column."""
    for one in rows[:MAX_SHOWN * 2]:
        answer.facts.append(f"{one.name}: {', '.join(f'{plain(value)} ({column})' for column, value in one.values.items())}.")
    if len(rows) > MAX_SHOWN * 2:
        answer.facts.append(f"{len(rows) - MAX_SHOWN * 2} more rows; --json has all of them.")


def _zsmalloc(rows: list[Figure], answer: Answer) -> None:
    total = next((one for one in rows if one.name == "Total"), None)
    if total is None:
        read_too(rows, answer)
        return
    used, back = total.values["pages_used"], total.values["freeable"]
    objects = plain(total.values["obj_used"])
    answer.facts.append(f"{plain(used)} pages hold {objects} objects; compaction could give {plain(back)} pages back.")
    answer.advice.append("echo 1 > /sys/block/zramN/compact")


def _requested(rows: list[Figure], answer: Answer) -> None:
    """Requests of pages by order, those that cannot move, and those that failed."""
    sums = {one.name: one.values for one in rows if "count" in one.values}
    asked, failed = (sums.get(f"allocation {what}", {}).get("count", 0.0) for what in ("requests", "failures"))
    if asked:
        share = percent(int(failed), int(asked))
        answer.facts.append(f"{plain(asked)} requests, of which {plain(failed)} failed ({share} %).")
    kept = sums.get("alloc-only requests", {})
    if kept:
        answer.facts.append(f"{plain(kept['count'])} were not given back in that time ({plain(kept.get('kb', 0))} kB).")
    orders = [(one.name, sum(one.values.values())) for one in rows if one.name.startswith("order ")]
    said = ", ".join(f"{name}: {plain(count)}" for name, count in orders if count)
    if said:
        answer.facts.append(f"By order: {said}.")
    fixed = sum(one.values.get("Unmovable", 0) + one.values.get("Reclaimable", 0) for one in rows)
    whole = sum(count for _, count in orders)
    if whole:
        answer.facts.append(f"{percent(int(fixed), int(whole))} % asked for memory that cannot be moved.")
    if failed:
        answer.advice.append("dmesg | grep -A40 'page allocation failure': what was free when they failed")


TELLERS: dict[str, tuple[str, Callable[[list[Figure], Answer], None]]] = {
    "free": ("Memory of the whole machine (free)", _free),
    "vmstat": ("Memory by the second (vmstat)", _vmstat),
    "sar": ("Paging by the second (sar)", _sar),
    "slab": ("Slab caches", _slab),
    "pressure": ("Pressure of memory (PSI)", _pressure),
    "hugetlb": ("Pool of huge pages", hugetlb),
    "sysfs": ("Values of /sys", sysfs),
    "exported": ("Values of an exporter", read_too),
    "page-types": ("Frames by flags (page-types)", _page_types),
    "frames": ("Frames one by one (page-types -l)", frame_runs),
    "allocinfo": ("Who allocated memory (allocation profiling)", _allocated),
    "samples": ("Where the processor was (perf)", _samples),
    "histogram": ("Histograms", _histogram),
    "lsmem": ("Memory blocks (lsmem)", _lsmem),
    "numastat": ("Allocations by node (numastat)", _by_node),
    "numastat process": ("Memory of a process by node, in MB (numastat)", _by_node),
    "zsmalloc": ("Size classes of zsmalloc", _zsmalloc),
    "freepages": ("Free pages by size (virsh)", _freepages),
    "atop": ("Paging by the interval (atop)", _atop),
    "top": ("Tasks of the kernel (top)", _top),
    "graph": ("How long functions took (function graph)", _graph),
    "status": ("Memory of a process (status)", _status),
    "virtio-mem": ("Memory that a host lends (virtio-mem)", _virtio_mem),
    "balloon": ("Balloon of VMware", _balloon),
    "swaps": ("Swap areas", _swaps),
    "pool": ("Pools of huge pages (hugeadm)", _pool),
    "kubernetes": ("Huge pages as Kubernetes counts them", _named),
    "mmtests": ("Measured (mmtests)", _mmtests),
    "perf kmem": ("Requests of pages (perf kmem)", _requested),
    "perf kmem slab": ("Requests of the slab allocator (perf kmem)", read_too),
    "khugepaged": ("Huge pages that khugepaged looked for (tracepoints)", collapses),
}


def _group(values: dict[str, str]) -> Answer:
    """A memory cgroup: what it uses, and whether its huge pages were refused. memory.stat is in bytes and counts."""
    told = ("anon", "file", "anon_thp", "slab_unreclaimable")
    sizes = {name: int(values[name]) >> 10 for name in told if values.get(name, "").isdecimal()}
    answer = Answer("Memory cgroup", [", ".join(f"{name} {kb} kB" for name, kb in sizes.items()) + "."] if sizes else [])
    if "usage_kb" in values:
        answer.facts.append(f"{values['usage_kb']} kB are used of {values.get('limit_kb', 'no')} kB that it may have.")
    if sizes.get("anon") and "anon_thp" in sizes:
        answer.facts.append(f"{percent(sizes['anon_thp'], sizes['anon'])} % of its anonymous memory is in huge pages.")
    if values.get("thp_fault_fallback", "").isdecimal():
        answer.facts.append(f"{values['thp_fault_fallback']} faults wanted a huge page and got none.")
    if values.get("event max", "0") != "0":
        answer.facts.append(f"Its limit was reached {values['event max']} times: tasks of the group had to reclaim.")
    if values.get("event oom_kill", "0") != "0":
        killed = f"The OOM killer ended {values['event oom_kill']} of its tasks"
        answer.facts.append(f"{killed}: the limit is short, not the machine's memory.")
    answer.facts = answer.facts or [f"Read: {', '.join(f'{name} {value}' for name, value in list(values.items())[:12])}."]
    return answer


def _owners(owned: list[OwnedPage]) -> Answer:
    """Who allocated the pages, and which of them lie in pageblocks of another kind."""
    answer = Answer("Owners of pages (page_owner)")
    tasks: Counter[str] = Counter()
    for one in owned:
        tasks[one.task] += one.pages
    if set(tasks) != {""}:
        most = ", ".join(f"{task or 'not said'} ({pages})" for task, pages in tasks.most_common(MAX_SHOWN))
        answer.facts.append(f"Pages by owner: {most}.")
    callers: Counter[str] = Counter()
    for one in owned:
        callers[one.caller] += one.pages
    if set(callers) != {""}:
        most = ", ".join(f"{name or 'not said'} ({pages})" for name, pages in callers.most_common(MAX_SHOWN))
        answer.facts.append(f"What they are for, by the function that asked: {most}.")
    wrong = [one for one in owned if one.block in ("Movable", "CMA") and one.migratetype not in ("", "Movable", "CMA")]
    for one in wrong[:MAX_SHOWN]:
        where = f"Frame {one.pfn:#x}" if one.pfn is not None else "A frame"
        by = f", from {one.caller}" if one.caller else ""
        what = f"{where} (order {one.order}, {one.migratetype}, of {one.task}{by})"
        answer.facts.append(f"{what} lies in a {one.block} pageblock: it keeps the whole block.")
    if len(wrong) > MAX_SHOWN:
        answer.facts.append(f"{len(wrong) - MAX_SHOWN} more lie in blocks of another kind.")
    if wrong:
        answer.advice.append("their owner has to let them go: the call trace below each in page_owner says what they are for")
    return answer


def _mapped(areas: list[MappedArea]) -> Answer:
    """How much of a process is in huge pages, and what could be but is not."""
    total, huge = sum(_anonymous(one) for one in areas), sum(one.values.get("AnonHugePages", 0) for one in areas)
    said = f"{many(len(areas), 'mapping')}, {huge} kB of {total} kB of anonymous memory in huge pages."
    answer = Answer("Mappings of a process (smaps)", [said])
    could = [_anonymous(one) - one.values.get("AnonHugePages", 0) for one in areas if one.values.get("THPeligible")]
    missing = sum(size for size in could if size >= HUGE_PAGE_KB)
    if missing:
        answer.facts.append(f"{missing} kB more could be: their areas may have huge pages (THPeligible), and faults found none.")
        answer.advice.append("grep thp_fault /proc/vmstat: were huge pages refused? and cat /proc/buddyinfo")
    elif any("THPeligible" in one.values for one in areas) and huge * 2 < total:
        answer.facts.append("No other area may have huge pages: each is too small, or neither setting nor madvise() asks for them.")
        answer.advice.append("cat /sys/kernel/mm/transparent_hugepage/enabled")
    pool = sum(one.values.get("Private_Hugetlb", 0) + one.values.get("Shared_Hugetlb", 0) for one in areas)
    if pool:
        answer.facts.append(f"{pool} kB are of the pool of huge pages (hugetlbfs).")
    locked = sum(one.values.get("Locked", 0) for one in areas)
    if locked:
        answer.facts.append(f"{locked} kB are locked (mlock): compaction moves them unless vm.compact_unevictable_allowed is 0.")
    return answer


def _anonymous(area: MappedArea) -> int:
    return area.values.get("Anonymous", area.values.get("AnonHugePages", 0))
