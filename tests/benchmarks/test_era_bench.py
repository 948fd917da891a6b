"""One migration in each era against one of 4.19, in the same run: what an era does is bound when the machine is built.

The driver of each era does the least that is right there: a copy, a reference, a mark, and the old page's release. Lists are as
long as compaction's, or of one page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AddressSpace,
    ListHead,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    isolate_movable_page,
    list_add_tail,
    lock_page,
    migrate_pages,
    put_page,
    unlock_page,
)
from movable.eras import DEFAULT, ERAS
from tests.benchmarks.test_migration_bench import Leanest, seconds

pytestmark = pytest.mark.benchmark

PAGES = 640
BATCH = 32
ROUNDS = 25
LIMIT = 1.05


class Lean(Leanest):
    """The same in kernels that give no mapping."""

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        return self.migratepage(self.mapping, newpage, page, mode)


class Stays(Leanest):
    """The same where marks stay: the back pointer says whose a page is."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        raise NotImplementedError

    def migrate_page(self, newpage: Page, page: Page, mode: int) -> int:
        copy_highpage(newpage, page)
        get_page(newpage)
        SetPageMovable(newpage, self.mapping)
        newpage.private, page.private = page.private, 0
        put_page(page)
        return 0


def machine(era: str) -> tuple[list[Page], list[Page]]:
    """Movable pages on a machine of an era, and as many targets."""
    vm = VM(memory=16 << 20, era=era)
    driver = Stays(vm) if ERAS[era].sticky_mark else Leanest(vm) if ERAS[era].mapping_argument else Lean(vm)
    pages, targets = [], []
    for _ in range(PAGES):
        page, target = vm.alloc_page(GFP_HIGHUSER_MOVABLE), vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        assert page is not None and target is not None
        page.data[:] = target.data[:] = b"x" * 4096
        lock_page(page)
        SetPageMovable(page, driver.mapping)
        page.private = 1
        unlock_page(page)
        pages.append(page)
        targets.append(target)
    return pages, targets


def migrate_in_batches(pages: list[Page], targets: list[Page]) -> None:
    for start in range(0, len(pages), BATCH):
        taken = ListHead("to migrate")
        for page in pages[start : start + BATCH]:
            isolate_movable_page(page, 8)
            list_add_tail(page._lru, taken)
        assert migrate_pages(taken, lambda page, private: targets.pop(), None, None, MIGRATE_SYNC, MR_COMPACTION) == 0


def migrate_one_by_one(pages: list[Page], targets: list[Page]) -> None:
    for page in pages:
        taken = ListHead("to migrate")
        isolate_movable_page(page, 8)
        list_add_tail(page._lru, taken)
        assert migrate_pages(taken, lambda page, private: targets.pop(), None, None, MIGRATE_SYNC, MR_COMPACTION) == 0


@pytest.mark.parametrize("work", [migrate_in_batches, migrate_one_by_one])
def test_every_era_is_as_fast_as_the_first(
    work: Callable[[list[Page], list[Page]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    best = dict.fromkeys(ERAS, float("inf"))
    for _ in range(ROUNDS):
        for era in ERAS:
            pages, targets = machine(era)
            best[era] = min(best[era], seconds(partial(work, pages, targets)))
    ratios = {era: took / best[DEFAULT] for era, took in best.items()}
    with capsys.disabled():
        told = ", ".join(f"{era}: {best[era] / PAGES * 1e6:.2f} us, {ratio:.2f}" for era, ratio in ratios.items())
        print(f"\n{work.__name__}: {told}")
    assert max(ratios.values()) <= LIMIT, ratios
