"""Six toy races in the shape of page drivers, each with its repaired twin, with padding steps around what matters."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from movable.explore.engine import Scheduler
from movable.explore.program import Program, Scene

Step = Callable[[str, Any], None]


class Lock:
    """A lock over the protocol, acquired in one step."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.name = name
        self.owner: str | None = None

    def __enter__(self) -> None:
        self.scheduler.wait(self.name, lambda: self.owner is None, f"the lock {self.name}", op="lock")
        self.owner = self.scheduler.current

    def __exit__(self, *error: object) -> None:
        self.scheduler.point("unlock", self.name)
        self.owner = None


class Toy:
    """Cells with announced accesses, and padding that only its own task sees."""

    def __init__(self, scheduler: Scheduler, padding: int) -> None:
        self.scheduler = scheduler
        self.padding = padding
        self.cells: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        self.scheduler.point("ar", name)
        return self.cells.get(name)

    def put(self, name: str, value: Any) -> None:
        self.scheduler.point("aw", name)
        self.cells[name] = value

    def pad(self) -> None:
        for _ in range(self.padding // 2):
            self.scheduler.point("w", f"own of {self.scheduler.current}")

    def lock(self, name: str) -> Lock:
        return Lock(self.scheduler, name)

    def padded(self, do: Callable[[], None], guard: Lock | None) -> Callable[[], None]:
        """``do`` with padding around it, under ``guard`` where there is one."""

        def body() -> None:
            self.pad()
            with guard or nullcontext():
                do()
            self.pad()

        return body


def lost_update(fixed: bool = False, padding: int = 8) -> Program:
    """Two increments of a counter."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        toy.cells["count"] = 0
        guard = toy.lock("L")

        def plain() -> None:
            value = toy.get("count")
            toy.put("count", value + 1)

        body = toy.padded(plain, guard if fixed else None)

        def check() -> None:
            assert toy.cells["count"] == 2, f"count is {toy.cells['count']}"

        return Scene([("one", body), ("two", body)], check, lambda: toy.cells["count"])

    return build


def free_beside_migrate(fixed: bool = False, padding: int = 8) -> Program:
    """The page is freed between the look and the copy."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        toy.cells.update(mapped=True, content="data", copied=None)
        guard = toy.lock("page lock")

        def migrate() -> None:
            toy.pad()
            with guard:
                if toy.get("mapped"):
                    toy.pad()
                    content = toy.get("content")
                    assert content is not None, "copied a freed page"
                    toy.put("copied", content)

        def plain() -> None:
            toy.put("mapped", False)
            toy.put("content", None)

        free = toy.padded(plain, guard if fixed else None)
        return Scene([("migrate", migrate), ("free", free)], state=lambda: str(toy.cells))

    return build


def lock_order(fixed: bool = False, padding: int = 8) -> Program:
    """Two locks in two orders."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        page, pool = toy.lock("page lock"), toy.lock("pool lock")

        def task(first: Lock, second: Lock) -> Callable[[], None]:
            def body() -> None:
                toy.pad()
                with first:
                    toy.pad()
                    with second:
                        pass

            return body

        return Scene([("migrate", task(page, pool)), ("shrink", task(page, pool) if fixed else task(pool, page))])

    return build


def check_then_act(fixed: bool = False, padding: int = 8) -> Program:
    """Both see the page free and both isolate it."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        toy.cells.update(isolated=False)
        guard = toy.lock("L")
        taken: list[str] = []

        def plain() -> None:
            if not toy.get("isolated"):
                toy.put("isolated", True)
                taken.append(scheduler.current)

        body = toy.padded(plain, guard if fixed else None)

        def check() -> None:
            assert len(taken) == 1, f"isolated by {' and '.join(taken)}"

        return Scene([("compact", body), ("offline", body)], check)

    return build


def missed_putback(fixed: bool = False, padding: int = 8) -> Program:
    """Isolated because somebody looks through the list who will put it back, but entered after the look."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        toy.cells.update(looking=False, isolated=0, back=0)
        guard = toy.lock("L")

        def isolate() -> None:
            toy.pad()
            scheduler.point("ar", "list")
            if toy.cells["looking"]:
                toy.pad()
                scheduler.point("aw", "list")
                toy.cells["isolated"] = 1

        def look() -> None:
            toy.pad()
            scheduler.point("aw", "list")
            toy.cells["looking"] = True
            toy.pad()
            scheduler.point("aw", "list")
            toy.cells.update(looking=False, back=toy.cells["isolated"])

        def guarded(body: Callable[[], None]) -> Callable[[], None]:
            def locked() -> None:
                with guard:
                    body()

            return locked if fixed else body

        def check() -> None:
            assert toy.cells["isolated"] == toy.cells["back"], "a page was not put back"

        return Scene([("isolate", guarded(isolate)), ("look", guarded(look))], check)

    return build


def depth_three(fixed: bool = False, padding: int = 8) -> Program:
    """Three orders have to come together: the middle of each task between two steps of the other."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, padding)
        toy.cells.update(a=0, b=0, c=0)

        def one() -> None:
            toy.pad()
            toy.put("a", 1)
            toy.pad()
            if toy.get("b") == 1:
                toy.pad()
                toy.put("c", 1)

        def two() -> None:
            toy.pad()
            if toy.get("a") == 1:
                toy.put("b", 1)
                toy.pad()
                before = toy.get("c")
                toy.pad()
                after = toy.get("c")
                if fixed:
                    return
                assert before == after, "c changed between two looks"

        return Scene([("one", one), ("two", two)])

    return build


TOYS: dict[str, Callable[..., Program]] = {
    "lost_update": lost_update,
    "free_beside_migrate": free_beside_migrate,
    "lock_order": lock_order,
    "check_then_act": check_then_act,
    "missed_putback": missed_putback,
    "depth_three": depth_three,
}


def counter(tasks: int = 4, steps: int = 4) -> Program:
    """Correct, and too large to be covered: everybody changes one counter atomically."""

    def build(scheduler: Scheduler) -> Scene:
        toy = Toy(scheduler, 0)

        def body() -> None:
            for _ in range(steps):
                toy.put("count", 0)

        return Scene([(f"t{i}", body) for i in range(tasks)])

    return build


def ends_itself(how: str) -> Program:
    """A process that ends, or does not go on, where the second task comes between the two steps of the first."""

    def program(scheduler: Any) -> Scene:
        state = {"busy": False}

        def first() -> None:
            scheduler.point("aw", "x")
            state["busy"] = True
            scheduler.point("aw", "x")
            state["busy"] = False

        def second() -> None:
            scheduler.point("aw", "x")
            if state["busy"]:
                exec(how, {"os": os, "time": time})

        return Scene([("first", first), ("second", second)])

    return program
