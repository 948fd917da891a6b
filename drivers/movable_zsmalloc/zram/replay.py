"""Play back what a real kernel's pool was asked to do, and compare where every object went.

A recording is a file of JSON lines (plain or gzip), one mix a line: ``ops`` holds, in order, ``["m", id, size, pfn, index]`` for an
allocation that went to that slot, ``["f", id, pfn, index]`` for a free with the slot at that time (7.3 adds the class to both),
``["zs_compact"]`` with
``["zs_compact_done", pages]``, and ``["phase", name]``. ``mm_stat`` holds the device's numbers after each phase.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movable import UsageError
from movable_zsmalloc.driver import Zsmalloc

PHASES = {"fill": "filled", "delete": "deleted", "compact": "compacted", "refill": "refilled", "empty": "emptied"}
"""What ``mm_stat`` calls the moment at the end of each phase."""


@dataclass(slots=True)
class Replay:
    """What came out: ``pages`` and ``live_bytes`` of the pool after each phase, pages freed by each compaction as (recorded, here),
    and a line for each object that lies elsewhere than in the recording.
    """

    pages: dict[str, int] = field(default_factory=dict)
    live_bytes: dict[str, int] = field(default_factory=dict)
    compacted: list[tuple[int, int]] = field(default_factory=list)
    objects: int = 0
    misplaced: list[str] = field(default_factory=list)


def read_recording(path: Path) -> Iterator[dict[str, Any]]:
    """The mixes of a recording. Raises UsageError that names the line for anything else."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                yield _mix(line, f"{path.name}, line {number}")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}); give a recording of JSON lines") from None


def _mix(line: str, where: str) -> dict[str, Any]:
    try:
        mix = json.loads(line)
        ops, stat = mix["ops"], mix["mm_stat"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{where}: no mix of a recording ({error}); expected an object with ops and mm_stat") from None
    if not isinstance(ops, list) or not isinstance(stat, dict):
        raise UsageError(f"{where}: ops must be a list and mm_stat an object")
    return dict(mix)


class _Player:
    """One mix on one pool."""

    def __init__(self, zs: Zsmalloc) -> None:
        self.zs = zs
        self.result = Replay()
        self.handles: dict[int, tuple[int, int]] = {}
        self.phase = "start"
        self.ours: dict[int, int] = {}
        self.theirs: dict[int, int] = {}
        self.objects_in: Counter[int] = Counter()

    def play(self, op: list[Any]) -> None:
        match op:
            case ["m", int(name), int(size), int(pfn), int(index), *rest]:
                handle = self.zs.zs_malloc(size)
                if handle <= 0:
                    raise UsageError(f"the machine is too small for the recording: no memory for object {name}")
                self.handles[name] = handle, size
                self.objects_in[self._compare(name, pfn, index, "allocated")] += 1
                self.result.objects += 1
                self._compare_class(name, handle, rest)
            case ["f", int(name), int(pfn), int(index), *rest]:
                here = self._compare(name, pfn, index, "freed")
                self._compare_class(name, self.handles[name][0], rest)
                self.objects_in[here] -= 1
                if not self.objects_in[here]:
                    self.ours.pop(self.theirs.pop(here, -1), None)
                self.zs.zs_free(self.handles.pop(name)[0])
            case ["zs_compact"]:
                self.result.compacted.append((-1, self.zs.zs_compact()))
                self.ours.clear()
                self.theirs.clear()
                self.objects_in = Counter(cell.location[0] for cell in self.zs.handles)
            case ["zs_compact_done", int(pages)]:
                self.result.compacted[-1] = pages, self.result.compacted[-1][1]
            case ["phase", str(name)]:
                self.end_phase()
                self.phase = PHASES.get(name, name)
            case _:
                raise UsageError(f"unknown operation {op!r} in the recording")

    def _compare_class(self, name: int, handle: int, recorded: list[Any]) -> None:
        """Where handles name their class, the class too."""
        cell = self.zs.handles[handle]
        if recorded and cell.form.class_shift >= 0 and cell.form.class_of(cell.word) != recorded[0]:
            self.result.misplaced.append(
                f"{self.phase}: object {name} in class {cell.form.class_of(cell.word)}, recorded {recorded[0]}"
            )

    def _compare(self, name: int, pfn: int, index: int, verb: str) -> int:
        """Slot and page against the recording; frames differ by number, so the first object of a page pairs them."""
        cell = self.zs.handles[self.handles[name][0]]
        here, slot = cell.location
        if slot != index:
            self.result.misplaced.append(f"{self.phase}: object {name} {verb} in slot {slot}, recorded {index}")
        paired = self.ours.setdefault(pfn, here), self.theirs.setdefault(here, pfn)
        if paired != (here, pfn):
            self.result.misplaced.append(f"{self.phase}: object {name} {verb} in page {here}, among others than in page {pfn}")
        return here

    def end_phase(self) -> None:
        self.result.pages[self.phase] = self.zs.zs_get_total_pages()
        self.result.live_bytes[self.phase] = sum(size for _, size in self.handles.values())


def replay(mix: dict[str, Any], zs: Zsmalloc) -> Replay:
    """Do to ``zs`` what ``mix`` says. Raises UsageError for an unknown operation and a machine that is too small."""
    player = _Player(zs)
    for op in mix["ops"]:
        player.play(op)
    player.end_phase()
    return player.result
