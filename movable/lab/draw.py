"""The memory map: who has each frame, as text for a terminal, one character for a number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from movable.lab.options import PAGEBLOCK_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from movable.mm.mmzone import Zone
    from movable.mm.page import Page
    from movable.mm.vm import VM

MAP_COLUMNS = 64
CELLS_WANTED = 1024

OTHER, FREE, FREE_HUGE, HUGE, OFFLINE, PROCESS = range(6)
FIRST_DRIVER = 6


class Kind(NamedTuple):
    """What a frame can be. ``letter`` stands for it in text, ``colour`` in pictures."""

    letter: str
    name: str
    colour: str


COMMON = (
    Kind("?", "something else", "#999999"),
    Kind("-", "free", "#ececec"),
    Kind("=", f"free, in a block of order {PAGEBLOCK_ORDER} or more", "#b7e1a1"),
    Kind("#", "huge page", "#007a55"),
    Kind("/", "offline", "#4d4d4d"),
    Kind("p", "process", "#cc79a7"),
)
"""Kinds 0 to 5; those of drivers follow."""

COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#56b4e9", "#8c6bb1", "#a6761d")


def kinds_for(drivers: list[str]) -> list[Kind]:
    """The kinds of a run with drivers of these names; each gets a letter of its own."""
    kinds = list(COMMON)
    for number, name in enumerate(drivers):
        taken = {kind.letter for kind in kinds}
        wanted = [*name.lower(), *"abcdefghijklmnopqrstuvwxyz"]
        letter = next((letter for letter in wanted if letter.isascii() and letter.isalpha() and letter not in taken), "?")
        kinds.append(Kind(letter, name, COLOURS[number % len(COLOURS)]))
    return kinds


class Stretch(NamedTuple):
    """The frames of one zone: node, zone name, first frame, and the kind of each frame."""

    node: int
    zone: str
    start: int
    frames: bytes


class FrameMap(NamedTuple):
    """Who has each frame at one moment. ``per_cell`` is how many frames one character or square stands for."""

    title: str
    kinds: list[Kind]
    per_cell: int
    stretches: list[Stretch]

    def count(self, kind: int) -> int:
        """How many frames are of a kind."""
        return sum(stretch.frames.count(kind) for stretch in self.stretches)

    def present(self) -> list[int]:
        """The kinds that occur, in order of number."""
        return [kind for kind in range(len(self.kinds)) if any(kind in stretch.frames for stretch in self.stretches)]


def take_map(vm: VM, title: str, kinds: list[Kind], kind_of: Callable[[Page], int | None], process: set[int]) -> FrameMap:
    """The map of a machine as it is now.

    ``kind_of`` says which kind a page in use is, None for nobody known; ``process`` are the frames of the process.
    """
    codes = bytearray(vm.nr_frames)
    for zone in vm.zones:
        _mark_free(codes, zone)
    for page in vm.pages.values():
        if page._refcount <= 0:
            continue
        pfn, order = page.pfn, page.order
        kind = PROCESS if pfn in process else kind_of(page)
        if kind is None:
            kind = HUGE if order >= PAGEBLOCK_ORDER else OTHER
        if order:
            codes[pfn : pfn + (1 << order)] = bytes([kind]) * (1 << order)
        else:
            codes[pfn] = kind
    per_cell = 1 << max(0, (vm.nr_frames // CELLS_WANTED).bit_length() - 1)
    stretches = [Stretch(z.node.nid, z.name, z.start_pfn, bytes(codes[z.start_pfn : z.end_pfn])) for z in vm.zones]
    return FrameMap(title, kinds, per_cell, stretches)


def _mark_free(codes: bytearray, zone: Zone) -> None:
    for pfn, order in zone.free_blocks():
        size = 1 << order
        codes[pfn : pfn + size] = bytes([FREE_HUGE if order >= PAGEBLOCK_ORDER else FREE]) * size
    for start, end in zone.offline_ranges():
        codes[start:end] = bytes([OFFLINE]) * (end - start)


def cell_letter(kinds: list[Kind], cell: bytes) -> str:
    """The character for a cell: who has most of it; a capital where no frame of it is free."""
    free = cell.count(FREE) + cell.count(FREE_HUGE)
    if free == len(cell):
        return kinds[FREE_HUGE if cell.count(FREE_HUGE) == free else FREE].letter
    counts = [(cell.count(kind), -kind) for kind in range(len(kinds)) if kind not in (FREE, FREE_HUGE)]
    letter = kinds[-max(counts)[1]].letter
    return letter if free else letter.upper()


def map_lines(frame_map: FrameMap) -> Iterator[tuple[str, str]]:
    """(label, characters) of every line of the map, 64 characters at most."""
    step = frame_map.per_cell
    for stretch in frame_map.stretches:
        letters = "".join(
            cell_letter(frame_map.kinds, stretch.frames[start : start + step]) for start in range(0, len(stretch.frames), step)
        )
        for at in range(0, len(letters), MAP_COLUMNS):
            label = f"node {stretch.node}" if not at else ""
            yield f"{label:<8}{stretch.start + at * step:>8}", letters[at : at + MAP_COLUMNS]


def legend_lines(frame_map: FrameMap) -> list[str]:
    """What the characters mean, for the kinds that occur."""
    parts = [f"{frame_map.kinds[kind].letter} {frame_map.kinds[kind].name}" for kind in frame_map.present()]
    frames = "one frame" if frame_map.per_cell == 1 else f"{frame_map.per_cell} frames"
    return [
        f"one character is {frames}: who has most of them, a capital where none is free",
        "   ".join(parts),
    ]
