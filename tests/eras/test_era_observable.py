"""A feature of an era that is changed changes something that can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from errno import EAGAIN, EBUSY, ENOMEM
from pathlib import Path
from typing import Any

import pytest

from movable import VM, UsageError
from movable.eras import ERAS, Era
from movable.mm.address_space import migrate_form
from movable.mm.compaction import compact_gap
from movable.mm.memory_failure import soft_offline_page
from movable.mm.migrate import MIGRATE_ASYNC, MIGRATE_SYNC_NO_COPY, MR_MEMORY_FAILURE, migrate_pages
from movable_balloon import Balloon
from movable_zsmalloc import Zsmalloc
from tests.eras import observe_processes, observe_rules
from tests.mm.test_migrate_batch import Scripted, isolated, release, run


class Old:
    def migratepage(self) -> None: ...


class New:
    def migrate_page(self) -> None: ...


def form(era: Era, driver: type = New) -> str:
    try:
        return migrate_form(driver(), era)
    except UsageError as error:
        return str(error)


def story(era: Era, answers: dict[int, list[int]], mode: int = 2) -> object:
    driver, rc, left = run(era, answers, mode=mode)
    return driver.log, rc, left


def released(era: Era) -> object:
    vm = VM(era=era)
    driver = Scripted(vm)
    pages = isolated(list(driver.add(1)))
    release(driver.pages[0])
    asked: list[int] = []

    def new(page: Any, private: Any) -> Any:
        asked.append(page.pfn)
        return vm.alloc_page()

    return migrate_pages(pages, new, None, None, MIGRATE_ASYNC, 0), len(asked)


def refused(era: Era, mode: int, reason: int) -> bool:
    vm = VM(era=era)
    pages = isolated(list(Scripted(vm).add(1)))
    try:
        migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, mode, reason)
    except UsageError:
        return True
    return False


def kept(era: Era) -> int:
    vm = VM(era=era)
    driver = Scripted(vm)
    pages = isolated(list(driver.add(1)))
    page = driver.pages[0]
    migrate_pages(pages, lambda page, vm: vm.alloc_page(), None, vm, 2, MR_MEMORY_FAILURE)
    return page._refcount


def soft(era: Era, answers: list[int], again: bool = False) -> int:
    vm = VM(era=era)
    driver = Scripted(vm, {0: answers})
    pfn = driver.add(1)[0].pfn
    first = soft_offline_page(vm, pfn)
    return soft_offline_page(vm, pfn) if again else first


def zs(era: Era, look: Callable[[Zsmalloc], object]) -> object:
    return look(Zsmalloc(VM(16 << 20, era=era)))


SHOWN: dict[str, tuple[str, Any, Callable[[Era], object]]] = {
    "migrate_name": ("6.1", "move_page", form),
    "mapping_argument": ("6.1", True, lambda era: form(era, list)),
    "former_forms": ("6.1", (), lambda era: form(era, Old)),
    "batch_pages": ("6.1", 2, lambda era: story(era, {0: [-EAGAIN] * 3, 3: [-EAGAIN]})),
    "async_first": ("7.3", 2, lambda era: story(era, {0: [-EAGAIN] * 20})),
    "passes": ("6.1", 4, lambda era: story(era, {0: [-EAGAIN] * 20})),
    "sync_passes": ("7.3", 3, lambda era: story(era, {0: [-EAGAIN] * 20})),
    "released_by_refs": ("6.17", False, released),
    "keeps_poisoned_source": ("7.3", False, kept),
    "migrate_reasons": ("7.3", ("compaction",), lambda era: refused(era, 2, 3)),
    "no_copy_mode": ("6.1", False, lambda era: refused(era, MIGRATE_SYNC_NO_COPY, 0)),
    "compact_gap_limit": ("7.3", 8, lambda era: compact_gap(9, era.compact_gap_limit)),
    "soft_offline_busy": ("6.1", False, lambda era: soft(era, [-EBUSY])),
    "soft_offline_again": ("6.1", -EBUSY, lambda era: soft(era, [], again=True)),
    "movable_types": ("7.3", ("offline",), lambda era: VM(era=era).set_movable_ops(None, "zsmalloc")),
    "zs_chain": ("7.3", 4, lambda era: zs(era, lambda pool: pool.chain)),
    "zs_class_rule": ("7.3", "percent", lambda era: zs(era, lambda pool: pool.rule)),
    "zs_fullness_groups": ("6.1", 12, lambda era: zs(era, lambda pool: len(pool.size_class(0).lists))),
    "zs_obj_bits": ("7.3", (0, 24, 0), lambda era: zs(era, lambda pool: pool.handles[pool.zs_malloc(100)].word)),
    "zs_locking": ("6.1", "pins", lambda era: zs(era, lambda pool: type(pool.way).__name__)),
    "zs_malloc_errors": ("7.3", (-1, -2, -ENOMEM), lambda era: zs(era, lambda pool: pool.zs_malloc(0))),
    "balloon_core": ("7.3", False, lambda era: type(Balloon(VM(era=era)).vb_dev_info).__module__),
    "balloon_oom": ("7.3", "shrinker", lambda era: len(balloon_vm(era).shrinkers)),
    "sticky_mark": ("6.17", False, lambda era: VM(era=era).page_class.__name__),
}


def balloon_vm(era: Era) -> VM:
    vm = VM(era=era)
    Balloon(vm)
    return vm


SHOWN |= observe_processes.SHOWN | observe_rules.SHOWN


@pytest.mark.parametrize("field", SHOWN)
def test_it_can_be_seen(field: str) -> None:
    name, other, look = SHOWN[field]
    era = ERAS[name]
    assert getattr(era, field) != other
    assert look(era) != look(replace(era, **{field: other}))


def test_every_field_is_seen() -> None:
    """Here, or in a test of its own subject that changes it."""
    left = {field.name for field in fields(Era)} - {"name", "kernels"} - set(SHOWN)
    texts = [path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py") if path.parent != Path(__file__).parent]
    unseen = [name for name in left if not any("replace(" in text and name in text for text in texts)]
    assert not unseen, f"change {unseen} in a test and see a difference (SHOWN)"
