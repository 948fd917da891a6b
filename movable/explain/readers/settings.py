"""Settings that decide whether huge pages are asked for and whether the kernel compacts: transparent_hugepage, and sysctl."""

from __future__ import annotations

import re

from movable.explain.material import Material
from movable.explain.paste import Line

_CHOICE = re.compile(r"^\s*(?:[a-z+_]+\s+)*\[([a-z+_]+)\](?:\s+[a-z+_]+)*\s*$")
_CHOICES = {"always", "madvise", "never", "defer", "defer+madvise", "within_size", "advise", "inherit", "deny", "force"}
_SYSCTL = re.compile(r"^\s*(?:vm\.|/proc/sys/vm/)(\w{1,40})\s*[=:]\s*(-?\d{1,12})\s*$")
_ALONE = re.compile(r"^\s*(-?\d{1,12})\s*$")
_PATH = re.compile(r"/proc/sys/vm/(\w{1,40})\s*$")
KNOWN = {
    "extfrag_threshold", "compaction_proactiveness", "min_free_kbytes", "nr_hugepages", "nr_overcommit_hugepages",
    "watermark_scale_factor", "watermark_boost_factor", "compact_unevictable_allowed", "zone_reclaim_mode", "swappiness",
    "defrag_mode", "percpu_pagelist_high_fraction", "overcommit_memory",
}  # fmt: skip


def read(line: Line, material: Material) -> bool:
    """Whether the line is a setting. A choice is that of ``enabled`` unless the command or path before it names ``defrag``."""
    choice, sysctl, alone = (pattern.match(line.text) for pattern in (_CHOICE, _SYSCTL, _ALONE))
    if choice is not None and choice[1] in _CHOICES and set(re.findall(r"[a-z+_]+", line.text)) <= _CHOICES:
        name = next((one for one in ("defrag", "shmem_enabled") if one in line.hint), "enabled")
        material.settings[name] = choice[1]
        return True
    path = _PATH.search(line.hint) if alone is not None else None
    name, value = (sysctl[1], sysctl[2]) if sysctl else (path[1], alone[1]) if path and alone else ("", "")
    if name not in KNOWN:
        return False
    material.settings[name] = value
    return True
