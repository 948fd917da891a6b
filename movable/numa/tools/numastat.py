"""The tables of numastat: counters of nodes, memory of nodes, memory of processes, as the tool prints them (numastat.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from getopt import GetoptError, gnu_getopt
from typing import NamedTuple

from movable.errors import UsageError
from movable.mm.node_files import NUMASTAT, meminfo
from movable.mm.page import PAGE_SIZE
from movable.mm.process import Process
from movable.mm.task_mmu import numa_maps
from movable.mm.userspace import Userspace
from movable.numa.tools.numactl import Refused

MEGABYTE = 1 << 20
KINDS = ("Huge", "Heap", "Stack", "Private")
Row = tuple[str, list[float]]
USAGE = "numastat: write numastat, numastat -n, numastat -m, or numastat -p PID... (with -c, -s, -v or -z)"


class Style(NamedTuple):
    """How tables look: ``narrow`` columns (-c), no rows and columns of zeros (-z), ``sort`` the largest of a node first (-s; -1: of
    all nodes)."""

    narrow: bool
    zeros: bool
    sort: int | None


def numastat(user: Userspace, words: list[str]) -> Iterator[str]:
    """What numastat with these arguments prints. Raises UsageError for others, Refused for processes that there are not."""
    sort = next((word[2:] for word in words if re.fullmatch(r"-s\d{0,4}", word)), None)
    try:
        options, rest = gnu_getopt([word for word in words if word != f"-s{sort}"], "cmnp:vz")
    except GetoptError:
        raise UsageError(USAGE) from None
    letters = {option for option, _ in options}
    tasks = [task for word in [*(value for _, value in options if value), *rest] for task in _named(user, word)]
    style = Style("-c" in letters, "-z" not in letters, None if sort is None else int(sort or -1))
    if not letters and not tasks and sort is None:
        yield " " * 16 + "".join(f"{f'node{node.nid}':>16}" for node in user.vm.nodes)
        for at, name in enumerate(NUMASTAT):
            yield f"{name:<16}" + "".join(f"{user.numastat[node.nid][at]:16d}" for node in user.vm.nodes)
        return
    if tasks:
        for some in [[task] for task in tasks] if "-v" in letters else [tasks]:
            yield from _processes(user, some, style)
    if "-m" in letters:
        yield from _table(user, "Per-node system memory usage (in MBs):", _memory(user), 16, style)
    if "-n" in letters or not (tasks or "-m" in letters):
        yield from _table(user, "Per-node numastat info (in MBs):", _counters(user), 16, style)


def _named(user: Userspace, word: str) -> list[Process]:
    """The process of a pid, or all with a part of a name. Raises Refused where there is none."""
    tasks = [task for task in user.tasks.values() if task.comm not in ("kthread", "sh")]
    if word.isdigit():
        found = [task for task in tasks if str(task.pid) == word]
        if not found:
            raise Refused(f"Can't read /proc/{word}/numa_maps")
        return found
    found = [task for task in tasks if word in task.comm]
    if not found:
        raise Refused(f'Found no processes containing pattern: "{word}"')
    return found


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


def _processes(user: Userspace, tasks: list[Process], style: Style) -> Iterator[str]:
    if len(tasks) == 1:
        title = f"Per-node process memory usage (in MBs) for PID {tasks[0].pid} ({tasks[0].comm})"
        rows: list[Row] = list(_memory_of(user, tasks[0]).items())
        yield from _table(user, title, rows, 17, style, total=True)
        return
    rows = [(f"{task.pid} ({task.comm})", [sum(on) for on in zip(*_memory_of(user, task).values(), strict=True)]) for task in tasks]
    yield from _table(user, "Per-node process memory usage (in MBs)", rows, 17, style, total=True, corner="PID")


def _table(
    user: Userspace, title: str, rows: list[Row], first: int, style: Style, total: bool = False, corner: str = ""
) -> Iterator[str]:
    """A table with a column for each node and one for all of them; ``first`` is how wide the column of names is."""
    first = 16 if style.narrow else first
    heads = [*(f"Node {node.nid}" for node in user.vm.nodes), "Total"]
    rows = [(name, [*row, sum(row)]) for name, row in rows]
    sums: Row = ("Total", [sum(row[at] for _, row in rows) for at in range(len(heads))])
    largest = style.sort
    if largest is not None and largest < len(user.vm.nodes):
        rows.sort(key=lambda row: -row[1][largest])
    if not style.zeros:
        rows = [(name, row) for name, row in rows if any(row)]
        full = [at for at in range(len(heads)) if sums[1][at]]
        heads, sums = [heads[at] for at in full], ("Total", [sums[1][at] for at in full])
        rows = [(name, [row[at] for at in full]) for name, row in rows]
    shown = [*rows, *([sums] if total else [])]
    cells = [(name, [f"{value:.0f}" if style.narrow else f"{value:.2f}" for value in row]) for name, row in shown]
    widths = [max([len(heads[at]), *(len(row[at]) for _, row in cells)]) if style.narrow else 15 for at in range(len(heads))]
    rule = "".join(f" {'-' * width}" for width in widths)
    yield from ("", title)
    yield f"{corner:<{first}}" + "".join(f" {head:>{width}}" for head, width in zip(heads, widths, strict=True))
    yield (f"{'-' * (first - 1):<{first}}" if corner else " " * first) + rule
    for number, (name, row) in enumerate(cells):
        if total and number == len(cells) - 1:
            yield f"{'-' * (first - 1):<{first}}{rule}"
        yield f"{name:<{first}}" + "".join(f" {cell:>{width}}" for cell, width in zip(row, widths, strict=True))
