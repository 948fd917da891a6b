"""Allocations that failed, and the OOM killer: the first lines of a report, and the lines around its tables."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.judge.page_size import named
from movable.explain.judge.requests import nodes_of
from movable.explain.material import Material, Request
from movable.explain.paste import Line

_GFP = r"(?:gfp_mask=|mode:|mode\s(?=0x))\s?(?:0x)?([0-9a-fA-F]+)(?:\(([^)]*)\))?"
_MASK = re.compile(r"(.*\S)\s+" + _GFP)
_MESSAGE = Guarded(r"\S.*\balloc\w*|vmalloc")
MOST_COMM = 15  # characters of a task's name
_STALL = re.compile(r"page allocation stalls for (\d{1,12})ms")
_OLDEST = Guarded(r"\b__alloc_pages: (\d{1,3})-order allocation failed(?: \((?:gfp|mode)[=:]\s?(?:0x)?([0-9a-f]{1,8})\b)?")

MOST_SAID = 80  # characters of a message that names no order
_ORDER = Guarded(r"\border:?\s?(\d+)")
_OOM = Guarded(r"(\S.*?) invoked oom-killer: " + _GFP + r",(?:\s*nodemask=\S+,)?\s*order=(-?\d+)")
_OLD_NAMES = {0x20: "GFP_ATOMIC", 0x4020: "GFP_ATOMIC|__GFP_COMP", 0xD0: "GFP_KERNEL", 0x40D0: "GFP_KERNEL|__GFP_COMP"}
"""What masks meant that kernels before 4.5 printed without names."""
_KILLED = Guarded(
    r"\bKilled process (\d{1,9})(?:, UID \d+,)? \(([^)]*)\)(?:.*?\banon-rss:(\d+)kB)?|\bOut of memory: Kill process \d+"
)
_OLD_KILLED = Guarded(r"\bVM: killing process (\S+)")
_NODEMASK = Guarded(r"\bnodemask=(\([^)]*\)|[\d,-]*\d)")
_ALLOWED = Guarded(r"\bmems_allowed=([\d,-]*\d)")
_AROUND = Guarded(
    r"\bCPU: \d+ (?:UID: \d+ )?PID: \d+|\bPid: \d+, comm: |\bHardware name:|\bCall [Tt]race:|[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+|"
    r"<(?:/?TASK|/?IRQ|/?NMI|/?SOFTIRQ|EOI|EOE)>|\bRIP: |\bWorkqueue: |\bNIP: |\bREGS: |\bMSR: |\bGPR\d\d: |"
    r"\bModules linked in: |\bTainted: |"
    r"^\s*(?:pstate|pc|lr|sp|x\d\d?|r\d\d?|psr|CFAR|XER|IRQMASK|Exception stack|Stack|Flags|Control|Backtrace|Process) ?:|"
    r"^\s*(?:[0-9a-f]{16}\s*){2,}$|^\s*(?:[0-9a-f]{8}\s+){3,}[0-9a-f]{8}\s*$|^\s*[0-9a-f]{3,4}: (?:[0-9a-f]{8} ?)+$|"
    r"\b(?:RAX|RBX|RCX|RDX|RSI|RDI|RBP|RSP|R\d\d|ORIG_RAX|CS|CR2|FS|GS|DS|EAX|EBX|ESI|DR\d|EFLAGS): ?\S|\bTasks state \(|"
    r"^\s*\[\s*pid\s*\]|--\[ (?:end trace|cut here)|\bsysrq: |\bSysRq : |\b\w+: \d+ callbacks suppressed|"
    r"^\s*\[\s*\d+\]\s+\d+\s+\d+|\bOut of memory: |\boom_reaper: |\bMem abort info|\bUnable to handle kernel |"
    r"^\s*(?:ESR|EC|SET|EA|FSC|ISV|CM|GCS) = |\bCode: |"
    r"\bkworker/\S+ cpuset|\bcpuset=\S* mems_allowed=|\bKilled process \d+|\bMemory cgroup out of memory|"
    r"\bslab_unreclaimable:|\bactive_anon:\d+ inactive|\bSLU?[AU]B: Unable to allocate memory|"
    r"^\s*node \d+: slabs: \d+|^\s*#\d+[-~]\S+$|\bPolicy zone: |\bFallback order for Node \d+: |\bpercpu: limit reached|"
    r"\bwarn_alloc_show_mem|\bFree swap:|\bper-cpu:|^\s*CPU\s+\d+: hi:\s|"
    r"^\s*cpu \d+ (?:hot|cold): (?:low|high)|^\s*(?:HighMem|Normal|DMA32|DMA) per-cpu: empty|^\s*Memory allocations:|"
    r"\bUnreclaimable slab info|^\s*\d[\d.]* ?[KMGT]?i?B\s+\d+ [\w./-]+\.[ch]:\d+ (?:\[\w+\] )?func:|"
    r"\bMemory allocations \(profiling|\bBuilt \d+ zonelists|\bInitmem setup node |\bOn node \d+(?: totalpages:|, zone )|"
    r"^\s*(?:DMA|DMA32|Normal|HighMem|Movable|Device)(?: zone:\s+\d+ pages\b|\s+(?:\[mem 0x[0-9a-f]+-|empty))|\bZone ranges:|"
    r"\b(?:Early memory node ranges|Movable zone start for each)\b|^\s*node\s+\d+: \[mem 0x|\bInitializing HighMem for node|"
    r"\bMemory: \d+[kK]/\d+[kK] available|\bWatermark boosting|\bvirtual kernel memory layout|"
    r"\b(?:slab|file|anon|kernel_stack|pagetables|inactive_anon|unevictable):\d+(?:kB)? \w+:\d+|"
    r"^\s*\d+ (?:pages (?:of RAM|shared|non-shared|swap cached)|(?:free|reserved|slab) pages)\s*$|"
    r"\bpossible memory allocation deadlock|\bvmap allocation for size \d+ failed|\bswapper pgtable: |\bLinux version "
)
_WARNED = Guarded(r"\bWARNING: .*\bmm/(?:page_alloc|util)\.c:\d+")
"""What is told among the messages that mean something by themselves."""
_TASKS = re.compile(r"\s*\[\s*pid\s*\]\s+uid\b")
_TASK = re.compile(r"\s*\[\s*(\d{1,9})\]\s+\d+\s+\d+\s+\d+\s+(\d{1,15})(?:\s+-?\d+)+\s+(\S.{0,40}?)\s*$")
_SLEEPS, _NEW_SLEEPS, _WAKES = 0x10, 0x400000, 0x2000000
"""__GFP_WAIT; from 4.4 on __GFP_DIRECT_RECLAIM, beside which masks have __GFP_KSWAPD_RECLAIM."""
_HIGHMEM, _MOVABLE, _URGENT = 0x2, 0x8, 0x20
_ZONES = {0x1: "__GFP_DMA", 0x4: "__GFP_DMA32"}
_NO_WAIT = ("GFP_ATOMIC", "GFP_NOWAIT")
_MOVES = ("GFP_HIGHUSER_MOVABLE", "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT", "__GFP_MOVABLE", "GFP_MOVABLE")
_HIGH = ("GFP_HIGHUSER", "GFP_HIGHUSER_MOVABLE", "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT", "__GFP_HIGHMEM")


def read(line: Line, material: Material) -> bool:
    """Whether the line belongs to the report of a failed allocation."""
    failed = _MASK.match(line.text) if "mode" in line.text and "alloc" in line.text else None
    oom = _OOM.search(line.text) if failed is None and "oom-killer" in line.text else None
    if failed is not None:
        return _failure(line, material, failed)
    if oom is not None:
        _request(line, material, oom[1], int(oom[4][:4]), oom[2], oom[3] or "")
        material.requests[-1].oom, material.requests[-1].what = True, "called the OOM killer"
        return True
    if _of_2_4(line, material):
        return True
    killed = _KILLED.search(line.text) if "Kill" in line.text else None
    if killed is not None:
        if killed[1] is not None:
            material.killed.append((f"{killed[2]} ({killed[1]})", int(killed[3][:15]) if killed[3] else None))
        return True
    if _AROUND.search(line.text) is None or _WARNED.search(line.text) is not None:
        return False
    if "]" in line.text:
        _task(line.text, material)
    size = named(line.text) if "64" in line.text or "k pages" in line.text else 0
    if size:
        material.page_sizes.append((size, "the name of the kernel"))
    return True


def _failure(line: Line, material: Material, failed: re.Match[str]) -> bool:
    """Whether a line with a mask says that an allocation failed, or that it waits; whose it was, its order, and how it failed."""
    said = failed[1].rstrip(",")
    task, _, message = said.partition(": ")
    whose, found, rest = said.partition("page allocation failure")
    if found:  # whose it was may have been cut off
        whose = whose.rstrip().removesuffix(":")
        task, message = _last_words(whose) if whose else "somebody", f"{found}{rest}"
    if _MESSAGE.search(message) is None:
        return False
    order = _ORDER.search(message)
    _request(line, material, task, int(order[1][:4]) if order else 0, failed[2], failed[3] or "")
    what = re.split(r"[:.,] |[:.,]$| order:", message)[0] if order else message[:MOST_SAID]
    waited = _STALL.search(message)
    if what == "page allocation failure":
        material.requests[-1].what = "failed"
    elif waited is not None:
        material.requests[-1].what = f"had to wait {int(waited[1]) / 1000:.1f} s and still waits"
    else:
        material.requests[-1].what = f"failed ({what})"
    return True


def _of_2_4(line: Line, material: Material) -> bool:
    """A failure, or a task that was ended, in the words of kernel 2.4, which does not say for whom."""
    oldest = _OLDEST.search(line.text) if "order allocation failed" in line.text else None
    if oldest is not None:
        _request(line, material, "somebody", int(oldest[1]), oldest[2] or "0", "")
    ended = _OLD_KILLED.search(line.text) if "killing process" in line.text else None
    if ended is not None:
        material.killed.append((ended[1], None))
    return oldest is not None or ended is not None


def _last_words(text: str) -> str:
    """What a task can be called, of what stands before a message: it may have a colon (tmux: server), and be 15 characters long."""
    words = text.split(": ")
    first = next((at for at in range(len(words)) if len(": ".join(words[at:])) <= MOST_COMM), len(words) - 1)
    return ": ".join(words[first:])


def _task(text: str, material: Material) -> None:
    """A row of the table of tasks, or its heading; pages in memory stand fifth in every kernel's."""
    row = _TASK.match(text)
    if row is not None:
        material.tasks.append((f"{row[3]} ({row[1]})", int(row[2])))
    elif _TASKS.match(text) is not None:
        material.tasks.clear()


def _request(line: Line, material: Material, task: str, order: int, mask: str, names: str) -> None:
    bits = int(mask[:16], 16)
    found, allowed = _NODEMASK.search(line.text), _ALLOWED.search(line.text)
    words = tuple(word for word in (names or _OLD_NAMES.get(bits, "")).split("|") if word)
    if names:
        atomic, movable, high = (any(word in words for word in among) for among in (_NO_WAIT, _MOVES, _HIGH))
    else:
        atomic = not bits & (_NEW_SLEEPS if bits & _WAKES else _SLEEPS)
        movable, high = bool(bits & _MOVABLE), bool(bits & _HIGHMEM)
        words += tuple(name for bit, name in _ZONES.items() if bits & bit and name not in words)
    urgent = any(word in words for word in ("GFP_ATOMIC", "__GFP_HIGH")) if names else bool(bits & _URGENT)
    nodes = nodes_of(found[1]) if found else None
    by_cpuset = nodes is None and allowed is not None
    nodes = nodes_of(allowed[1]) if allowed is not None and by_cpuset else nodes
    task = task.rsplit("] ", 1)[-1].strip()
    request = Request(line, task, order, words, atomic=atomic, movable=movable, high=high, urgent=urgent, nodes=nodes)
    request.by_cpuset, request.old = by_cpuset, not names and not bits & _WAKES
    material.requests.append(request)
