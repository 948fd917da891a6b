"""The tables of numastat: counters of nodes, memory of nodes, memory of processes, as the tool prints them (numastat.c)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from movable.errors import UsageError
from movable.mm.node_files import NUMASTAT, meminfo
from movable.mm.page import PAGE_SIZE
from movable.mm.process import Process
from movable.mm.task_mmu import numa_maps
from movable.mm.userspace import Userspace

MEGABYTE = 1 << 20
KINDS = ("Huge", "Heap", "Stack", "Private")
Row = tuple[str, list[float]]
USAGE = "numastat: write numastat, numastat -n, numastat -m, or numastat -p PID... (with -c for narrow columns)"


def numastat(user: Userspace, words: list[str], task: Callable[[str], Process]) -> Iterator[str]:
    """What numastat with these arguments prints; ``task`` finds a process by its pid. Raises UsageError for others."""
    options = [word for word in words if word[:1] == "-"]
    pids = [word for word in words if word.isdigit()]
    letters = "".join(word[1:] for word in options)
    if len(options) + len(pids) != len(words) or not re.fullmatch("[cmnp]*", letters) or ("p" in letters and not pids):
        raise UsageError(USAGE)
    narrow = "c" in letters
    if not letters and not pids:
        yield " " * 16 + "".join(f"{f'node{node.nid}':>16}" for node in user.vm.nodes)
        for at, name in enumerate(NUMASTAT):
            yield f"{name:<16}" + "".join(f"{user.numastat[node.nid][at]:16d}" for node in user.vm.nodes)
    if pids:
        yield from _processes(user, [task(pid) for pid in pids], narrow)
    if "m" in letters:
        yield from _table(user, "Per-node system memory usage (in MBs):", _memory(user), 16, narrow)
    if "n" in letters or (narrow and not pids and "m" not in letters):
        yield from _table(user, "Per-node numastat info (in MBs):", _counters(user), 16, narrow)


def _counters(user: Userspace) -> list[Row]:
    names = ["_".join(part.title() for part in name.split("_")) for name in NUMASTAT]
    return [(name, [counts[at] * PAGE_SIZE / MEGABYTE for counts in user.numastat]) for at, name in enumerate(names)]


def _memory(user: Userspace) -> list[Row]:
    rows: dict[str, list[float]] = {}
    for node in user.vm.nodes:
        for name, value in re.findall(r"^Node \d+ (\S+): +(\d+)", meminfo(user, node), re.MULTILINE):
            rows.setdefault(name, []).append(int(value) / 1024)
    return list(rows.items())


def _memory_of(user: Userspace, task: Process) -> dict[str, list[float]]:
    """Megabytes on each node by kind, from numa_maps."""
    rows = {kind: [0.0] * len(user.vm.nodes) for kind in KINDS}
    for line in numa_maps(task).splitlines():
        kind = "Heap" if " heap" in line else "Stack" if " stack" in line else "Private"
        for nid, pages in re.findall(r" N(\d+)=(\d+)", line):
            rows[kind][int(nid)] += int(pages) * PAGE_SIZE / MEGABYTE
    return rows


def _processes(user: Userspace, tasks: list[Process], narrow: bool) -> Iterator[str]:
    if len(tasks) == 1:
        title = f"Per-node process memory usage (in MBs) for PID {tasks[0].pid} ({tasks[0].comm})"
        rows: list[Row] = list(_memory_of(user, tasks[0]).items())
        yield from _table(user, title, rows, 17, narrow, total=True)
        return
    rows = [(f"{task.pid} ({task.comm})", [sum(on) for on in zip(*_memory_of(user, task).values(), strict=True)]) for task in tasks]
    yield from _table(user, "Per-node process memory usage (in MBs)", rows, 17, narrow, total=True, corner="PID")


def _table(
    user: Userspace, title: str, rows: list[Row], first: int, narrow: bool, total: bool = False, corner: str = ""
) -> Iterator[str]:
    """A table with a column for each node and one for all of them; ``first`` is how wide the column of names is."""
    first = 16 if narrow else first
    heads = [*(f"Node {node.nid}" for node in user.vm.nodes), "Total"]
    sums: Row = ("Total", [sum(row[at] for _, row in rows) for at in range(len(user.vm.nodes))])
    shown = [(name, [*row, sum(row)]) for name, row in [*rows, *([sums] if total else [])]]
    cells = [(name, [f"{value:.0f}" if narrow else f"{value:.2f}" for value in row]) for name, row in shown]
    widths = [max(len(heads[at]), *(len(row[at]) for _, row in cells)) if narrow else 15 for at in range(len(heads))]
    rule = "".join(f" {'-' * width}" for width in widths)
    yield from ("", title)
    yield f"{corner:<{first}}" + "".join(f" {head:>{width}}" for head, width in zip(heads, widths, strict=True))
    yield (f"{'-' * (first - 1):<{first}}" if corner else " " * first) + rule
    for number, (name, row) in enumerate(cells):
        if total and number == len(cells) - 1:
            yield f"{'-' * (first - 1):<{first}}{rule}"
        yield f"{name:<{first}}" + "".join(f" {cell:>{width}}" for cell, width in zip(row, widths, strict=True))
