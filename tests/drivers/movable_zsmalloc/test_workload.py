"""zsmalloc before the contract kit, and wrong ones that it must find out."""

from __future__ import annotations

from typing import Any

import pytest

from movable import MIGRATE_SYNC_NO_COPY, VM, AddressSpace, InvalidState, Page, hookimpl
from movable.contract import GenericWorkload, check
from movable.workload.workload import workload_for
from movable_zsmalloc import Zsmalloc, migrate, zspage_alloc
from movable_zsmalloc.workload import SIZES, ZsmallocWorkload, content
from tests.drivers.movable_zsmalloc.movers import isolate, pages_of


def breaks(driver: type[Zsmalloc], rule: str) -> bool:
    report = check(driver, examples=200, until=[rule])
    return report.verdicts[rule].verdict == "broken"


def test_the_kit_finds_the_workload() -> None:
    assert workload_for(Zsmalloc) is ZsmallocWorkload
    assert not issubclass(ZsmallocWorkload, GenericWorkload)
    assert set(ZsmallocWorkload.operations()) == {"store", "rewrite", "free", "compact_objects"}


def test_every_operation_does_something() -> None:
    workload = ZsmallocWorkload(VM(128 << 12))
    for size in SIZES:
        workload.run("store", {"size": size, "seed": 1, "count": 3})
    keys = list(workload.model)
    assert len(keys) == 3 * len(SIZES)
    workload.run("rewrite", {"key": keys[0], "seed": 9})
    assert workload.model[keys[0]] == content(SIZES[0], 9) != content(SIZES[0], 1)
    before = workload.driver.zs_get_total_pages()
    for key in keys[::2]:
        workload.run("free", {"key": key})
    workload.run("compact_objects", {})
    assert workload.driver.zs_get_total_pages() < before
    assert all(workload.read(key) == data for key, data in workload.model.items())
    workload.invariant()
    workload.teardown()
    assert not list(workload.pages())


def test_the_invariant_sees_books_that_disagree() -> None:
    workload = ZsmallocWorkload(VM(128 << 12))
    workload.run("store", {"size": 3000, "seed": 1, "count": 3})
    workload.driver.pages_allocated.add(1)
    with pytest.raises(InvalidState):
        workload.invariant()


def test_the_snapshot_sees_an_isolation() -> None:
    workload = ZsmallocWorkload(VM(128 << 12))
    workload.run("store", {"size": 3000, "seed": 1, "count": 3})
    before = workload.snapshot()
    assert workload.snapshot() == before
    isolate(pages_of(workload.driver)[:1])
    assert workload.snapshot() != before


@pytest.mark.unmeasured
def test_the_bundled_driver_breaks_no_rule() -> None:
    report = check("zsmalloc", examples=60)
    assert [id for id, verdict in report.verdicts.items() if verdict.verdict == "broken"] == []
    assert all(report.verdicts[id].verdict == "held" for id in ("D8", "D14", "D15", "D19", "D31", "D41"))
    assert report.callbacks["migratepage"] > 100


class CopiesAnything(Zsmalloc):
    """Moves although it was told not to copy."""

    @hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        return super().migratepage(mapping, newpage, page, 2 if mode == MIGRATE_SYNC_NO_COPY else mode)


def test_a_driver_that_ignores_the_mode_is_found_out() -> None:
    assert breaks(CopiesAnything, "D28")


WRONG: dict[str, tuple[Any, str, Any]] = {
    "D15": (migrate, "copy_highpage", lambda newpage, page: None),
    "D41": (migrate, "kick_deferred_free", lambda pool: None),
    "D19": (zspage_alloc, "ClearPageMovable", lambda page: None),
    "D17": (migrate, "get_page", lambda page: None),
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("rule", WRONG)
def test_wrong_drivers_are_found_out(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = WRONG[rule]
    monkeypatch.setattr(owner, name, wrong)
    assert breaks(Zsmalloc, rule)
