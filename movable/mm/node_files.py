"""/sys/devices/system/node/nodeN/{meminfo,numastat,distance}, in the kernel's exact format (drivers/base/node.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable.mm.fs import FileMapping
from movable.mm.page_flags import (
    PAGE_MAPPING_ANON,
    PG_dirty,
    PG_mlocked,
    PG_reserved,
    PG_swapbacked,
    PG_writeback,
)
from movable.mm.swap import LRU_NAMES
from movable.mm.swapfile import PageSwapCache

if TYPE_CHECKING:
    from movable.mm.mmzone import Node
    from movable.mm.userspace import Userspace

LOCAL_DISTANCE, REMOTE_DISTANCE = 10, 20
NUMASTAT = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")


def distance(node: Node) -> str:
    """The line of distances: 10 to itself, 20 to every other node."""
    return " ".join(str(node_distance(node.nid, other.nid)) for other in node.vm.nodes) + "\n"


def node_distance(one: int, two: int) -> int:
    """How far memory of one node is from another (node_distance)."""
    return LOCAL_DISTANCE if one == two else REMOTE_DISTANCE


def node_numastat(user: Userspace, node: Node) -> str:
    """The six counters of a node."""
    counts = user.numastat[node.nid]
    return "".join(f"{name} {count}\n" for name, count in zip(NUMASTAT, counts, strict=True))


def node_counts(user: Userspace, node: Node) -> dict[str, int]:
    """Pages of a node by kind, as meminfo names them; counted from the pages."""
    counts = dict.fromkeys(("SwapCached", "Mlocked", "Dirty", "Writeback", "FilePages", "Mapped", "AnonPages", "Shmem"), 0)
    for zone in node.zones:
        for pfn in range(zone.start_pfn, zone.end_pfn):
            page = node.vm.pages.get(pfn)
            if page is None or page._refcount <= 0 or page._flags >> PG_reserved & 1:
                continue
            flags, word = page._flags, page._mapping
            counts["Mlocked"] += flags >> PG_mlocked & 1
            counts["SwapCached"] += PageSwapCache(page)
            if word & PAGE_MAPPING_ANON:
                counts["AnonPages"] += page._mapcount >= 0
            elif isinstance(node.vm.address_spaces.get(word), FileMapping):
                counts["FilePages"] += 1
                counts["Mapped"] += page._mapcount >= 0
                counts["Shmem"] += flags >> PG_swapbacked & 1
                counts["Dirty"] += flags >> PG_dirty & ~flags >> PG_swapbacked & 1
                counts["Writeback"] += flags >> PG_writeback & 1
    return counts


def meminfo(user: Userspace, node: Node) -> str:
    """The node's meminfo: kB by kind, in the rows of the era. LRU lists are those that were drained to; of kernel memory only what
    balloons hold is counted, where a row is for it."""
    total = sum(zone.managed_pages for zone in node.zones)
    free = sum(zone.nr_free for zone in node.zones)
    size = dict(zip(LRU_NAMES, node.lruvec.size if node.lruvec is not None else [0] * 5, strict=True))
    counts = {
        "MemTotal": total,
        "MemFree": free,
        "MemUsed": total - free,
        "Active": size["active_anon"] + size["active_file"],
        "Inactive": size["inactive_anon"] + size["inactive_file"],
        "Active(anon)": size["active_anon"],
        "Inactive(anon)": size["inactive_anon"],
        "Active(file)": size["active_file"],
        "Inactive(file)": size["inactive_file"],
        "Unevictable": size["unevictable"],
        "Balloon": node.vmstat["nr_balloon_pages"],
        **node_counts(user, node),
    }
    rows = [(name, counts.get(name, 0)) for name in user.era.node_meminfo]
    text = "".join(f"Node {node.nid} {name + ':':<15} {pages * 4:8d} kB\n" for name, pages in rows)
    return text + "".join(f"Node {node.nid} HugePages_{name + ':':<6} {0:5d}\n" for name in ("Total", "Free", "Surp"))


EVENTS = ("numa_hit", "numa_miss", "numa_foreign", "numa_interleave", "numa_local", "numa_other")
"""The counters of numastat as vmstat calls them."""
KINDS = {
    "nr_anon_pages": "AnonPages", "nr_mapped": "Mapped", "nr_file_pages": "FilePages", "nr_dirty": "Dirty",
    "nr_writeback": "Writeback", "nr_shmem": "Shmem",
}  # fmt: skip


def vmstat_of_processes(user: Userspace) -> dict[str, int]:
    """What /proc/vmstat says of the memory of processes, all nodes together (mm/vmstat.c)."""
    values = {name: sum(counts[at] for counts in user.numastat) for at, name in enumerate(EVENTS)}
    lists = [node.lruvec for node in user.vm.nodes if node.lruvec is not None]
    values |= {f"nr_{name}": sum(vec.size[which] for vec in lists) for which, name in enumerate(LRU_NAMES)}
    values |= {f"nr_isolated_{kind}": sum(vec.nr_isolated[which] for vec in lists) for which, kind in enumerate(("anon", "file"))}
    found = [node_counts(user, node) for node in user.vm.nodes]
    return values | {name: sum(counts[kind] for counts in found) for name, kind in KINDS.items()}
