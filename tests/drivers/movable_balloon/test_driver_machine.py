"""Random histories of a balloon, its host, the allocator and the core, checked after every step."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_NO_COPY,
    MR_COMPACTION,
    VM,
    ListHead,
    Page,
    isolate_movable_page,
    list_add,
    list_del,
    migrate_pages,
    put_page,
    putback_movable_pages,
)
from movable.mm.validate import validate_vm
from movable.registry import load
from movable_balloon import Balloon
from movable_balloon.oom import OomNotifier

FRAMES = 64
numbers = st.integers(0, 40)
places = st.integers(0, 1 << 16)


class BalloonMachine(RuleBasedStateMachine):
    """The guest has two zones on two nodes; pages of its own, whose content must survive; and isolated balloon pages."""

    @initialize(
        deflate_on_oom=st.booleans(),
        oom=st.sampled_from(["shrinker", "notifier"]),
        delayed_host=st.booleans(),
        reporting=st.booleans(),
        page_poisoning=st.booleans(),
    )
    def boot(self, deflate_on_oom: bool, oom: str, delayed_host: bool, reporting: bool, page_poisoning: bool) -> None:
        layout = [(0, "Normal", FRAMES), (1, "Normal", FRAMES)]
        self.vm = VM(layout=layout, pageblock_order=1, page_poisoning=page_poisoning)
        self.balloon: Balloon = load(
            self.vm, Balloon, deflate_on_oom=deflate_on_oom, oom=oom, delayed_host=delayed_host, reporting=reporting
        )
        self.deflate_on_oom = deflate_on_oom
        self.vm.run_work()
        self.isolated = ListHead("isolated")
        self.own: dict[Page, int] = {}
        self.moved = 0

    # the balloon

    @rule(number=numbers)
    def fill(self, number: int) -> None:
        before = self.balloon.num_pages
        filled = self.balloon.fill_balloon(number)
        assert 0 <= filled <= number
        assert self.balloon.num_pages <= before + filled

    @rule(number=numbers)
    def leak(self, number: int) -> None:
        before = self.balloon.num_pages
        assert self.balloon.leak_balloon(number) == min(number, before - len(self.isolated))

    @rule(pages=st.integers(0, 2 * FRAMES))
    def set_target(self, pages: int) -> None:
        self.balloon.set_target(pages)
        self.vm.run_work()
        assert self.balloon.host.actual == self.balloon.num_pages
        assert self.balloon.num_pages == pages or self.balloon.starved

    @rule()
    def ask_for_statistics(self) -> None:
        self.balloon.host.request_stats()
        self.vm.run_work()
        stats = dict(self.balloon.host.last_stats or ())
        assert stats[4] == sum(zone.nr_free for zone in self.vm.zones) * 4096

    @rule()
    def out_of_memory(self) -> None:
        wanted = min(256, self.balloon.num_pages - len(self.isolated))
        assert OomNotifier(self.balloon)() == wanted

    # the core

    @precondition(lambda self: self.balloon.vb_dev_info.pages)
    @rule(place=places)
    def isolate(self, place: int) -> None:
        pages = list(self.balloon.vb_dev_info.pages)
        page = pages[place % len(pages)]
        assert isolate_movable_page(page, 0) == 0
        assert isolate_movable_page(page, 0) != 0
        list_add(page.lru, self.isolated)

    @precondition(lambda self: self.isolated)
    @rule(place=places, mode=st.integers(0, 3), busy=st.booleans(), nid=st.integers(0, 1))
    def migrate(self, place: int, mode: int, busy: bool, nid: int) -> None:
        pages = list(self.isolated)
        page = pages[place % len(pages)]
        newpage = self.vm.alloc_page(GFP_HIGHUSER_MOVABLE, nid)
        if newpage is None:
            return
        list_del(page.lru)
        one = ListHead("one")
        list_add(page.lru, one)
        if busy:
            self.balloon.balloon_lock.lock()
        targets = [newpage]
        left = migrate_pages(one, lambda page, private: targets[0], lambda page, private: None, None, mode, MR_COMPACTION)
        if busy:
            self.balloon.balloon_lock.unlock()
        assert left == (mode == MIGRATE_SYNC_NO_COPY or busy)
        assert bool(one) == (busy and mode != MIGRATE_SYNC_NO_COPY)
        if left:
            put_page(newpage)
            for page in one:
                list_del(page.lru)
                list_add(page.lru, self.isolated)
        else:
            self.moved += 1

    @rule()
    def put_back(self) -> None:
        putback_movable_pages(self.isolated)

    # the guest

    @rule(value=st.integers(1, 255))
    def allocate(self, value: int) -> None:
        page = self.vm.alloc_page()
        if page is not None:
            page.data[:] = bytes([value]) * 4096
            self.own[page] = value

    @precondition(lambda self: self.own)
    @rule(place=places)
    def free(self, place: int) -> None:
        page = list(self.own)[place % len(self.own)]
        assert set(page.data) == {self.own.pop(page)}
        put_page(page)

    # what must hold

    @invariant()
    def consistent(self) -> None:
        vm, balloon = self.vm, self.balloon
        host = balloon.host
        assert balloon.num_pages == balloon.vb_dev_info.ballooned() == len(host.owned)
        assert balloon.vb_dev_info.isolated_pages == len(self.isolated)
        assert host.check() == []
        stat = vm.vmstat
        assert stat["balloon_inflate"] - stat["balloon_deflate"] == balloon.num_pages
        assert stat["balloon_migrate"] == self.moved
        for zone in vm.zones:
            held = 0 if self.deflate_on_oom else sum(1 for pfn in host.owned if vm.zone_of(pfn) is zone)
            assert zone.managed_pages == FRAMES - held
        assert not vm.bad_pages
        validate_vm(vm, quiescent=not self.isolated, content=True, owner_refs=1)

    def teardown(self) -> None:
        if not hasattr(self, "vm"):
            return
        putback_movable_pages(self.isolated)
        self.balloon.remove()
        for page, value in self.own.items():
            assert set(page.data) == {value}
            put_page(page)
        assert sum(zone.nr_free for zone in self.vm.zones) == 2 * FRAMES
        validate_vm(self.vm, content=True, owner_refs=1)


BalloonMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestBalloonMachine = BalloonMachine.TestCase
