"""Random small programs over every primitive, as data: what the soundness tests feed to the strategies."""

import random
from collections.abc import Callable, Hashable
from typing import Any

from movable.explore.dependence import Part
from movable.explore.engine import Scheduler
from movable.explore.program import Program, Scene

Op = tuple[Any, ...]
Code = list[Op]


class Machine:
    """Shared state, and an interpreter of one task's code."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.cells = [0, 0, 0]
        self.owner: dict[str, str | None] = {"K": None, "L": None}
        self.readers = {"R": 0}
        self.writer: dict[str, str | None] = {"R": None}
        self.table: dict[int, int] = {}
        self.flag = 0
        self.queue: list[list[bool]] = []
        self.log: dict[str, list[Hashable]] = {}

    def state(self) -> Hashable:
        """Everything that a difference in schedule could show in."""
        return (
            tuple(self.cells), tuple(self.owner.items()), tuple(self.readers.items()), tuple(self.writer.items()),
            tuple(sorted(self.table.items())), self.flag, len(self.queue),
            tuple(sorted((name, tuple(log)) for name, log in self.log.items())),
        )  # fmt: skip

    def play(self, code: Code) -> None:
        """Run one task's code."""
        log = self.log.setdefault(self.scheduler.current, [])
        for name, *args in code:
            getattr(self, name)(log, *args)

    def read(self, log: list[Hashable], cell: int) -> None:
        self.scheduler.point("r", f"x{cell}")
        log.append(self.cells[cell])

    def write(self, log: list[Hashable], cell: int, value: int) -> None:
        self.scheduler.point("w", f"x{cell}")
        self.cells[cell] = value

    def aread(self, log: list[Hashable], cell: int) -> None:
        self.scheduler.point("ar", f"x{cell}")
        log.append(self.cells[cell])

    def rmw(self, log: list[Hashable], cell: int, value: int) -> None:
        self.scheduler.point("aw", f"x{cell}")
        self.cells[cell] = self.cells[cell] * 3 + value

    def item(self, log: list[Hashable], sub: int) -> None:
        """Read one item of the table."""
        self.scheduler.point("r", Part("table", sub))
        log.append(self.table.get(sub))

    def put(self, log: list[Hashable], sub: int, value: int) -> None:
        """Write one item of the table."""
        self.scheduler.point("w", Part("table", sub))
        self.table[sub] = value

    def whole(self, log: list[Hashable]) -> None:
        """Read the whole table."""
        self.scheduler.point("r", "table")
        log.append(tuple(sorted(self.table.items())))

    def clear(self, log: list[Hashable]) -> None:
        """Write the whole table."""
        self.scheduler.point("w", "table")
        self.table.clear()

    def lock(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("lock", lock)
        if self.owner[lock] is not None:
            self.scheduler.wait(lock, lambda: self.owner[lock] is None, f"lock {lock}")
        self.owner[lock] = self.scheduler.current

    def glock(self, log: list[Hashable], lock: str) -> None:
        """The one-step form of lock."""
        self.scheduler.wait(lock, lambda: self.owner[lock] is None, f"lock {lock}", op="lock")
        self.owner[lock] = self.scheduler.current

    def peek(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("ar", lock)
        log.append(self.owner[lock] is None)

    def unlock(self, log: list[Hashable], lock: str) -> None:
        if self.owner[lock] != self.scheduler.current:
            return
        self.scheduler.point("unlock", lock)
        self.owner[lock] = None

    def trylock(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("try", lock)
        free = self.owner[lock] is None
        log.append(free)
        if free:
            self.owner[lock] = self.scheduler.current

    def down_read(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("rlock", lock)
        if self.writer[lock] is not None:
            self.scheduler.wait(lock, lambda: self.writer[lock] is None, f"read side of {lock}")
        self.readers[lock] += 1

    def gdown_read(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.wait(lock, lambda: self.writer[lock] is None, f"read side of {lock}", op="rlock")
        self.readers[lock] += 1

    def up_read(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("runlock", lock)
        self.readers[lock] -= 1

    def try_read(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("rtry", lock)
        free = self.writer[lock] is None
        log.append(free)
        if free:
            self.readers[lock] += 1
            self.scheduler.point("runlock", lock)
            self.readers[lock] -= 1

    def gdown_write(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.wait(lock, lambda: self._unused(lock), f"write side of {lock}", op="lock")
        self.writer[lock] = self.scheduler.current

    def down_write(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("lock", lock)
        if not self._unused(lock):
            self.scheduler.wait(lock, lambda: self._unused(lock), f"write side of {lock}")
        self.writer[lock] = self.scheduler.current

    def up_write(self, log: list[Hashable], lock: str) -> None:
        self.scheduler.point("unlock", lock)
        self.writer[lock] = None

    def _unused(self, lock: str) -> bool:
        return self.writer[lock] is None and not self.readers[lock]

    def sleep(self, log: list[Hashable]) -> None:
        """Wait on the queue until somebody wakes it, unless the flag is up."""
        self.scheduler.point("wait", "queue")
        if self.flag:
            log.append("awake")
            return
        woken = [False]
        self.queue.append(woken)
        self.scheduler.wait("queue", lambda: woken[0], "the queue", lambda: self.flag > 0)
        log.append("woken")

    def wake(self, log: list[Hashable]) -> None:
        self.scheduler.point("wake", "queue")
        self.flag += 1
        if self.queue:
            self.queue.pop(0)[0] = True

    def opaque(self, log: list[Hashable]) -> None:
        self.scheduler.point("opaque", None)
        self.cells[0] += 1
        log.append(tuple(self.cells))

    def spawn(self, log: list[Hashable], code: Code) -> None:
        self.scheduler.spawn("worker", lambda: self.play(code))


def _pieces(rng: random.Random) -> Code:
    cell = rng.randrange(2)
    lock = rng.choice("KKL")
    g = rng.choice(("", "g"))
    inner: Code = [rng.choice([("read", cell), ("write", cell, rng.randrange(1, 4)), ("rmw", cell, 1)])]
    choices: list[Callable[[], Code]] = [
        lambda: [("read", cell)],
        lambda: [("write", cell, rng.randrange(1, 4))],
        lambda: [("aread", cell)],
        lambda: [("rmw", cell, rng.randrange(1, 3))],
        lambda: [("item", cell)],
        lambda: [("put", cell, rng.randrange(1, 3))],
        lambda: [("whole",)],
        lambda: [("clear",)],
        lambda: [(g + "lock", lock), *inner, ("unlock", lock)],
        lambda: [(g + "lock", lock), ("unlock", lock)],
        lambda: [("trylock", lock), *inner, ("unlock", lock)],
        lambda: [("trylock", lock), ("unlock", lock)],
        lambda: [("peek", lock)],
        lambda: [(g + "down_read", "R"), ("up_read", "R")],
        lambda: [("try_read", "R")],
        lambda: [(g + "down_write", "R"), ("up_write", "R")],
        lambda: [("sleep",)],
        lambda: [("wake",)],
        lambda: [("wake",)],
        lambda: [("spawn", inner)],
    ]
    if rng.random() < 0.03:
        return [("opaque",)]
    return rng.choice(choices)()


def codes(seed: int) -> list[Code]:
    """The tasks of random program number ``seed``, small enough for brute force."""
    rng = random.Random(seed)
    tasks = rng.choice((2, 2, 3, 3, 4))
    most = {2: 6, 3: 3, 4: 2}[tasks]
    found: list[Code] = []
    for _ in range(tasks):
        code: Code = []
        while len(code) < rng.randrange(1, most + 1):
            code.extend(_pieces(rng))
        found.append(code)
    return found


def program(seed: int) -> Program:
    """Random program number ``seed``."""
    tasks = codes(seed)

    def build(scheduler: Scheduler) -> Scene:
        machine = Machine(scheduler)

        def body(code: Code) -> Callable[[], None]:
            return lambda: machine.play(code)

        return Scene([(f"t{i}", body(code)) for i, code in enumerate(tasks)], state=machine.state)

    return build
