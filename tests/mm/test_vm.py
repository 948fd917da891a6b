"""Booting machines of every shape, and refusing shapes that cannot be."""

from __future__ import annotations

import pytest

from movable import GFP_HIGHUSER_MOVABLE, GFP_KERNEL, VM, UsageError
from movable.mm.validate import validate_vm


def test_zones_and_nodes() -> None:
    vm = VM(memory=1 << 20, nodes=2, zones=("DMA32", "Normal"))
    assert [(zone.node.nid, zone.name, zone.start_pfn, zone.end_pfn) for zone in vm.zones] == [
        (0, "DMA32", 0, 64),
        (0, "Normal", 64, 128),
        (1, "DMA32", 128, 192),
        (1, "Normal", 192, 256),
    ]
    assert vm.zone_of(130) is vm.zones[2]
    validate_vm(vm)


def test_a_layout_of_its_own() -> None:
    vm = VM(layout=[(0, "Normal", 32), (1, "Movable", 64)], pageblock_order=3)
    assert vm.nr_frames == 96
    page = vm.alloc_page(GFP_HIGHUSER_MOVABLE, 1)
    assert page is not None
    assert (page.node, page.zone.name) == (1, "Movable")
    page = vm.alloc_page(GFP_KERNEL, 1)
    assert page is not None
    assert page.node == 0


def test_pageblocks_shrink_with_the_machine() -> None:
    assert VM().pageblock_order == 4
    assert VM(memory=64 << 20).pageblock_order == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 5000}, "cannot be divided"),
        ({"memory": 0}, "cannot be divided"),
        ({"nodes": 0}, "at least one node"),
        ({"zones": ()}, "at least one node and one zone"),
        ({"zones": ("Abnormal",)}, "unknown zone 'Abnormal'"),
        ({"pageblock_order": 11}, "pageblock order 11"),
        ({"memory": 65 << 12, "pageblock_order": 3}, "no multiple of a pageblock of 8; use a multiple of 32768 bytes"),
        ({"era": "2.6"}, "unknown era '2.6'"),
        ({"era": "6.18"}, "unknown era '6.18'; known are 4.19 "),
    ],
)
def test_impossible_machines(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VM(**options)  # type: ignore[arg-type]


def test_no_such_frame() -> None:
    vm = VM()
    for pfn in (-1, 64):
        with pytest.raises(UsageError, match="frames 0 to 63"):
            vm.page(pfn)


def test_frames_are_made_on_first_use() -> None:
    vm = VM(memory=1 << 30)
    assert not vm.pages
    vm.alloc_page()
    assert len(vm.pages) == 1


def test_two_machines_share_nothing() -> None:
    first, second = VM(seed=3), VM(seed=3)
    assert first.random.random() == second.random.random()
    first.alloc_page()
    assert not second.pages
