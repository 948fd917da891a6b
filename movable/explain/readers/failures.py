"""Allocations that failed, and the OOM killer: the first lines of a report, and the lines around its tables."""

from __future__ import annotations

import re

from movable.explain.material import Material, Request
from movable.explain.paste import Line

_GFP = r"(?:gfp_mask=|mode:)\s?(?:0x)?[0-9a-fA-F]+(?:\(([^)]*)\))?"
_FAILED = re.compile(r"(\S.*?):\s+page allocation failure: order:(\d+), " + _GFP)
_OOM = re.compile(r"(\S.*?) invoked oom-killer: " + _GFP + r",(?: nodemask=\S+,)? order=(-?\d+)")
_NODEMASK = re.compile(r"\bnodemask=(\([^)]*\)|[\d,-]+)")
_AROUND = re.compile(
    r"\bCPU: \d+ PID: \d+|\bHardware name:|\bCall Trace:|^\s*(?:\? )?[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+|<(?:/?TASK|/?IRQ)>|\bRIP: |"
    r"\b(?:RAX|RBX|RCX|RDX|RSI|RDI|RBP|RSP|R\d\d|ORIG_RAX|CS|CR2|FS|GS|DS|EAX|EBX|ESI|DR\d): ?\S|\bTasks state \(|"
    r"^\s*\[\s*pid\s*\]|"
    r"^\s*\[\s*\d+\]\s+\d+\s+\d+|\boom-kill:constraint=|\bOut of memory: |\boom_reaper: |\bMem abort info|\bworkqueue: |\bCode: |"
    r"\bcpuset=|\bkworker/\S+ cpuset|\bKilled process \d+|\bUnreclaimable slab info|"
    r"\bslab_unreclaimable:|\bactive_anon:\d+ inactive"
)


def read(line: Line, material: Material) -> bool:
    """Whether the line belongs to the report of a failed allocation."""
    failed = _FAILED.search(line.text)
    oom = None if failed else _OOM.search(line.text)
    if failed is None and oom is None:
        return _AROUND.search(line.text) is not None
    mask = _NODEMASK.search(line.text)
    if failed is not None:
        task, order, gfp = failed[1], int(failed[2][:4]), failed[3]
    else:
        assert oom is not None
        task, order, gfp = oom[1], int(oom[3][:4]), oom[2]
    words = tuple(word for word in (gfp or "").split("|") if word)
    material.requests.append(Request(line, task, order, words, oom is not None, mask[1] if mask else ""))
    return True
