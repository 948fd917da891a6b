"""Counters that need no lock."""

from __future__ import annotations

from movable import VM, AtomicLong


def test_atomic_counter() -> None:
    counter = AtomicLong(VM(), "pages")
    assert (counter.add(5), counter.add(-2), counter.read()) == (5, 3, 3)
    counter.raise_to(2)
    assert counter.read() == 3
    counter.raise_to(7)
    assert counter.read() == 7
