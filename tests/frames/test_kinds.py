"""What a frame is, from its word."""

from __future__ import annotations

from movable.frames.kinds import ANON, COMPOUND, FILE, FREE, HOLE, KERNEL, SHMEM, SLAB, kind_of
from tests.frames.test_hostages import ANON_WORD, FREE_WORD, SLAB_WORD


def test_words_are_kinds() -> None:
    assert [kind_of(word) for word in (FREE_WORD, ANON_WORD, SLAB_WORD, 0, 1 << 20, 1 << 5, 1 << 5 | 1 << 14, 1 << 15)] == [
        FREE, ANON, SLAB, KERNEL, HOLE, FILE, SHMEM, COMPOUND,
    ]  # fmt: skip
