"""The class table of debugfs (mm/zsmalloc.c, zs_stats_size_show)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from movable_zsmalloc.zspage import ZS_ALMOST_EMPTY, ZS_ALMOST_FULL

if TYPE_CHECKING:
    from movable_zsmalloc.pool import Pool
    from movable_zsmalloc.zspage import SizeClass

COLUMNS = ("class size almost_full almost_empty obj_allocated obj_used pages_used pages_per_zspage freeable").split()
WIDTHS = (5, 5, 11, 12, 13, 10, 10, 16, 8)


def _line(fields: tuple[object, ...]) -> str:
    return "".join(f" {field!s:>{width}}" for field, width in zip(fields, WIDTHS, strict=True)) + "\n"


def _counts(size_class: SizeClass) -> tuple[int, int, int, int, int, int]:
    """almost_full, almost_empty, obj_allocated, obj_used, pages_used, freeable."""
    with size_class.lock:
        return (
            len(size_class.lists[ZS_ALMOST_FULL]),
            len(size_class.lists[ZS_ALMOST_EMPTY]),
            size_class.objs_allocated,
            size_class.objs_used,
            size_class.objs_allocated // size_class.objs * size_class.pages,
            size_class.zs_can_compact(),
        )


def classes_text(pool: Pool) -> str:
    """The text of ``zsmalloc/NAME/classes``: a row for each class that exists after merging, and the sums."""
    total = [0] * 6
    used = {size_class.index: size_class for size_class in pool.size_classes()}
    text = _line(tuple(COLUMNS))
    for slot, row in enumerate(pool.rows):
        if row.index != slot:
            continue
        size_class = used.get(slot)
        counts = _counts(size_class) if size_class is not None else (0,) * 6
        total = [a + b for a, b in zip(total, counts, strict=True)]
        text += _line((slot, row.size, *counts[:5], row.pages, counts[5]))
    return text + "\n" + _line(("Total", "", *total[:5], "", total[5]))
