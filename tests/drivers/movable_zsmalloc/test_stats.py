"""The class table of debugfs."""

from __future__ import annotations

from movable import VM
from movable_zsmalloc import Zsmalloc, distinct_classes
from tests.drivers.movable_zsmalloc.movers import store

HEADER = " class  size almost_full almost_empty obj_allocated   obj_used pages_used pages_per_zspage freeable"


def test_table_of_an_empty_pool() -> None:
    lines = Zsmalloc(VM()).classes_text().split("\n")
    assert lines[0] == HEADER
    assert len(lines) == 1 + 69 + 1 + 1 + 1
    assert [int(line.split()[0]) for line in lines[1:70]] == [row.index for row in distinct_classes()]
    assert lines[70:] == [
        "",
        " Total                 0            0             0          0          0                         0",
        "",
    ]


def test_numbers_of_a_used_pool() -> None:
    zs = Zsmalloc(VM(512 << 12))
    handles = [store(zs, bytes(504)) for _ in range(32)]
    for index, handle in enumerate(handles):
        if index == 7 or (index >= 8 and index % 4):
            zs.zs_free(handle)
    for _ in range(3):
        store(zs, bytes(3000))
    rows = {line[:6].strip(): line for line in zs.classes_text().split("\n")}
    # class 512: 8 objects a page; 4 zspages with 7, 2, 2, 2 objects
    assert rows["30"] == "    30   512           1            3            32         13          4                1        2"
    assert rows["190"] == "   190  3072           0            1             4          3          3                3        0"
    assert rows["Total"] == " Total                 1            4            36         16          7                         2"


def test_columns_of_the_document_follow_from_the_objects() -> None:
    """pages_used = obj_allocated / objs per zspage x pages per zspage, in rows that the kernel's document prints."""
    rows = {row.index: row for row in distinct_classes(4)}
    for index, allocated, used in ((9, 186, 8), (10, 2880, 135), (11, 819, 42), (12, 219, 12)):
        assert allocated // rows[index].objs * rows[index].pages == used
    rows = {row.index: row for row in distinct_classes(8, "least-waste")}
    for index, allocated, in_use, used, freeable in (
        (30, 3464, 3346, 433, 14),
        (31, 4154, 3793, 536, 44),
        (32, 4170, 3965, 556, 26),
    ):
        row = rows[index]
        assert allocated // row.objs * row.pages == used
        assert (allocated - in_use) // row.objs * row.pages == freeable
