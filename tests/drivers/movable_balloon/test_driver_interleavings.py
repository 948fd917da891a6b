"""Small concurrent scenes under many schedules: no lost page, no deadlock, no data race, and the host never both owns and lends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AddressSpace,
    ListHead,
    Mutex,
    Page,
    PageMovableHint,
    SpinLock,
    WaitQueue,
    Work,
    WorkQueue,
    get_page,
    hookimpl,
    isolate_movable_page,
    list_add,
    migrate_pages,
    put_page,
    putback_movable_pages,
)
from movable.explore import Options, Report, Scene, explore
from movable.explore.instrument.hooks import Hooks
from movable.mm.seam import Seam
from movable.mm.validate import validate_vm
from movable.registry import load
from movable_balloon import Balloon, BalloonDevInfo
from movable_balloon.balloon_compaction import balloon_page_finalize, balloon_page_replace

Body = Callable[[VM, Balloon], object]


def isolate_one(vm: VM) -> ListHead:
    """What a scanner does: it looks at frames, and takes the first that lets itself be taken."""
    taken = ListHead(f"isolated by {vm.current.name}")
    for pfn in sorted(vm.pages):
        page = vm.pages[pfn]
        if PageMovableHint(page) and isolate_movable_page(page, 0) == 0:
            list_add(page.lru, taken)
            break
    return taken


def migrate(vm: VM, balloon: Balloon) -> None:
    pages = isolate_one(vm)
    migrate_pages(pages, lambda page, private: vm.alloc_page(GFP_HIGHUSER_MOVABLE), None, None, MIGRATE_SYNC, MR_COMPACTION)
    putback_movable_pages(pages)


def put_back(vm: VM, balloon: Balloon) -> None:
    putback_movable_pages(isolate_one(vm))


def fill(vm: VM, balloon: Balloon) -> None:
    balloon.fill_balloon(1)


def leak(vm: VM, balloon: Balloon) -> None:
    balloon.leak_balloon(1)


def retarget(vm: VM, balloon: Balloon) -> None:
    balloon.set_target(1)


def remove(vm: VM, balloon: Balloon) -> None:
    balloon.remove()


def scene(bodies: dict[str, Body], kind: type[Balloon] = Balloon, **options: Any) -> Callable[[Any], Scene]:
    def program(scheduler: Any) -> Scene:
        vm = VM(32 << 12)
        balloon: Balloon = load(vm, kind, **options)
        balloon.fill_balloon(2)
        vm.install(Seam(scheduler))
        locks = (Mutex, SpinLock, WaitQueue, WorkQueue, Work, AddressSpace)
        Hooks(scheduler, foreign=(Page,), fixed=(VM, ListHead, *locks)).watch(balloon, "balloon")

        def check() -> None:
            vm.install(None)
            held = balloon.vb_dev_info.ballooned()
            assert balloon.num_pages == held == len(balloon.host.owned), "the counts of pages disagree"
            assert balloon.host.check() == []
            validate_vm(vm, owner_refs=1)

        return Scene([(name, lambda body=body: body(vm, balloon)) for name, body in bodies.items()], check)  # type: ignore[misc]

    return program


def search(bodies: dict[str, Body], kind: type[Balloon] = Balloon, executions: int = 120, **options: Any) -> Report:
    return explore(scene(bodies, kind, **options), executions=executions, options=Options(), shrink=False)


SCENES: dict[str, dict[str, Body]] = {
    "fill beside migration": {"fill": fill, "migrate": migrate},
    "leak beside migration": {"leak": leak, "migrate": migrate},
    "leak beside putback": {"leak": leak, "scan": put_back},
    "two migrations": {"one": migrate, "two": migrate},
    "worker beside migration": {"host": retarget, "migrate": migrate},
    "worker beside fill": {"host": retarget, "fill": fill},
    "fill, leak and migration": {"fill": fill, "leak": leak, "migrate": migrate},
    "removal beside migration": {"remove": remove, "migrate": migrate},
    "removal beside putback": {"remove": remove, "scan": put_back},
    "removal beside the worker": {"remove": remove, "host": retarget},
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", SCENES)
def test_every_schedule_ends_well(name: str) -> None:
    report = search(SCENES[name])
    assert report.failure is None, str(report.failure)
    assert report.executions > 20


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", ["leak beside migration", "removal beside migration"])
def test_a_host_that_takes_its_time_changes_nothing(name: str) -> None:
    report = search(SCENES[name], delayed_host=True)
    assert report.failure is None, str(report.failure)


# --- what the search would say of drivers that got it wrong ---


class Unlocked(Balloon):
    """Migrates without the lock that a fill and a leak hold: they share the request's buffer."""

    def virtballoon_migratepage(self, dev_info: BalloonDevInfo, newpage: Page, page: Page, mode: int) -> int:
        get_page(newpage)
        balloon_page_replace(dev_info, newpage)
        self.pfns[:] = (newpage.pfn,)
        self.tell_host(self.inflate_vq)
        balloon_page_finalize(dev_info, page)
        self.pfns[:] = (page.pfn,)
        self.tell_host(self.deflate_vq)
        put_page(page)
        return 0


class Hasty(Balloon):
    """Does not wait for isolated pages when it is removed."""

    def remove(self) -> None:
        self.stop()
        self.leak_balloon(self.size())
        self.reset()
        if self.mapping is not None:
            self.vm.free_address_space(self.mapping)


class Forgetful(Balloon):
    """Loses count of isolated pages that come back."""

    @hookimpl
    def putback_page(self, page: Page) -> None:
        list_add(page.lru, self.vb_dev_info.pages)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Unlocked, "fill beside migration"),
        (Unlocked, "leak beside migration"),
        (Hasty, "removal beside putback"),
        (Forgetful, "leak beside putback"),
    ],
)
def test_wrong_drivers_are_found_out(kind: type[Balloon], name: str) -> None:
    assert search(SCENES[name], kind).failure is not None
