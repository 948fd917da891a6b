"""The statistics: tags, order, units, and the reversed queue."""

from __future__ import annotations

import pytest

from movable import PAGE_SIZE, VM, UsageError, count_vm_event
from movable_balloon import STAT_NAMES, Balloon
from movable_balloon.stats import available_pages, update_balloon_stats


def test_tags_come_in_the_order_of_the_kernel() -> None:
    assert [tag for tag, _ in update_balloon_stats(VM())] == [0, 1, 2, 3, 8, 9, 4, 5, 6, 7]


def test_a_kernel_without_huge_pages_leaves_two_out() -> None:
    assert [tag for tag, _ in Balloon(VM(), hugetlb=False).stats()] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_every_tag_has_a_name() -> None:
    assert len(STAT_NAMES) == 10 and len(set(STAT_NAMES)) == 10


def test_swap_and_memory_are_bytes_and_faults_are_counts() -> None:
    vm = VM(256 << 12)
    page = vm.alloc_page()
    assert page is not None
    for name in ("pswpin", "pswpout", "pgmajfault", "pgfault"):
        count_vm_event(vm, name, 3)
    count_vm_event(vm, "htlb_buddy_alloc_success", 5)
    count_vm_event(vm, "htlb_buddy_alloc_fail", 6)
    vm.nodes[0].vmstat["nr_file_pages"] += 7
    stats = dict(update_balloon_stats(vm))
    assert [stats[tag] for tag in (0, 1)] == [3 * PAGE_SIZE] * 2
    assert [stats[tag] for tag in (2, 3)] == [3, 3]
    assert [stats[tag] for tag in (8, 9)] == [5, 6]
    assert stats[4] == 255 * PAGE_SIZE
    assert stats[5] == 256 * PAGE_SIZE
    assert stats[6] == (255 - vm.zones[0].watermark[2]) * PAGE_SIZE
    assert stats[7] == 7 * PAGE_SIZE


def test_file_pages_count_as_available_except_a_part() -> None:
    vm = VM(256 << 12)
    before = available_pages(vm)
    vm.nodes[0].vmstat["nr_active_file"] += 10
    assert available_pages(vm) == before + 5
    vm.nodes[0].vmstat["nr_inactive_file"] += 90
    assert available_pages(vm) == before + 100 - vm.zones[0].watermark[1]


def test_total_follows_the_balloon_unless_it_deflates_on_oom() -> None:
    for deflate_on_oom, lost in ((True, 0), (False, 20)):
        vm = VM(256 << 12)
        balloon = Balloon(vm, target=20, deflate_on_oom=deflate_on_oom)
        vm.run_work()
        assert dict(balloon.stats())[5] == (256 - lost) * PAGE_SIZE


def test_the_host_gets_fresh_numbers_for_the_buffer_it_gives_back() -> None:
    vm = VM(256 << 12)
    balloon = Balloon(vm)
    host = balloon.host
    assert host.last_stats == balloon.stats()  # the queue is primed with one buffer
    page = vm.alloc_page()
    assert page is not None
    before = host.last_stats
    host.request_stats()
    assert host.last_stats == before
    vm.run_work()
    assert host.last_stats == balloon.stats() != before
    assert host.requests["stats"] == 2


def test_a_host_without_the_buffer_cannot_ask() -> None:
    vm = VM()
    with pytest.raises(UsageError, match="stats queue"):
        Balloon(vm, stats_vq=False).host.request_stats()
    balloon = Balloon(vm)
    balloon.host.request_stats()
    with pytest.raises(UsageError, match="no statistics buffer"):
        balloon.host.request_stats()


def test_a_removed_guest_answers_no_more() -> None:
    vm = VM()
    balloon = Balloon(vm)
    balloon.host.request_stats()
    balloon.remove()
    assert vm.run_work() == 0
    assert balloon.host.requests["stats"] == 1
    balloon.update_balloon_stats_func()
    assert balloon.host.requests["stats"] == 1
