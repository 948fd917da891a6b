"""Locations that are bytes of a whole."""

from __future__ import annotations

from movable.explore.dependence import Order, Part, Span, conflict


def test_bytes_conflict_where_they_overlap() -> None:
    def part(start: int, stop: int) -> Part:
        return Part("x", Span(start, stop))

    assert conflict(("w", part(0, 4)), ("r", part(2, 3)))
    assert not conflict(("w", part(0, 4)), ("w", part(4, 8)))
    assert conflict(("w", "x"), ("r", part(4, 8)))
    assert not conflict(("r", part(0, 4)), ("mr", part(0, 4)))
    order = Order()
    order.add(0, "w", part(0, 4))
    order.add(1, "w", part(4, 8))
    assert order.add(2, "r", part(3, 5)) == [1, 0]
    assert str(part(3, 5)) == "x[3:5]"
    assert str(Part(("page", 7, "data"), Span(0, 8))) == "page 7 data[0:8]"
