"""The device: requests to the host, their order, the worker, and the accounting of managed pages."""

from __future__ import annotations

import pytest

from movable import (
    PAGE_POISON,
    VM,
    UsageError,
    VMBug,
    isolate_movable_page,
    lock_page,
    put_page,
    unlock_page,
)
from movable.mm.validate import validate_vm
from movable_balloon import VIRTIO_BALLOON_ARRAY_PFNS_MAX, Balloon
from movable_balloon.virtio import (
    PAGE_POISON_WORD,
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
)


def sizes(balloon: Balloon, queue: str) -> list[int]:
    return [len(message.pfns) for message in balloon.host.messages if message.queue == queue]


def consistent(balloon: Balloon) -> bool:
    return (
        balloon.num_pages == balloon.vb_dev_info.ballooned() == len(balloon.host.owned)
        and not balloon.host.check()
        and balloon.vm.vmstat["balloon_inflate"] - balloon.vm.vmstat["balloon_deflate"] == balloon.num_pages
    )


def test_a_request_holds_at_most_256_pages() -> None:
    vm = VM(2048 << 12)
    balloon = Balloon(vm)
    assert balloon.fill_balloon(1000) == VIRTIO_BALLOON_ARRAY_PFNS_MAX == 256
    assert balloon.leak_balloon(1000) == 256
    balloon.set_target(1000)
    vm.run_work()
    balloon.set_target(0)
    vm.run_work()
    assert sizes(balloon, "inflate") == [256, 256, 256, 256, 232]
    assert sizes(balloon, "deflate") == [256, 256, 256, 256, 232]


def test_the_device_refuses_to_send_more() -> None:
    balloon = Balloon(VM())
    balloon.pfns[:] = range(257)
    with pytest.raises(VMBug, match="257 pages"):
        balloon.tell_host(balloon.inflate_vq)


def test_fill_and_leak_of_nothing_tell_nobody() -> None:
    balloon = Balloon(VM())
    assert balloon.fill_balloon(0) == balloon.leak_balloon(0) == balloon.leak_balloon(5) == 0
    assert not balloon.host.messages


def test_the_target_is_reached_when_work_runs() -> None:
    vm = VM(2048 << 12)
    balloon = Balloon(vm, target=700)
    assert balloon.num_pages == 0
    assert vm.run_work() == 3
    assert balloon.num_pages == balloon.host.actual == 700 and consistent(balloon)
    balloon.set_target(100)
    assert vm.run_work() == 3
    assert balloon.num_pages == balloon.host.actual == 100 and consistent(balloon)
    balloon.set_target(100)
    assert vm.run_work() == 1
    validate_vm(vm)


def test_no_work_without_a_target() -> None:
    vm = VM()
    Balloon(vm)
    assert vm.run_work() == 0


def test_fill_stops_where_memory_ends_and_the_worker_rests() -> None:
    vm = VM(256 << 12)
    balloon = Balloon(vm, target=1000, oom="notifier")
    vm.run_work()
    assert balloon.starved
    assert balloon.num_pages == 256 - vm.zones[0].nr_free and consistent(balloon)
    assert vm.zones[0].nr_free <= vm.zones[0].watermark[1]
    balloon.set_target(10)
    vm.run_work()
    assert balloon.num_pages == 10 and not balloon.starved


def test_a_balloon_that_fights_its_own_shrinker_gives_up() -> None:
    vm = VM(256 << 12)
    balloon = Balloon(vm, target=1000)
    vm.run_work()
    assert balloon.starved and 0 < balloon.num_pages < 256 and consistent(balloon)
    validate_vm(vm)


def test_the_host_is_told_of_a_deflated_page_before_it_is_freed() -> None:
    vm = VM()
    balloon = Balloon(vm)
    balloon.fill_balloon(3)
    free_when_told: list[int] = []
    deflate = balloon.host.handle_deflate
    before = vm.zones[0].nr_free

    def told(queue: object, buffer: object) -> None:
        free_when_told.append(vm.zones[0].nr_free)
        deflate(queue, buffer)  # type: ignore[arg-type]

    balloon.deflate_vq.device = told
    balloon.leak_balloon(3)
    assert free_when_told == [before]
    assert vm.zones[0].nr_free == before + 3


def test_a_page_that_the_host_owns_cannot_be_freed() -> None:
    balloon = Balloon(VM())
    balloon.fill_balloon(1)
    balloon.deflate_vq.device = lambda queue, buffer: queue.complete(buffer)  # a host that does not listen
    with pytest.raises(VMBug, match="D43"):
        balloon.leak_balloon(1)


def test_pages_are_told_in_the_order_of_the_lists() -> None:
    vm = VM()
    balloon = Balloon(vm)
    balloon.fill_balloon(3)
    (filled,) = (message.pfns for message in balloon.host.messages)
    balloon.leak_balloon(3)
    # The kernel keeps balloon pages on a stack: what was told last comes back first.
    assert balloon.host.messages[-1].pfns == tuple(reversed(filled))


def test_leak_leaves_isolated_and_locked_pages() -> None:
    vm = VM()
    balloon = Balloon(vm)
    balloon.fill_balloon(4)
    pages = list(balloon.vb_dev_info.pages)
    assert isolate_movable_page(pages[0], 0) == 0
    lock_page(pages[1])
    assert balloon.leak_balloon(4) == 2
    assert balloon.num_pages == 2 and balloon.leak_balloon(4) == 0
    unlock_page(pages[1])
    assert balloon.leak_balloon(4) == 1
    assert balloon.host.owns(pages[0].pfn) and consistent(balloon)


def test_the_worker_rests_while_every_page_is_isolated() -> None:
    vm = VM()
    balloon = Balloon(vm, target=2)
    vm.run_work()
    for page in list(balloon.vb_dev_info.pages):
        assert isolate_movable_page(page, 0) == 0
    balloon.set_target(0)
    assert vm.run_work() == 1
    assert balloon.starved and balloon.num_pages == 2


def managed(vm: VM) -> list[int]:
    return [zone.managed_pages for zone in vm.zones]


def test_managed_pages_follow_a_balloon_that_keeps_what_it_has() -> None:
    vm = VM(layout=[(0, "DMA32", 64), (0, "Normal", 64)])
    balloon = Balloon(vm, deflate_on_oom=False, target=80)
    vm.run_work()
    held = [sum(1 for pfn in balloon.host.owned if vm.zone_of(pfn) is zone) for zone in vm.zones]
    assert sum(held) == 80 and all(held)
    assert managed(vm) == [64 - held[0], 64 - held[1]]
    balloon.set_target(0)
    vm.run_work()
    assert managed(vm) == [64, 64]


def test_managed_pages_stay_for_a_balloon_that_deflates_in_need() -> None:
    vm = VM()
    balloon = Balloon(vm, target=20)
    vm.run_work()
    assert managed(vm) == [64]
    balloon.set_target(0)
    vm.run_work()
    assert managed(vm) == [64]


def test_features_are_what_the_host_offers_and_the_guest_can_use() -> None:
    every = {
        VIRTIO_BALLOON_F_MUST_TELL_HOST,
        VIRTIO_BALLOON_F_STATS_VQ,
        VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
        VIRTIO_BALLOON_F_PAGE_POISON,
        VIRTIO_BALLOON_F_REPORTING,
    }
    poisoning = Balloon(VM(), reporting=True)
    assert poisoning.features == every and poisoning.host.poison_val == PAGE_POISON_WORD
    plain = Balloon(VM(page_poisoning=False), reporting=True)
    assert plain.features == every - {VIRTIO_BALLOON_F_PAGE_POISON} and plain.host.poison_val == 0
    # A guest that poisons and cannot say so must not have its free pages discarded.
    mute = Balloon(VM(), reporting=True, page_poison=False)
    assert mute.features == every - {VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_BALLOON_F_REPORTING}
    none = Balloon(VM(), must_tell_host=False, stats_vq=False, deflate_on_oom=False, page_poison=False)
    assert none.features == frozenset()


def test_bad_options_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="-1 pages"):
        Balloon(VM(), target=-1)
    with pytest.raises(UsageError, match="'shrinker'"):
        Balloon(VM(), oom="prayer")
    balloon = Balloon(VM(), target=3)
    with pytest.raises(UsageError, match="0 or more"):
        balloon.set_target(-3)
    assert balloon.host.num_pages == 3


def test_a_host_that_answers_later_is_waited_for() -> None:
    vm = VM()
    balloon = Balloon(vm, delayed_host=True)
    seen: list[bool] = []
    inflate = balloon.host._inflate

    def watched(name: str, pfns: object) -> None:
        seen.append(balloon.balloon_lock.held)
        inflate(name, pfns)  # type: ignore[arg-type]

    balloon.host._inflate = watched  # type: ignore[method-assign]
    assert balloon.fill_balloon(2) == 2
    assert seen == [True] and consistent(balloon)
    assert balloon.leak_balloon(2) == 2 and consistent(balloon)


def test_the_content_of_a_balloon_page_is_gone() -> None:
    vm = VM()
    pages = [page for page in (vm.alloc_page() for _ in range(32)) if page is not None]
    for page in pages:
        page.data[:] = b"x" * 4096
        put_page(page)
    balloon = Balloon(vm, target=32)
    vm.run_work()
    ballooned = [page for page in pages if balloon.host.owns(page.pfn)]
    assert ballooned
    assert {bytes(page.data) for page in ballooned} == {bytes(4096)}
    assert {bytes(page.data) for page in pages if page not in ballooned} <= {PAGE_POISON}
