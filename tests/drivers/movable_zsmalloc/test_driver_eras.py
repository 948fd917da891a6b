"""zsmalloc as each era has it: placement as a 7.3 kernel's, freeing while isolated, several pools, answers."""

from __future__ import annotations

from errno import EBUSY, EINVAL, ENOMEM, ENOSPC
from pathlib import Path

import pytest

from movable import VM, ListHead, UsageError, isolate_movable_page, list_add_tail, migrate_pages, putback_movable_pages
from movable.eras import ERAS
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC, MR_COMPACTION
from movable.mm.validate import validate_vm
from movable_zsmalloc import Zsmalloc
from movable_zsmalloc.mapping import ZS_MM_RO
from movable_zsmalloc.validate import validate_pool
from movable_zsmalloc.zram.replay import read_recording, replay

RECORDING = Path(__file__).parents[2] / "data" / "parity" / "parity-7.3.jsonl.gz"
MIXES = {mix["mix"]: mix for mix in read_recording(RECORDING)}
STICKY = [name for name, era in ERAS.items() if era.sticky_mark]


@pytest.mark.parametrize("number", list(MIXES)[::3])
def test_pool_goes_the_way_of_a_7_3_kernel(number: int) -> None:
    mix, zs = MIXES[number], Zsmalloc(VM(16 << 20, era="7.3"))
    result = replay(mix, zs)
    assert result.objects and result.misplaced == []
    assert result.pages == {phase: numbers["pool_pages"] for phase, numbers in mix["mm_stat"].items()}
    assert all(recorded == here for recorded, here in result.compacted)
    validate_pool(zs)
    zs.remove()


def test_a_mix_of_7_3_is_not_that_of_6_1() -> None:
    mix = MIXES[next(number for number in MIXES if len(MIXES[number]["ops"]) > 500)]
    other = replay(mix, Zsmalloc(VM(16 << 20, era="6.1")))
    assert other.misplaced or other.pages != {phase: numbers["pool_pages"] for phase, numbers in mix["mm_stat"].items()}


@pytest.mark.parametrize("era", ERAS)
def test_a_life(era: str) -> None:
    """Fill, read, move every page, free while pages are isolated, end."""
    vm = VM(1 << 20, era=era)
    zs = Zsmalloc(vm)
    content = {zs.zs_malloc(size): bytes([size % 251]) * size for size in (24, 100, 504, 1200, 2440, 3000, 3256, 4096) * 5}
    for handle, data in content.items():
        zs.write(handle, data, fresh=True)
    moved = 0
    for page in [page for page in vm.pages.values() if page._refcount and page._private]:
        pages = ListHead("taken")
        if isolate_movable_page(page, 8):
            continue
        list_add_tail(page._lru, pages)
        moved += not migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION)
    assert moved > 20 and all(zs.read(handle, len(data)) == data for handle, data in content.items())
    validate_pool(zs)
    pages = ListHead("taken")
    for page in [page for page in vm.pages.values() if page._refcount and page._private]:
        if isolate_movable_page(page, 8) == 0:
            list_add_tail(page._lru, pages)
    for handle in list(content)[::2]:
        zs.zs_free(handle)
        del content[handle]
    putback_movable_pages(pages)
    vm.run_work()
    assert all(zs.read(handle, len(data)) == data for handle, data in content.items())
    zs.zs_compact()
    validate_pool(zs)
    zs.remove()
    validate_vm(vm)
    assert not any(page._refcount for page in vm.pages.values()) and not vm.bad_pages


@pytest.mark.parametrize("era", STICKY)
def test_pages_released_while_isolated_are_nobodys(era: str) -> None:
    vm = VM(1 << 20, era=era)
    zs = Zsmalloc(vm)
    handle = zs.zs_malloc(3000)
    pages = ListHead("taken")
    taken = [page for page in vm.pages.values() if page._refcount]
    for page in taken:
        assert isolate_movable_page(page, 8) == 0
        list_add_tail(page._lru, pages)
    zs.zs_free(handle)
    assert zs.zs_get_total_pages() == 0 and all(page._refcount == 1 and not page._private for page in taken)
    assert migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_ASYNC, MR_COMPACTION) == 0
    assert not any(page._refcount for page in vm.pages.values())
    validate_vm(vm)


@pytest.mark.parametrize(("era", "answer"), [("6.17", -EINVAL), ("7.3", -EBUSY)])
def test_a_zspage_in_use_is_busy(era: str, answer: int) -> None:
    vm = VM(1 << 20, era=era)
    zs = Zsmalloc(vm)
    zs.zs_malloc(100)
    page = next(page for page in vm.pages.values() if page._refcount)
    newpage = vm.alloc_page()
    assert newpage is not None
    page._private.lock.read_lock()
    assert zs.migrate_page(newpage, page, MIGRATE_ASYNC) == answer
    page._private.lock.read_unlock()


def test_pools_share_the_operations_of_their_page_type() -> None:
    vm = VM(1 << 20, era="7.3")
    first, second = Zsmalloc(vm, name="a"), Zsmalloc(vm, name="b")
    handle = second.zs_malloc(100)
    second.write(handle, b"x" * 100)
    first.remove()
    page = next(page for page in vm.pages.values() if page._refcount)
    pages = ListHead("taken")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)
    assert migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, MIGRATE_SYNC, MR_COMPACTION) == 0
    assert second.read(handle, 100) == b"x" * 100
    second.remove()
    third = Zsmalloc(vm, name="c")
    assert third.zs_malloc(64) > 0


def test_what_an_era_answers_and_offers() -> None:
    for era, errors in (("4.19", (0, 0)), ("6.1", (-EINVAL, -EINVAL)), ("7.3", (-EINVAL, -ENOSPC))):
        zs = Zsmalloc(VM(era=era))
        assert (zs.zs_malloc(0), zs.zs_malloc(4097)) == errors
        assert (zs.chain, zs.rule) == (ERAS[era].zs_chain, ERAS[era].zs_class_rule)
    full = Zsmalloc(VM(16 << 12, era="7.3"))
    while (answer := full.zs_malloc(4096)) > 0:
        pass
    assert answer == -ENOMEM
    handle = Zsmalloc(VM(era="6.1"))
    key = handle.zs_malloc(100)
    assert handle.zs_map_object(key, ZS_MM_RO)[:1]
    handle.zs_unmap_object(key)
    later = Zsmalloc(VM(era="7.3"))
    with pytest.raises(UsageError, match="has no zs_map_object; use read\\(\\) and write\\(\\)"):
        later.zs_map_object(later.zs_malloc(10), ZS_MM_RO)
