"""The host: what it owns, what it notices, and what it remembers."""

from __future__ import annotations

import pytest

from movable import VM, Event, Page, VMBug, copy_highpage, put_page
from movable_balloon import Balloon, Message


def with_balloon(pages: int = 3) -> tuple[VM, Balloon]:
    vm = VM()
    balloon = Balloon(vm, target=pages)
    vm.run_work()
    return vm, balloon


def first_page(balloon: Balloon) -> Page:
    return next(iter(balloon.vb_dev_info.pages))


def test_a_frame_is_the_hosts_between_inflate_and_deflate() -> None:
    vm, balloon = with_balloon()
    page = first_page(balloon)
    assert balloon.host.owns(page.pfn)
    balloon.set_target(0)
    vm.run_work()
    assert not balloon.host.owns(page.pfn) and not balloon.host.owned


def test_the_host_does_not_take_a_page_twice() -> None:
    _, balloon = with_balloon()
    balloon.pfns[:] = [first_page(balloon).pfn]
    with pytest.raises(VMBug, match="owns already"):
        balloon.tell_host(balloon.inflate_vq)


def test_the_host_does_not_give_what_it_does_not_have() -> None:
    vm, balloon = with_balloon()
    page = vm.alloc_page()
    assert page is not None
    balloon.pfns[:] = [page.pfn]
    with pytest.raises(VMBug, match="does not own"):
        balloon.tell_host(balloon.deflate_vq)


def test_check_finds_a_page_that_was_freed_under_the_host() -> None:
    _, balloon = with_balloon()
    assert balloon.host.check() == []
    page = first_page(balloon)
    put_page(page)
    assert [f"page {page.pfn} is free" in finding for finding in balloon.host.check()] == [True]


def test_check_finds_a_page_that_left_the_balloon() -> None:
    _, balloon = with_balloon()
    page = balloon.layer.balloon_page_dequeue(balloon.vb_dev_info)
    assert page is not None
    assert [f"page {page.pfn} left the balloon" in finding for finding in balloon.host.check()] == [True]


@pytest.mark.parametrize("how", ["write", "copy", "free"])
def test_watch_sees_every_use_of_a_frame_of_the_hosts(how: str) -> None:
    vm, balloon = with_balloon()
    balloon.host.watch()
    page, other = first_page(balloon), vm.alloc_page()
    assert other is not None
    other.data[0] = 1
    assert balloon.host.violations == []
    if how == "write":
        page.data[0] = 1
    elif how == "copy":
        copy_highpage(page, other)
    else:
        put_page(page)
    (violation,) = balloon.host.violations
    assert violation.startswith(f"D43: page {page.pfn} was ") and "main" in violation
    assert violation in balloon.host.check()


def test_a_well_behaved_balloon_gives_a_watching_host_nothing_to_say() -> None:
    vm, balloon = with_balloon(30)
    balloon.host.watch()
    for target in (10, 40, 0):
        balloon.set_target(target)
        vm.run_work()
    assert balloon.host.check() == []


def test_messages_and_requests_are_remembered() -> None:
    vm, balloon = with_balloon(2)
    balloon.set_target(0)
    vm.run_work()
    inflate, deflate = balloon.host.messages
    assert inflate == Message("inflate", inflate.pfns) and deflate.queue == "deflate"
    assert set(inflate.pfns) == set(deflate.pfns)
    assert balloon.host.requests == {"inflate": 1, "deflate": 1, "stats": 1}


def test_an_observer_hears_what_the_host_was_told() -> None:
    vm, balloon = with_balloon(0)
    heard: list[tuple[int, str]] = []

    def hear(event: Event) -> None:
        if event.kind == "note":
            heard.append((event.pfn, event.args["text"]))

    vm.observe(hear)
    balloon.fill_balloon(1)
    pfn = first_page(balloon).pfn
    balloon.leak_balloon(1)
    assert heard == [(pfn, "host inflate"), (pfn, "host deflate")]
