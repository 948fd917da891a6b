"""Six toy races in the shape of page drivers, in plain Python: attributes, lists, dicts and locks, nothing announced."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

NewLock = Callable[[str], AbstractContextManager[object]]


class Own:
    """What only one task uses."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def pad(self) -> None:
        for step in range(self.steps):
            self.step = step


class Toy:
    """A program of two tasks, `one` and `two`; `check` looks at the end."""

    def __init__(self, lock: NewLock, padding: int) -> None:
        self.lock = lock("lock")
        self.first = Own(padding // 2)
        self.second = Own(padding // 2)
        self.start(lock)

    def start(self, lock: NewLock) -> None: ...

    def one(self) -> None: ...

    def two(self) -> None: ...

    def check(self) -> None: ...


class LostUpdate(Toy):
    """Two increments of a counter."""

    def start(self, lock: NewLock) -> None:
        self.count = 0

    def bump(self, own: Own) -> None:
        own.pad()
        self.count += 1
        own.pad()

    def one(self) -> None:
        self.bump(self.first)

    def two(self) -> None:
        self.bump(self.second)

    def check(self) -> None:
        assert self.count == 2


class FreeBesideMigrate(Toy):
    """The page is freed between the look and the copy."""

    def start(self, lock: NewLock) -> None:
        self.page_lock = lock("page lock")
        self.page: dict[str, Any] = {"mapped": True, "content": "data", "copied": ""}

    def one(self) -> None:
        self.first.pad()
        with self.page_lock:
            if self.page["mapped"]:
                self.first.pad()
                self.page["copied"] = self.page["content"]

    def two(self) -> None:
        self.second.pad()
        self.page["mapped"] = False
        self.page["content"] = None
        self.second.pad()

    def check(self) -> None:
        assert self.page["copied"] is not None


class LockOrder(Toy):
    """Two locks in two orders."""

    def start(self, lock: NewLock) -> None:
        self.page_lock = lock("page lock")
        self.pool_lock = lock("pool lock")

    def one(self) -> None:
        self.first.pad()
        with self.page_lock:
            self.first.pad()
            with self.pool_lock:
                pass

    def two(self) -> None:
        self.second.pad()
        with self.pool_lock:
            self.second.pad()
            with self.page_lock:
                pass


class CheckThenAct(Toy):
    """Both see the page free and both isolate it."""

    def start(self, lock: NewLock) -> None:
        self.isolated = False
        self.taken: list[str] = []

    def take(self, own: Own, who: str) -> None:
        own.pad()
        if not self.isolated:
            self.isolated = True
            self.taken.append(who)
        own.pad()

    def one(self) -> None:
        self.take(self.first, "compact")

    def two(self) -> None:
        self.take(self.second, "offline")

    def check(self) -> None:
        assert len(self.taken) == 1


class MissedPutback(Toy):
    """Isolated because somebody looks through the list who will put it back, but entered after the look."""

    def start(self, lock: NewLock) -> None:
        self.looking = False
        self.isolated: list[str] = []
        self.back: list[str] = []

    def one(self) -> None:
        self.first.pad()
        if self.looking:
            self.first.pad()
            self.isolated.append("page")

    def two(self) -> None:
        self.second.pad()
        self.looking = True
        self.second.pad()
        self.looking = False
        self.back = list(self.isolated)

    def check(self) -> None:
        assert self.isolated == self.back


class DepthThree(Toy):
    """Three orders have to come together: the middle of each task between two steps of the other."""

    def start(self, lock: NewLock) -> None:
        self.a = self.b = self.c = 0
        self.seen = (0, 0)

    def one(self) -> None:
        self.first.pad()
        self.a = 1
        self.first.pad()
        if self.b == 1:
            self.first.pad()
            self.c = 1

    def two(self) -> None:
        self.second.pad()
        if self.a == 1:
            self.b = 1
            self.second.pad()
            before = self.c
            self.second.pad()
            self.seen = (before, self.c)

    def check(self) -> None:
        assert self.seen[0] == self.seen[1]


TOYS: tuple[type[Toy], ...] = (LostUpdate, FreeBesideMigrate, LockOrder, CheckThenAct, MissedPutback, DepthThree)


def repaired(kind: type[Toy]) -> type[Toy]:
    """The toy with each task under one lock."""

    class Repaired(kind):  # type: ignore[valid-type,misc]
        def one(self) -> None:
            with self.lock:
                super().one()

        def two(self) -> None:
            with self.lock:
                super().two()

    return Repaired
