"""Rings: who has a buffer, and misuse of either side."""

from __future__ import annotations

import pytest

from movable import UsageError, VMBug
from movable_balloon.virtqueue import RING_SIZE, VirtQueue


def test_a_buffer_comes_back_when_the_host_says_so() -> None:
    held: list[object] = []
    interrupts: list[str] = []
    vq = VirtQueue("test", lambda queue, buffer: held.append(buffer), lambda queue: interrupts.append(queue.name))
    vq.add_buffer("a")
    assert held == []
    vq.kick()
    assert held == ["a"] and vq.get_buffer() is None
    vq.complete("a")
    assert interrupts == ["test"]
    assert vq.get_buffer() == "a"
    assert vq.get_buffer() is None


def test_the_host_completes_a_buffer_once() -> None:
    vq = VirtQueue("test", lambda queue, buffer: queue.complete(buffer), lambda queue: None)
    vq.add_buffer("a")
    vq.kick()
    with pytest.raises(UsageError, match="complete each once"):
        vq.complete("a")


def test_a_ring_holds_so_many() -> None:
    vq = VirtQueue("test", lambda queue, buffer: None, lambda queue: None)
    for number in range(RING_SIZE):
        vq.add_buffer(number)
        vq.kick()
    with pytest.raises(VMBug, match="full"):
        vq.add_buffer("one more")


def test_nothing_goes_over_a_deleted_ring() -> None:
    vq = VirtQueue("test", lambda queue, buffer: None, lambda queue: None)
    vq.delete()
    with pytest.raises(VMBug, match="D41"):
        vq.add_buffer("late")
