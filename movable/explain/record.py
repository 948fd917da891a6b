"""The answers for programs: schema movable.explain/1."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from movable.explain import tallies, zones
from movable.explain.hostages import judge
from movable.explain.judge.usage import of_report
from movable.explain.material import Answer, Material, PageDump

SCHEMA = "movable.explain/1"


def record(material: Material, found: list[Answer], order: int) -> dict[str, Any]:
    """Everything as plain values. Indices are in thousandths, sizes in pages unless a name says otherwise."""
    return {
        "schema": SCHEMA,
        "order": order,
        "page_kb": material.page_kb,
        "page_why": material.page_why,
        "zones": [asdict(one) for one in zones.every(material)],
        **_tables(material),
        **tallies.record(material),
        **_messages(material),
        **_contiguous(material),
        **_processes(material),
        "event_counts": dict(material.event_counts),
        "meminfo": material.meminfo,
        "settings": material.settings,
        "node_meminfo": {str(node): values for node, values in material.node_meminfo.items()},
        "tracepoint_lines": len(material.events),
        "answers": [asdict(one) for one in found],
        "unread": [{"source": one.source, "line": one.number, "text": one.raw[:500]} for one in material.unread],
    }


def _tables(material: Material) -> dict[str, Any]:
    """Tables as they were read."""
    return {
        "types": [_row(one, "node", "zone", "migratetype", "counts") for one in material.types],
        "pageblocks": [_row(one, "node", "zone", "mixed", "counts") for one in material.pageblocks],
        "indices": [_row(one, "node", "zone", "which", "values") for one in material.indices],
        "watermarks": [_row(one, "node", "zone", "values") for one in material.marks],
    }


def _messages(material: Material) -> dict[str, Any]:
    """What failed, and what was said about it."""
    uses, total = of_report(material)
    return {
        "requests": [_row(one, "task", "order", "gfp", "oom", "limits") for one in material.requests],
        "uses_kb": uses,
        "uses_of_kb": total,
        "tasks": [{"task": task, "pages": pages} for task, pages in material.tasks],
        "killed": [{"task": task, "anonymous_kb": size} for task, size in material.killed],
        "messages": [{"from": whose, "meaning": meaning, "advice": advice} for whose, meaning, advice in material.messages],
        "refused": [{"file": target, "ret": ret} for target, ret in material.refused],
        "asked": material.asked,
        "pages": [_page(one) for one in material.pages],
        "cgroup": material.cgroup,
    }


def _contiguous(material: Material) -> dict[str, Any]:
    """Contiguous memory, and compactions one by one."""
    return {
        "cma": [_row(one, "area", "wanted", "ret", "runs", "free", "total", "busy") for one in material.cma],
        "cma_areas_kb": material.cma_kb,
        "buffers": material.buffers,
        "compactions": [
            _row(one, "task", "pid", "node", "zone", "order", "mode", "status", "latency_ms", "fragmentation_index")
            for one in material.runs
        ],
        "reclaims": [_row(one, "task", "pid", "latency_ms", "pages") for one in material.reclaims],
    }


def _processes(material: Material) -> dict[str, Any]:
    """What processes and drivers have, and figures of tools."""
    return {
        "zram": [dict(one.values) for one in material.zram],
        "numa_maps": [_row(one, "address", "policy", "nodes", "words") for one in material.maps],
        "figures": [_row(one, "kind", "name", "values") for one in material.figures],
        "owned_pages": [
            _row(one, "order", "task", "gfp", "pfn", "migratetype", "block", "pages", "caller") for one in material.owned
        ],
        "mapped_areas": [_row(one, "start", "end", "name", "values", "flags") for one in material.areas],
    }


def _row(one: Any, *names: str) -> dict[str, Any]:
    """Some fields of a value, with the place where it stood."""
    return {"source": one.line.source, "line": one.line.number} | {name: getattr(one, name) for name in names}


def _page(page: PageDump) -> dict[str, Any]:
    found = judge(page)
    row = _row(page, "pfn", "reason", "ret", "refcount", "mapcount", "flags", "aops", "name", "owner")
    return row | {"kind": found.kind, "expected_refcount": found.expected, "why": found.why, "advice": found.advice}
