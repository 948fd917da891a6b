"""GFP numbers against those that 4.19 kernels print in their logs, and what they mean."""

from __future__ import annotations

import pytest

import movable
from movable.errors import UsageError
from movable.mm import gfp
from movable.mm.gfp import gfp_migratetype, gfp_names, gfp_zone


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (gfp.GFP_KERNEL, 0x6000C0),
        (gfp.GFP_NOFS, 0x600040),
        (gfp.GFP_NOIO, 0x600000),
        (gfp.GFP_ATOMIC, 0x480020),
        (gfp.GFP_NOWAIT, 0x400000),
        (gfp.GFP_USER, 0x6200C0),
        (gfp.GFP_HIGHUSER_MOVABLE, 0x6200CA),
        (gfp.GFP_HIGHUSER_MOVABLE | gfp.GFP_ZERO, 0x6280CA),
        (gfp.GFP_HIGHUSER_MOVABLE | gfp.GFP_NORETRY | gfp.GFP_NOMEMALLOC, 0x6310CA),
        (gfp.GFP_KERNEL | gfp.GFP_COMP, 0x6040C0),
    ],
)
def test_numbers_as_logged(value: int, logged: int) -> None:
    assert value == logged


@pytest.mark.parametrize(
    ("request_gfp", "migratetype"),
    [
        (gfp.GFP_KERNEL, gfp.MIGRATE_UNMOVABLE),
        (gfp.GFP_HIGHUSER, gfp.MIGRATE_UNMOVABLE),
        (gfp.GFP_HIGHUSER_MOVABLE, gfp.MIGRATE_MOVABLE),
        (gfp.GFP_KERNEL | gfp.GFP_RECLAIMABLE, gfp.MIGRATE_RECLAIMABLE),
    ],
)
def test_migratetype(request_gfp: int, migratetype: int) -> None:
    assert gfp_migratetype(request_gfp) == migratetype


def test_movable_and_reclaimable_at_once_is_refused() -> None:
    with pytest.raises(UsageError, match="at once"):
        gfp_migratetype(gfp.GFP_MOVABLE_MASK)


@pytest.mark.parametrize(
    ("request_gfp", "zone"),
    [
        (gfp.GFP_KERNEL, gfp.ZONE_NORMAL),
        (gfp.GFP_HIGHUSER, gfp.ZONE_NORMAL),
        (gfp.GFP_KERNEL | gfp.GFP_MOVABLE, gfp.ZONE_NORMAL),
        (gfp.GFP_HIGHUSER_MOVABLE, gfp.ZONE_MOVABLE),
        (gfp.GFP_KERNEL | gfp.GFP_DMA, gfp.ZONE_DMA),
        (gfp.GFP_KERNEL | gfp.GFP_DMA32, gfp.ZONE_DMA32),
        (gfp.GFP_KERNEL | gfp.GFP_DMA32 | gfp.GFP_MOVABLE, gfp.ZONE_DMA32),
    ],
)
def test_highest_zone(request_gfp: int, zone: int) -> None:
    assert gfp_zone(request_gfp) == zone


@pytest.mark.parametrize("bits", [gfp.GFP_DMA | gfp.GFP_DMA32, gfp.GFP_DMA | gfp.GFP_HIGHMEM])
def test_two_zones_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match="more than one zone"):
        gfp_zone(bits)


def test_every_bit_has_one_name() -> None:
    bits = list(gfp.GFP_NAMES.values())
    assert len(bits) == len(set(bits)) == 23
    assert sum(bits) == (1 << 23) - 1


def test_names_in_words() -> None:
    assert gfp_names(gfp.GFP_NOFS) == "__GFP_IO|__GFP_DIRECT_RECLAIM|__GFP_KSWAPD_RECLAIM"
    assert gfp_names(0) == "none"


@pytest.mark.parametrize("name", [name for name in dir(gfp) if name.startswith("__GFP_")])
def test_names_for_class_bodies_are_the_same_bits(name: str) -> None:
    plain = name.removeprefix("__")
    if hasattr(gfp, plain) and plain != "GFP_ATOMIC":
        assert getattr(gfp, plain) == getattr(gfp, name)


def test_the_public_door_has_each_bit_once() -> None:
    plain = [name.lstrip("_") for name in movable.__all__ if name != "GFP_ATOMIC"]  # several bits
    bits = [name for name in plain if f"__{name}" in vars(gfp)]
    assert len(bits) > 20 and len(bits) == len(set(bits))
    assert vars(movable)["__GFP_ZERO"] == movable.GFP_ZERO  # the kernel's names can be imported all the same
