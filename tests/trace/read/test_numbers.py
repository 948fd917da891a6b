"""Numbers are read by grammar: as the kernel's probes print them, and no other way."""

from __future__ import annotations

import pytest

from movable.trace.read.numbers import Damaged, number


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("flags=0x0", 0), ("flags=0xfffffc0040001", 0xFFFFFC0040001), ("mapping=0xffffffffc0668282", 0xFFFFFFFFC0668282),
        ("refs=0", 0), ("refs=12", 12), ("mode=2", 2), ("mode=0x8", 8), ("ret=-11", -11), ("ret=0xfffffff5", 0xFFFFFFF5),
        ("flags=(fault)", None), ("ret=(null)", None), ("reason=4", 4),
    ],
)  # fmt: skip
def test_numbers(token: str, value: int | None) -> None:
    assert number(token) == value


@pytest.mark.parametrize(
    "token",
    [
        "flags=1_0", "flags=0x1_0", "refs=1_0", "flags=1", "flags=0XFF", "flags=0xFF", "flags=0x", "flags=", "flags", "refs=-1",
        "refs=+1", "refs=01", "refs=0x1", "ret=+1", "ret=-0", "ret=0o7", "ret=0b1", "ret=1e3", "ret=nan", "refs=1.0",
        "flags=0x12345678901234567", "refs=" + "9" * 5000, "refs=\u0663", "refs=(faul", "refs= 1", "ret=--1", "page=0x00ff",
    ],
)  # fmt: skip
def test_what_is_no_number(token: str) -> None:
    with pytest.raises(Damaged, match="is no"):
        number(token)
