"""Sizes of memory, typed and shown."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.mm.memparse import parse_size, readable, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [("256M", 256 << 20), ("1g", 1 << 30), ("64MiB", 64 << 20), ("64 MB", 64 << 20), ("1048576", 1 << 20), ("4K", 4096)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "1T", "12 34", "0x10", "M256"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size; write a number with K, M or G"):
        parse_size(text)


@pytest.mark.parametrize("size", [1, 1023, 1024, 4096, 3 << 20, 256 << 20, 5 << 30])
def test_a_size_that_is_suggested_means_itself(size: int) -> None:
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"), (3 << 30, "3 GiB")],
)
def test_sizes_for_sentences(size: int, text: str) -> None:
    assert readable(size) == text
