"""Settings that decide whether huge pages are asked for and whether the kernel compacts: transparent_hugepage, and sysctl."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.material import Material
from movable.explain.paste import Line

_CHOICE = re.compile(r"^\s*(?:[a-z+_]+\s+)*\[([a-z+_]+)\](?:\s+[a-z+_]+)*\s*$")
_CHOICES = {"always", "madvise", "never", "defer", "defer+madvise", "within_size", "advise", "inherit", "deny", "force"}
_SYSCTL = re.compile(r"^\s*(?:vm\.|/proc/sys/vm/)(\w{1,40})\s*[=:]\s*(-?\d{1,12})\s*$")
_ALONE = re.compile(r"^\s*(-?\d{1,12})\s*$")
_PATH = Guarded(r"/proc/sys/vm/(\w{1,40})\s*$")
KNOWN = {
    "extfrag_threshold", "compaction_proactiveness", "min_free_kbytes", "nr_hugepages", "nr_overcommit_hugepages",
    "watermark_scale_factor", "watermark_boost_factor", "compact_unevictable_allowed", "zone_reclaim_mode", "swappiness",
    "defrag_mode", "percpu_pagelist_high_fraction", "overcommit_memory",
}  # fmt: skip


_OF_A_SIZE = Guarded(r"/(hugepages-\d+kB)/")
_SAID = re.compile(r"^\s*(?:PAGE_?SIZE|page size|Page size)\s*[=:]?\s*(\d{1,7})\s*([kK]?)i?[bB]?(?:ytes)?\s*$")
_BUILT = re.compile(r"^\s*CONFIG_(?:\w+_(\d+)K_PAGES|PAGE_SIZE_(\d+)KB)=y\s*$")
_GETCONF = Guarded(r"\bgetconf\s+PAGE_?SIZE\b|\bpagesize\b")


def _page_size(line: Line, alone: re.Match[str] | None) -> int:
    """The bytes of a page where the line says them, as getconf (a number ``alone``), a configuration or vmcoreinfo do; else 0."""
    said, built = _SAID.match(line.text), _BUILT.match(line.text)
    if built is not None:
        return int((built[1] or built[2])[:4]) << 10
    if said is not None:
        return int(said[1]) << (10 if said[2] else 0)
    return int(alone[1]) if alone is not None and _GETCONF.search(line.hint) and alone[1].isdecimal() else 0


AT_BOOT = "hugepages (at boot)"
"""What the pool of huge pages is called in ``Material.asked`` that the kernel's command line asked for."""
_BOOTED = Guarded(r"\bKernel command line: |^\s*BOOT_IMAGE=\S|\btransparent_hugepage=(?:always|madvise|never)\b")
_BOOT_OPTIONS = ("cma", "kernelcore", "movablecore", "page_owner", "movable_node", "hugetlb_cma", "default_hugepagesz")


def _command_line(line: Line, material: Material) -> bool:
    """What the kernel was started with, as far as it is about huge pages and memory that moves."""
    if _BOOTED.search(line.text) is None and "/proc/cmdline" not in line.hint:
        return False
    size = ""
    for word in line.text.split():
        name, _, value = word.partition("=")
        if name == "hugepagesz":
            size = value.upper()
        elif name == "hugepages" and value.isascii() and value.isdecimal() and size in ("", "2M", "2048K"):
            material.asked.setdefault(AT_BOOT, int(value[:12]))
        elif name == "transparent_hugepage" and value in _CHOICES:
            material.settings.setdefault("enabled", value)
        elif name in _BOOT_OPTIONS:
            material.settings.setdefault(name, value[:40] or "on")
    return True


_ASKED = re.compile(r"^asked (\S+) (\d{1,12})$")


def read(line: Line, material: Material) -> bool:
    """Whether the line is a setting. A choice is that of ``enabled`` unless the command or path before it names ``defrag``."""
    asked = _ASKED.match(line.text)
    if asked is not None:
        material.asked[asked[1]] = int(asked[2])
        return True
    if _command_line(line, material):
        return True
    choice, sysctl, alone = (pattern.match(line.text) for pattern in (_CHOICE, _SYSCTL, _ALONE))
    if choice is not None and choice[1] in _CHOICES and set(re.findall(r"[a-z+_]+", line.text)) <= _CHOICES:
        name = next((one for one in ("defrag", "shmem_enabled") if one in line.hint), "enabled")
        of_size = _OF_A_SIZE.search(line.hint)
        name = name if of_size is None else f"{of_size[1]} {name}"
        material.settings[name] = choice[1]
        return True
    size = _page_size(line, alone)
    if size:
        material.page_sizes.append((size >> 10, "what was said of it"))
        return True
    path = _PATH.search(line.hint) if alone is not None else None
    name, value = (sysctl[1], sysctl[2]) if sysctl else (path[1], alone[1]) if path and alone else ("", "")
    if name not in KNOWN:
        return False
    material.settings[name] = value
    return True
