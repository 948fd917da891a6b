"""The bundled drivers under the monitor: real work, random isolation and migration, the whole experiment; nothing is broken."""

from __future__ import annotations

import contextlib
import io
import random

import pytest

from movable import (
    GFP_KERNEL,
    GFP_NORETRY,
    VM,
    ListHead,
    Page,
    SleepInAtomic,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
    putback_movable_pages,
)
from movable.events import Event
from movable.lab.options import Options
from movable.lab.run import main
from movable.rules.stream.monitor import Monitor
from movable_balloon import Balloon
from movable_zsmalloc import Zsmalloc
from tests.drivers_for_tests.ring import Ring
from tests.streams.recorded import judge

ADVICE = {"D25", "D38"}
"""What a driver may do knowingly: the balloon waits for its host whatever the mode."""


class Crowd:
    """A store, a balloon and a ring on one machine, kept busy at random."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.vm = VM(layout=[(0, "Normal", 128), (0, "Movable", 128)], seed=seed)
        self.monitor = Monitor()
        self.events: list[Event] = []
        self.vm.observe(self.monitor.feed)
        self.vm.observe(self.events.append)
        self.zs = Zsmalloc(self.vm)
        self.balloon = Balloon(self.vm, target=20)
        self.ring = Ring(self.vm)
        self.handles: list[int] = []
        self.isolated = ListHead("isolated")

    def work(self) -> None:
        """One operation of one of the owners."""
        what = self.rng.randrange(5)
        if what < 2:
            handle = self.zs.zs_malloc(self.rng.choice([32, 100, 500, 1560, 3000, 4096]), GFP_KERNEL)
            self.handles += [handle] if handle else []
        elif what == 2 and self.handles:
            self.zs.zs_free(self.handles.pop(self.rng.randrange(len(self.handles))))
        elif what == 3:
            self.balloon.set_target(self.rng.randrange(40))
            self.vm.run_work()
        elif what == 4:
            self.ring.add(3)

    def isolate(self) -> None:
        """Try some frames, whatever they hold."""
        for pfn in self.rng.sample(range(self.vm.nr_frames), 40):
            page = self.vm.pages.get(pfn)
            if page is not None and isolate_movable_page(page, 0) == 0:
                list_add_tail(page._lru, self.isolated)

    def migrate(self) -> None:
        """In any mode; now and then there is no target."""
        migrate_pages(self.isolated, self.target, None, None, self.rng.randrange(4), 0)
        putback_movable_pages(self.isolated)

    def target(self, page: Page, private: object) -> Page | None:
        return None if self.rng.random() < 0.05 else self.vm.alloc_page(GFP_KERNEL | GFP_NORETRY)

    def go(self) -> None:
        """Everybody leaves."""
        putback_movable_pages(self.isolated)
        self.vm.run_work()
        for page in list(self.ring.pages):
            self.ring.release(page)
        self.balloon.remove()
        self.zs.remove()
        self.vm.free_address_space(self.ring.mapping)
        self.monitor.finish(quiescent=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_busy_machine(seed: int) -> None:
    crowd = Crowd(seed)
    for _ in range(60):
        crowd.rng.choice([crowd.work, crowd.work, crowd.work, crowd.isolate, crowd.migrate])()
    crowd.go()
    assert set(crowd.monitor.broken) <= ADVICE
    assert crowd.monitor.exercised["V11"]
    assert len(crowd.monitor.lives.pages) < crowd.vm.nr_frames
    for _ in range(20):
        start, end = sorted(crowd.rng.sample(range(len(crowd.events)), 2))
        assert set(judge(crowd.events[start:end], quiescent=False).broken) <= ADVICE


def test_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monitors: list[Monitor] = []
    boot = VM.__init__

    def watched(vm: VM, *args: object, **options: object) -> None:
        boot(vm, *args, **options)  # type: ignore[arg-type]
        monitors.append(Monitor())
        vm.observe(monitors[-1].feed)

    monkeypatch.setattr(VM, "__init__", watched)
    with contextlib.redirect_stdout(io.StringIO()):
        main(Options(memory="16M"))
    for monitor in monitors:
        monitor.finish(quiescent=True)
        assert monitor.broken == {}
    assert {"V33", "V34", "V19", "V11", "D41"} <= {id for monitor in monitors for id in monitor.exercised}


def test_sleeping_under_a_spin_lock() -> None:
    vm = VM()
    monitor = Monitor()
    vm.observe(monitor.feed)
    with vm.spinlock("outer"), pytest.raises(SleepInAtomic) as caught:
        vm.mutex("inner").lock()
    monitor.caught(caught.value)
    assert set(monitor.broken) == {"D48"}
