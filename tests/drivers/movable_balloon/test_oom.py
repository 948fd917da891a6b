"""Deflating when the guest runs out of memory, in both shapes that kernels have had."""

from __future__ import annotations

from movable import GFP_KERNEL, VM, isolate_movable_page
from movable.mm.validate import validate_vm
from movable_balloon import Balloon
from movable_balloon.oom import BalloonShrinker, OomNotifier


def full(**options: object) -> tuple[VM, Balloon]:
    """A machine whose free memory is all in the balloon."""
    vm = VM(1024 << 12)
    balloon = Balloon(vm, **options)  # type: ignore[arg-type]
    while balloon.fill_balloon(64) == 64 and vm.zones[0].nr_free > 128:
        pass
    while vm.zones[0].nr_free > vm.zones[0].watermark[1] + 1:
        assert vm.alloc_page(GFP_KERNEL) is not None
    return vm, balloon


def test_a_shrinker_gives_pages_to_an_allocation_that_needs_them() -> None:
    vm, balloon = full()
    assert len(vm.shrinkers) == 1 and not vm.oom_notifiers
    before = balloon.num_pages
    for _ in range(300):
        assert vm.alloc_page(GFP_KERNEL) is not None
    assert before - 700 < balloon.num_pages < before - 200
    assert balloon.host.actual == balloon.num_pages and balloon.host.check() == []
    validate_vm(vm)


def test_a_notifier_comes_last_and_gives_256_pages() -> None:
    vm, balloon = full(oom="notifier")
    assert len(vm.oom_notifiers) == 1 and not vm.shrinkers
    before = balloon.num_pages
    while balloon.num_pages == before:
        assert vm.alloc_page(GFP_KERNEL) is not None
    assert balloon.num_pages == before - 256 == balloon.host.actual
    validate_vm(vm)


def test_nothing_comes_back_without_the_feature() -> None:
    vm, balloon = full(deflate_on_oom=False)
    assert not vm.shrinkers and not vm.oom_notifiers
    before = balloon.num_pages
    while vm.alloc_page(GFP_KERNEL) is not None:
        pass
    assert balloon.num_pages == before


def test_a_shrinker_counts_pages_and_scans_what_it_is_asked_for() -> None:
    vm = VM(2048 << 12)
    balloon = Balloon(vm, target=1000)
    vm.run_work()
    shrinker = BalloonShrinker(balloon)
    assert shrinker.count_objects() == 1000
    # More than one request: each round asks for what is still wanted, not for the whole again.
    assert shrinker.scan_objects(600) == 600
    assert [len(message.pfns) for message in balloon.host.messages if message.queue == "deflate"] == [256, 256, 88]
    assert shrinker.count_objects() == balloon.host.actual == 400
    assert shrinker.scan_objects(1000) == 400
    assert shrinker.scan_objects(1) == 0


def test_a_shrinker_ends_when_the_rest_is_isolated() -> None:
    vm = VM()
    balloon = Balloon(vm, target=3)
    vm.run_work()
    page = next(iter(balloon.vb_dev_info.pages))
    assert isolate_movable_page(page, 0) == 0
    assert BalloonShrinker(balloon).scan_objects(10) == 2
    assert BalloonShrinker(balloon).scan_objects(10) == 0
    assert OomNotifier(balloon)() == 0


def test_the_target_survives_and_is_reached_again() -> None:
    vm = VM(1024 << 12)
    balloon = Balloon(vm, target=500)
    vm.run_work()
    BalloonShrinker(balloon).scan_objects(100)
    assert balloon.towards_target() == 100
    balloon.set_target(500)
    vm.run_work()
    assert balloon.num_pages == 500
