"""What messages mean that stand alone, and writes to the kernel's files that were refused."""

from __future__ import annotations

from collections.abc import Iterator

from movable.explain.material import Answer, Material, grouped
from movable.explain.meanings import of_return
from movable.explain.readers.messages import BLOCK, POOL

OF_FILES = (
    ("/memory/memory", "A memory block did not go offline", BLOCK),
    ("nr_hugepages", "The pool of huge pages did not grow", POOL),
    ("compact_memory", "Compaction was not begun", "run it as root, outside a container, where the kernel has CONFIG_COMPACTION"),
    ("/zram", "zram refused", "dmesg | tail"),
)
SAID = "dmesg | tail: the kernel says more there"


def said(material: Material) -> Iterator[Answer]:
    """An answer for each kind of message, and for each file whose write was refused."""
    for title, group in grouped(material.messages, lambda one: one[0]).items():
        facts = list(grouped(group, lambda one: one[1]).items())
        answer = Answer(title, [], list(dict.fromkeys(one[2] for one in group)))
        for meaning, times in facts[:8]:
            often = f" ({len(times)} times)" if len(times) > 1 else ""
            answer.facts.append(f"{meaning[0].upper()}{meaning[1:]}{often}.")
        yield answer
    for (target, ret), again in grouped(material.refused, lambda one: one).items():
        kind = next((one for one in OF_FILES if one[0] in target), ("", "A write was refused", SAID))
        title = f"{kind[1]}: {target}" if target else kind[1]
        answer = Answer(title, [f"{of_return(ret)[:1].upper()}{of_return(ret)[1:]}."], [kind[2]])
        if len(again) > 1:
            answer.facts.append(f"That came {len(again)} times.")
        yield answer
