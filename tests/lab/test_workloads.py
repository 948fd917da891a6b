"""Who takes memory in a run, and how much."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from movable import VM
from movable.errors import MovableError
from movable.lab.data import Data
from movable.lab.workloads import Inflation, Population, Process, Store, fill, grows_to_a_target, hands_out_stores
from movable.mm.validate import validate_vm
from movable.registry import load
from tests.lab.broken import Corrupts, Pages


def data_of(*parts: bytes) -> Data:
    data = Data("test")
    for number, part in enumerate(parts):
        data.add(f"f{number}", part)
    return data


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("chain", [4, 8])
@pytest.mark.parametrize("rule", ["percent", "least-waste"])
def test_the_pool_is_as_large_as_predicted(chain: int, rule: str) -> None:
    chance = random.Random(chain)
    parts = [chance.randbytes(size) + bytes(chance.randrange(4096)) for size in chance.choices(range(1, 4096), k=300)]
    data = data_of(*parts, bytes(4096), noise(4096))
    vm = VM(16 << 20)
    pool = load(vm, "zsmalloc", chain=chain, rule=rule)
    store = Store(pool, data, 0, 1, 10**6)
    store.finish()
    assert pool.zs_get_total_pages() == pool.pages_for(data.pages) > 100


def test_a_store_takes_about_what_it_is_asked_for_and_all_in_the_end() -> None:
    vm = VM(4 << 20)
    data = data_of(noise(100 * 4096))
    pool = load(vm, "zsmalloc")
    store = Store(pool, data, 0, 1, pool.pages_for(data.pages))
    store.take(10)
    assert len(store.stored) == 10 and store.left == 90
    store.finish()
    assert len(store.stored) == 100 and store.left == 0
    assert store.compare() == []
    store.take(5)
    assert len(store.stored) == 100


def test_stores_share_the_data() -> None:
    vm = VM(4 << 20)
    data = data_of(noise(7 * 4096))
    stores = [Store(load(vm, "zsmalloc", name=f"zram{i}"), data, i, 2, 4) for i in range(2)]
    for store in stores:
        store.finish()
    assert [store.stored for store in stores] == [[0, 2, 4, 6], [1, 3, 5]]


def test_what_is_discarded_must_read_as_zeros() -> None:
    vm = VM(4 << 20)
    store = Store(load(vm, "zsmalloc"), data_of(noise(40 * 4096)), 0, 1, 40)
    store.finish()
    store.discard(0.25, random.Random(3))
    assert len(store.discarded) == 10
    assert store.compare() == []
    kept = next(number for number in store.stored if number not in store.discarded)
    gone = min(store.discarded)
    store.device.write(gone, noise(4096, 2))
    assert store.compare() == [(gone, "differs from byte 0 on")]
    store.device.write(gone, bytes(4096))
    store.device.write(kept, store.data.pages[kept][:100] + bytes(3996))
    assert store.compare() == [(kept, "differs from byte 100 on")]


def test_a_page_that_cannot_be_read_is_reported() -> None:
    vm = VM(4 << 20)
    store = Store(load(vm, "zsmalloc"), data_of(b"some text " * 1000), 0, 1, 3)
    store.finish()
    store.device.codec = store.device.codec._replace(decompress=lambda data: bytes(1 // 0))
    number, what = store.compare()[0]
    assert number == 0 and re.fullmatch("cannot be read: ZeroDivisionError: .*by zero", what)


def test_a_process_takes_and_gives_back() -> None:
    vm = VM(1 << 20)
    process = Process(vm, 130)
    free = vm.zones[0].nr_free
    process.take(4)
    process.take(200)
    assert (process.left, len(process.frame_numbers), vm.zones[0].nr_free) == (0, 130, free - 131)  # and the zero page
    assert process.give_up() == 127
    assert len(process.frame_numbers) == 3
    assert process.compare() == []
    vm.page(process.frame_numbers[1]).data[0] ^= 1
    assert process.compare() == [64]
    process.exit()
    assert (process.frame_numbers, vm.zones[0].nr_free) == ([], free)
    validate_vm(vm)


def test_a_process_without_memory_gives_up() -> None:
    vm = VM(64 << 12)
    process = Process(vm, 1000)
    process.take(1000)
    assert process.left == 0 and 32 < len(process.frame_numbers) < 64


def test_a_balloon_is_inflated_step_by_step() -> None:
    vm = VM(4 << 20)
    balloon = load(vm, "balloon")
    assert grows_to_a_target(balloon) and not hands_out_stores(balloon)
    inflation = Inflation(balloon, 300)
    inflation.take(100)
    assert (balloon.num_pages, inflation.left) == (100, 200)
    inflation.take(1000)
    assert (balloon.num_pages, inflation.left) == (300, 0)


def test_a_balloon_that_gets_nothing_is_not_asked_again() -> None:
    vm = VM(64 << 12)
    balloon = load(vm, "balloon")
    Process(vm, 1000).take(1000)
    inflation = Inflation(balloon, 30)
    inflation.take(30)
    assert inflation.left == 0


def test_a_subclass_of_the_pool_is_a_store() -> None:
    vm = VM(4 << 20)
    assert hands_out_stores(load(vm, Corrupts)) and not hands_out_stores(Pages(vm))


def test_a_driver_is_asked_to_populate() -> None:
    vm = VM(1 << 20)
    driver = Pages(vm)
    population = Population("pages", driver.populate, 12)
    population.take(5)
    population.take(50)
    assert population.left == 0 and len(driver.held) == 12
    assert Population("none", lambda count: 0, 5).left == 5


def test_a_driver_that_gets_nothing_out_of_all_is_not_asked_again() -> None:
    asked: list[int] = []

    def populate(count: int) -> int:
        asked.append(count)
        return 0

    population = Population("none", populate, 3000)
    for _ in range(20):
        population.take(200)
    assert population.left == 0 and asked == [200, 400, 600, 800, 1000, 1200]


def test_a_driver_of_higher_order_is_asked_for_more_until_a_block_fits() -> None:
    population = Population("blocks", lambda count: count // 64 * 64, 640)
    for _ in range(12):
        population.take(54)
    assert population.left == 0


@pytest.mark.parametrize("answer", [None, 3.0, -1, 6, True, "5"])
def test_an_answer_that_is_no_count_is_an_error(answer: object) -> None:
    with pytest.raises(MovableError, match=r"x\.populate returned .*; it must return how many of 5 pages it got"):
        Population("x", lambda count: answer, 5).take(5)


def test_a_driver_that_raises_is_named() -> None:
    def populate(count: int) -> int:
        raise ValueError("line 1\nline 2")

    with pytest.raises(MovableError, match=r"^x\.populate raised ValueError: line 1$"):
        Population("x", populate, 5).take(5)


def fills(seed: int, cycles: int = 50) -> tuple[Sequence[int], Process, list[Population]]:
    vm = VM(8 << 20)
    asked: list[int] = []

    def populate(count: int) -> int:
        asked.append(count)
        return count

    process = Process(vm, 500)
    takers = [Population("a", populate, 300), Population("b", populate, 100)]
    fill([*takers], process, cycles, random.Random(seed))
    return asked, process, takers


def test_filling_ends_with_everything_taken() -> None:
    asked, process, takers = fills(1)
    assert process.left == 0 and len(process.frame_numbers) == 500
    assert sum(asked) == 400 and [taker.left for taker in takers] == [0, 0]
    assert len(asked) > 30 and max(asked) < 40


def test_filling_is_the_same_for_the_same_seed_only() -> None:
    assert fills(1)[0] == fills(1)[0] != fills(2)[0]
