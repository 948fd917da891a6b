"""/proc/meminfo, and the same of one node (/sys/devices/system/node/nodeN/meminfo)."""

from __future__ import annotations

import re

from movable.explain.material import Material
from movable.explain.paste import Line

_LINE = re.compile(r"^\s*(?:Node\s+(\d{1,6})\s+)?([A-Z][A-Za-z0-9_]*(?:\([a-z]+\))?):\s+(\d{1,18})(\s+kB)?\s*$")
_NAMES = re.compile(
    r"Mem(?:Total|Free|Available|Used)|Buffers|Cached|Swap\w*|Z[Ss]wap\w*|Active(?:\(\w+\))?|Inactive(?:\(\w+\))?|Unevictable|Mlocked|"
    r"Dirty|Writeback\w*|AnonPages|Mapped|Shmem\w*|KReclaimable|S(?:lab|Reclaimable|Unreclaim)|KernelStack|(?:Sec)?PageTables|NFS_Unstable|"
    r"Bounce|Commit\w+|Vmalloc\w+|Percpu|HardwareCorrupted|(?:Anon|File|Shmem)(?:HugePages|PmdMapped)|Cma\w+|Unaccepted|Balloon|"
    r"HugePages_\w+|Hugepagesize|Hugetlb|DirectMap\w+|FilePages|High(?:Total|Free)|Low(?:Total|Free)|Committed_AS|MmapCopy|GPU\w+"
)


_VIRSH = re.compile(r"^\s*(total|free|buffers|cached)\s*:\s+(\d{1,18}) (?:kB|KiB)\s*$")
_OF_VIRSH = {"total": "MemTotal", "free": "MemFree", "buffers": "Buffers", "cached": "Cached"}


def read(line: Line, material: Material) -> bool:
    """Whether the line is one of meminfo. Those of a node are known, and the whole machine's values are kept."""
    found = _LINE.match(line.text)
    virsh = _VIRSH.match(line.text) if found is None else None
    if virsh is not None:
        material.meminfo[_OF_VIRSH[virsh[1]]] = int(virsh[2])
        return True
    if found is None or not _NAMES.fullmatch(found[2]):
        return False
    if found[1] is None:
        material.meminfo[found[2]] = int(found[3])
    else:
        node = material.node_meminfo.setdefault(int(found[1]), {})
        node[found[2]] = int(found[3])
    return True
