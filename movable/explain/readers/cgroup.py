"""Memory cgroups in reports of the OOM killer: usage and limit, memory.stat, and the constraint under which it killed."""

from __future__ import annotations

import re

from movable.explain.guarded import Guarded
from movable.explain.judge.requests import nodes_of
from movable.explain.material import Material
from movable.explain.paste import Line

_USAGE = Guarded(r"\b(memory|swap|memory\+swap|kmem): usage (\d{1,18})kB, limit (\d{1,18})kB, failcnt \d+")
_STATS = Guarded(r"\bMemory cgroup stats for (\S+?):(?:\s+(\w+:\d+KB.*))?\s*$|\bMemory cgroup stats(?:\s+for)?:?\s*$")
_STAT = re.compile(r"^\s*([a-z][a-z0-9_]*)\s+(\d{1,20})\s*$")
_CONSTRAINT = Guarded(r"\boom-kill:constraint=(\w+)(?:,nodemask=(\([^)]*\)|[\d,-]*\d))?(?:.*?\bmems_allowed=([\d,-]*\d))?")
_CHOSEN = Guarded(r",task=(.+?),pid=(\d+)")
_KILLED = Guarded(r"\bMemory cgroup out of memory: |\bkilled as a result of limit of (\S+)|\bTask in \S+ killed")
_FILE = re.compile(r"\bmemory\.(max|high|current|peak|limit_in_bytes|usage_in_bytes|max_usage_in_bytes|failcnt)\s*$")
_VALUE = re.compile(r"^\s*(\d{1,20}|max)\s*$")
_NAMES = {"max": "limit_kb", "limit_in_bytes": "limit_kb", "current": "usage_kb", "usage_in_bytes": "usage_kb"}
UNLIMITED = 1 << 52  # kB; what the kernel prints for "no limit" is near 2**63 bytes
MARKS = ("cgroup", "usage", "oom-kill:", "as a result")


class Cgroup:
    """Reads what is said of a memory cgroup. ``_stat`` is True behind the title of a memory.stat, until another line comes."""

    def __init__(self) -> None:
        self._stat = False

    def read(self, line: Line, material: Material) -> bool:
        """Whether the line is about a memory cgroup."""
        if self._stat or "memory.stat" in line.hint:
            value = _STAT.match(line.text)
            if value is not None:
                material.cgroup[value[1]] = value[2]
                return True
            self._stat = False
        return _file(line, material) or (any(mark in line.text for mark in MARKS) and self._said(line, material))

    def _said(self, line: Line, material: Material) -> bool:
        text, report = line.text, _report(line, material)
        usage, stats, constraint, killed = (found.search(text) for found in (_USAGE, _STATS, _CONSTRAINT, _KILLED))
        if usage is not None:
            if int(usage[3]) < UNLIMITED:
                name = "" if usage[1] == "memory" else usage[1] + "_"
                values = {f"{name}usage_kb": usage[2], f"{name}limit_kb": usage[3]}
                material.cgroup |= values
                report |= values
        elif stats is not None:
            self._stat = True
            material.cgroup |= {name: f"{int(value[:16]) << 10}" for name, value in re.findall(r"(\w+):(\d+)KB", stats[2] or "")}
        elif constraint is not None:
            material.cgroup["constraint"] = report["constraint"] = constraint[1]
            chosen = _CHOSEN.search(text)
            if chosen is not None:
                material.cgroup["task"] = f"{chosen[1]} ({chosen[2]})"
            _bind(constraint[1], constraint[2] or "", constraint[3] or "", material)
        elif killed is not None:
            material.cgroup["constraint"] = report["constraint"] = "CONSTRAINT_MEMCG"
        return any((usage, stats, constraint, killed)) and "Killed process" not in text  # who it was is read with the others


def _bind(constraint: str, nodemask: str, allowed: str, material: Material) -> None:
    """The nodes that the last request was bound to, by what its report says in the end."""
    nodes = {"CONSTRAINT_MEMORY_POLICY": nodemask, "CONSTRAINT_CPUSET": allowed}.get(constraint, "")
    if material.requests and material.requests[-1].oom and nodes:
        material.requests[-1].nodes = nodes_of(nodes)


def _report(line: Line, material: Material) -> dict[str, str]:
    """What is known of the limits of the report that a line belongs to: that of the last task which called the OOM killer."""
    last = material.requests[-1] if material.requests else None
    return last.limits if last is not None and last.oom and last.line.source == line.source else {}


def _file(line: Line, material: Material) -> bool:
    """A file of the group that cat or grep named: a limit or a size, and the events and scans that are counted."""
    if "memory." not in line.hint:
        return False
    counted = _STAT.match(line.text) if "memory.events" in line.hint or "vmscan_stat" in line.hint else None
    if counted is not None:
        material.cgroup[f"event {counted[1]}"] = counted[2]
        return True
    named, value = _FILE.search(line.hint), _VALUE.match(line.text)
    if named is None or value is None:
        return False
    kb = str(int(value[1]) >> 10) if value[1] != "max" and int(value[1]) >> 10 < UNLIMITED else ""
    name = _NAMES.get(named[1], named[1])
    if kb:
        material.cgroup[name] = kb if name != "failcnt" else value[1]
    return True
