"""JSON that scripts write."""

from __future__ import annotations

import pytest

from movable.explain.reading import read


def test_orders_that_a_table_of_json_leaves_out_have_no_blocks() -> None:
    [row] = read([("x", '{"Normal": {"0": 5, "order 9": 1, "2": 3, "3": 4, "1": 2}}')]).free
    assert row.counts == [5, 2, 3, 4, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "table", ['"Normal": {"0": 1, "order 0": {}, "1": 2, "2": 3, "3": 4, "4": 5}', '"zone Dev\u0131ce": [1, 2, 3, 4, 5, 6]']
)
def test_json_that_is_almost_a_table_is_listed(table: str) -> None:
    material = read([("x", f"{{{table}}}")])
    assert not material.free and material.unread


def test_documents_stand_among_other_tables() -> None:
    text = "[  1.000000] hello\nNode 0, zone Movable 9 9 9 9 9 9\n" + "words\n" * 30
    first, second = (f'{{\n "Normal": [1, 2, 3, 4, 5, {last}]\n}}\n' for last in (6, 7))
    rows = read([("x", f"{text}{first}and later\n{second}")]).free
    assert [(row.line.number, row.zone, row.counts[5]) for row in rows] == [
        (34, "Normal", 6), (38, "Normal", 7), (2, "Movable", 9),
    ]  # fmt: skip
