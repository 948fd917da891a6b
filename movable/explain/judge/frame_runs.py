"""Runs of frames with their flags, as ``page-types -l`` lists them: which pageblocks are held, and by which frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from movable.explain.judge.plain import MAX_SHOWN
from movable.explain.material import Answer, Figure
from movable.frames.kinds import Kind, kind_of
from movable.shown import many

LETTERS = "LERUDlASWIBMasbHTGuXnxtozig"
"""How page-types writes the flags, by their bits in /proc/kpageflags."""
BLOCK = 512  # frames of a pageblock, where a page has 4 kB
MOST_BLOCKS = 1 << 20  # that one run is spread over


def kind_of_letters(letters: str) -> Kind:
    """What a frame is with such flags; those behind the first bits have names that come twice, and tell no kind."""
    word = sum(1 << bit for bit, letter in enumerate(LETTERS) if letters[bit : bit + 1] == letter)
    return kind_of(word)


def frame_runs(rows: list[Figure], answer: Answer) -> None:
    """Pageblocks that are listed whole: free, to be emptied, or held; and the frame that holds the nearest alone."""
    frames: Counter[str] = Counter()
    blocks: dict[int, Counter[Kind]] = {}
    holders: dict[int, tuple[int, Kind]] = {}
    for one in rows:
        first, count = int(one.values["first"]), int(one.values["frames"])
        kind = kind_of_letters(one.name)
        frames[kind.name] += count
        for block, inside in _spread(first, count):
            blocks.setdefault(block, Counter())[kind] += inside
            if not kind.movable:
                holders.setdefault(block, (max(first, block * BLOCK), kind))
    answer.facts.append("Frames by kind: " + ", ".join(f"{name} {count}" for name, count in frames.most_common()) + ".")
    whole = {block: kinds for block, kinds in blocks.items() if kinds.total() == BLOCK and all(kind.there for kind in kinds)}
    held = {block: sum(n for kind, n in whole[block].items() if not kind.movable) for block in whole if block in holders}
    free = sum(all(kind.free for kind in kinds) for kinds in whole.values())
    if whole:
        emptied = len(whole) - free - len(held)
        listed = f"{many(len(whole), 'pageblock')} that {'are' if len(whole) > 1 else 'is'} listed whole"
        answer.facts.append(
            f"Of {listed} {free} are free, compaction could empty {emptied}, and {len(held)} are held by frames that cannot move."
        )
    for block, count in sorted(held.items(), key=lambda item: (item[1], item[0]))[:MAX_SHOWN]:
        at, kind = holders[block]
        more = f" and {count - 1} more" if count > 1 else ""
        answer.facts.append(f"Block {block * BLOCK:#x} is held by frame {at:#x} ({kind.name}){more}.")
    answer.advice.append("page_owner=on at boot says who allocated a frame; movable explain /proc/kpageflags, as root, sees all")


def _spread(first: int, count: int) -> Iterator[tuple[int, int]]:
    """The pageblocks that a run lies in, and how many of its frames are in each."""
    end = first + min(count, MOST_BLOCKS * BLOCK)
    while first < end:
        block = first // BLOCK
        stop = min(end, (block + 1) * BLOCK)
        yield block, stop - first
        first = stop
