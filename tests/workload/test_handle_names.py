"""Stories name handles after the operation that made them, and never by the address of an object."""

from __future__ import annotations

import re

from docs.drivers.slab import SlabCache, SlabWorkload
from movable import AddressSpace, Page
from movable.concurrent.failures.annotate import in_words
from movable.concurrent.stage import subject
from movable.contract import check, isolate, migrate, op, put_back, scenario
from movable.sequential.harness import Machine
from movable.sequential.narrate import sentence
from movable.workload.handle_names import HandleNames, call
from movable.workload.program import Program


def notes(program: Program) -> list[str]:
    machine = Machine(SlabWorkload, SlabCache, keep=True).run(program)
    return [sentence(event) for event in machine.events if event.kind == "note" and event.args["text"].startswith("step")]


def test_a_story_names_the_handle_that_was_meant() -> None:
    store = ("op", "store", {"data": b"a"})
    program = (store, store, ("op", "free", {"stored": 2}), ("op", "overwrite", {"stored": 0, "data": b"b"}), store)
    assert notes(program) == [
        "step 1: h0 = store(data=b'a')", "step 2: h1 = store(data=b'a')", "step 3: free(h0)", "step 4: overwrite(h1, data=b'b')",
        "step 5: h2 = store(data=b'a')",
    ]  # fmt: skip


def test_a_handle_that_comes_again_has_another_name() -> None:
    names = HandleNames()
    assert names.meet([5, 7]) == ["h0", "h1"]
    assert names.meet([7]) == []
    assert names.meet([7, 5]) == ["h2"]
    assert (names.of(5), names.of(7), names.of(9)) == ("h2", "h1", "a handle that is gone")


def test_handles_come_first_and_by_themselves() -> None:
    assert call("write", {"data": b"x", "to": 3}, {"to": "h4"}) == "write(h4, data=b'x')"


def test_a_scenario_names_them_too() -> None:
    store = op("store", data=b"a")
    two = scenario("two", op("free", stored=1), [op("overwrite", stored=0, data=b"c"), migrate()], prefix=[store, store, isolate()])
    assert in_words(subject(SlabWorkload, SlabCache), two) == (
        "after h0 = store(data=b'a'), h1 = store(data=b'a'), isolate page number 0: "
        "free(h1) || overwrite(h0, data=b'c'), migrate page number 0"
    )
    bare = scenario("bare", store, put_back())
    assert in_words(subject(SlabWorkload, SlabCache), bare) == "store(data=b'a') || isolate and put back page number 0"


class Smears(SlabCache):
    """Spoils a few bytes of the second object when its page moves."""

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        answer = super().migratepage(mapping, newpage, page, mode)
        if answer == 0:
            newpage.data[1030:1040] = b"z" * 10
        return answer


class SmearsWorkload(SlabWorkload):
    factory = Smears


def test_a_failure_is_told_by_names_with_simple_arguments() -> None:
    found = check(Smears, SmearsWorkload, examples=20, interleavings=0).verdicts["D15"]
    assert found.what.startswith("h1 reads ")
    steps = [line for line in found.story if line.startswith("step")]
    assert len(steps) == 2
    assert re.fullmatch(r"step 1: h0 = store\(data=b'.'\)", steps[0]), "of the first object nothing matters"
    assert not re.search("0x[0-9a-f]{6}", "".join([found.what, *found.story])), "an address differs from run to run"
