"""Allocations that failed, and the OOM killer: the first lines of a report, and the lines around its tables."""

from __future__ import annotations

import re

from movable.explain.material import Material, Request
from movable.explain.paste import Line

_GFP = r"(?:gfp_mask=|mode:)\s?(?:0x)?([0-9a-fA-F]+)(?:\(([^)]*)\))?"
_FAILED = re.compile(r"(\S.*?):\s+page allocation (?:failure[:.]|stalls for \d+ms,) order:(\d+), " + _GFP)
_OOM = re.compile(r"(\S.*?) invoked oom-killer: " + _GFP + r",(?:\s*nodemask=\S+,)?\s*order=(-?\d+)")
_OLD_NAMES = {0x20: "GFP_ATOMIC", 0x4020: "GFP_ATOMIC|__GFP_COMP", 0xD0: "GFP_KERNEL", 0x40D0: "GFP_KERNEL|__GFP_COMP"}
"""What masks meant that kernels before 4.5 printed without names."""
_NODEMASK = re.compile(r"\bnodemask=(\([^)]*\)|[\d,-]+)")
_AROUND = re.compile(
    r"\bCPU: \d+ PID: \d+|\bHardware name:|\bCall Trace:|^\s*(?:\? )?[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+|<(?:/?TASK|/?IRQ)>|\bRIP: |"
    r"\b(?:RAX|RBX|RCX|RDX|RSI|RDI|RBP|RSP|R\d\d|ORIG_RAX|CS|CR2|FS|GS|DS|EAX|EBX|ESI|DR\d): ?\S|\bTasks state \(|"
    r"^\s*\[\s*pid\s*\]|"
    r"^\s*\[\s*\d+\]\s+\d+\s+\d+|\boom-kill:constraint=|\bOut of memory: |\boom_reaper: |\bMem abort info|\bworkqueue: |\bCode: |"
    r"\bcpuset=|\bkworker/\S+ cpuset|\bKilled process \d+|\bUnreclaimable slab info|"
    r"\bslab_unreclaimable:|\bactive_anon:\d+ inactive|\bSLUB: Unable to allocate memory|\bwarn_alloc(?:_failed)?: \d+ callbacks|"
    r"^\s*cache: .*, object size: \d+|^\s*node \d+: slabs: \d+|\bwarn_alloc_show_mem|\bFree swap:|\bper-cpu:|^\s*CPU\s+\d+: hi:\s|"
    r"\b(?:slab|file|anon|kernel_stack|pagetables|inactive_anon|unevictable):\d+(?:kB)? \w+:\d+"
)


def read(line: Line, material: Material) -> bool:
    """Whether the line belongs to the report of a failed allocation."""
    failed = _FAILED.search(line.text) if "page allocation" in line.text else None
    oom = _OOM.search(line.text) if "oom-killer" in line.text else None
    if failed is None and oom is None:
        return _AROUND.search(line.text) is not None
    mask = _NODEMASK.search(line.text)
    if failed is not None:
        task, order, mask_bits, gfp = failed[1], int(failed[2][:4]), failed[3], failed[4]
    else:
        assert oom is not None
        task, order, mask_bits, gfp = oom[1], int(oom[4][:4]), oom[2], oom[3]
    gfp = gfp or _OLD_NAMES.get(int(mask_bits[:16], 16), "")
    words = tuple(word for word in (gfp or "").split("|") if word)
    material.requests.append(Request(line, task, order, words, oom is not None, mask[1] if mask else ""))
    return True
