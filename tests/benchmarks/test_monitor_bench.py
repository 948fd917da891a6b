"""What the monitor costs: the experiment of ``movable run``, watched and not watched; and the floor, a bare migration loop."""

from __future__ import annotations

import contextlib
import gc
import io
import time
from collections.abc import Callable

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC_LIGHT,
    VM,
    ListHead,
    Page,
    isolate_movable_page,
    list_add_tail,
    list_first,
    migrate_pages,
)
from movable.events import Event
from movable.lab.options import Options
from movable.lab.run import main
from movable.rules.stream.monitor import Monitor
from tests.drivers_for_tests.ring import Ring

pytestmark = pytest.mark.benchmark

Watch = Callable[[VM], object]
LIMIT = 3.0


def nobody(vm: VM) -> None:
    """Leave the machine alone."""


def anybody(vm: VM) -> None:
    """Make events, and let nobody judge them."""
    vm.observe(_ignore)


def _ignore(event: Event) -> None:
    """Nothing."""


def monitored(vm: VM) -> None:
    """Judge every event."""
    vm.observe(Monitor().feed)


def experiment(watch: Watch) -> float:
    """Seconds of processor time for one run of the experiment on a machine of 32 MiB."""
    boot = VM.__init__

    def watched(vm: VM, *args: object, **options: object) -> None:
        boot(vm, *args, **options)  # type: ignore[arg-type]
        watch(vm)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(VM, "__init__", watched)
        started = time.process_time()
        main(Options(memory="32M"))
        return time.process_time() - started


def target(page: Page, private: object) -> Page | None:
    """A page to move to."""
    return page.vm.alloc_page(GFP_HIGHUSER_MOVABLE)


def migrations(watch: Watch, count: int = 20) -> float:
    """Seconds of processor time for one migration of a page of a ring."""
    vm = VM()
    watch(vm)
    ring = Ring(vm)
    for fill in range(8):
        ring.add(fill)
    isolated = ListHead("isolated")
    started = time.process_time()
    for _ in range(count):
        page = list_first(ring.pages)
        assert page is not None
        assert isolate_movable_page(page, 0) == 0
        list_add_tail(page._lru, isolated)
        assert migrate_pages(isolated, target, None, None, MIGRATE_SYNC_LIGHT, 0) == 0
    return (time.process_time() - started) / count


def best(work: Callable[[Watch], float], rounds: int, *ways: Watch) -> list[float]:
    """The best of many rounds, the ways of watching by turns, so that a busy machine slows all of them alike."""
    fastest = [float("inf")] * len(ways)
    for _ in range(rounds):
        for index, watch in enumerate(ways):
            gc.collect()
            fastest[index] = min(fastest[index], work(watch))
    return fastest


def test_a_watched_run_takes_at_most_three_times_as_long(capsys: pytest.CaptureFixture[str]) -> None:
    plain, watched = best(experiment, 6, nobody, monitored)
    with capsys.disabled():
        print(f"\nmovable run on 32 MiB: {plain * 1e3:.0f} ms plain, {watched / plain:.2f} times as long with a monitor")
    assert watched <= LIMIT * plain


def test_the_floor_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but migrations, some thirty events each: the worst that a monitor can meet. Making events costs as much again."""
    plain, seen, watched = best(migrations, 60, nobody, anybody, monitored)
    with capsys.disabled():
        print(
            f"\na bare migration: {plain * 1e6:.1f} us plain, {seen / plain:.1f} times as long with events, "
            f"{watched / plain:.1f} times with a monitor"
        )
    assert watched < 4 * seen
