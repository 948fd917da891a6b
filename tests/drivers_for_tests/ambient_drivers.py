"""Drivers with ambient state: in their module, in a class, in a closure, in a function."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st

from docs.drivers.ring import RingWorkload
from movable import VM
from movable.contract import operation
from tests.drivers_for_tests.racy_drivers import Racy

COUNT = 0
TABLE = {"step": 1}
CACHE: dict[str, int] = {}
IDS = itertools.count()


class CountingRing(Racy):
    """Counts its writes, and says how many there were."""

    def count(self) -> int:
        """One more."""
        raise NotImplementedError

    def written(self) -> int:
        """How many there were."""
        raise NotImplementedError

    def write(self, slot: int, data: bytes) -> bool:
        stored = super().write(slot, data)
        self.count()
        return stored


class InModule(CountingRing):
    """In a global."""

    def __init__(self, vm: VM) -> None:
        global COUNT
        super().__init__(vm)
        COUNT = 0

    def count(self) -> int:
        global COUNT
        COUNT += TABLE["step"]
        return COUNT

    def written(self) -> int:
        return COUNT


class NeverBegun(InModule):
    """In a global that nobody sets to zero: the count of one machine would go on in the next."""

    def __init__(self, vm: VM) -> None:
        Racy.__init__(self, vm)


class InClass(CountingRing):
    """In an attribute of its class."""

    total: ClassVar[int] = 0

    def count(self) -> int:
        InClass.total += 1
        return self.total

    def written(self) -> int:
        return self.total


class ByType(InClass):
    """In an attribute of its class, which it does not name."""

    def count(self) -> int:
        type(self).total += 1
        return self.total


class ByClassMethod(InClass):
    """The same in a class method."""

    @classmethod
    def more(cls) -> None:
        """One more."""
        cls.total += 1

    def count(self) -> int:
        self.more()
        return self.total


class InClosure(CountingRing):
    """In a variable that two functions share."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        number = 0

        def more() -> int:
            nonlocal number
            number += 1
            return number

        self.more = more
        self.number: Callable[[], int] = lambda: number

    def count(self) -> int:
        return self.more()

    def written(self) -> int:
        return self.number()


class InDict(CountingRing):
    """In a dictionary of its module."""

    def count(self) -> int:
        CACHE["count"] = CACHE.get("count", 0) + 1
        return CACHE["count"]

    def written(self) -> int:
        return CACHE.get("count", 0)


class Books:
    """Keeps a number."""

    def __init__(self) -> None:
        self.number = 0


BOOKS = Books()


class InObject(CountingRing):
    """In an object of its module."""

    def count(self) -> int:
        BOOKS.number += 1
        return BOOKS.number

    def written(self) -> int:
        return BOOKS.number


class InAttribute(CountingRing):
    """In an attribute of the driver, as the others should have it."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.number = 0

    def count(self) -> int:
        self.number += 1
        return self.number

    def written(self) -> int:
        return self.number


def total() -> int:
    """How many there were."""
    return vars(total).get("number", 0)  # type: ignore[no-any-return]


class InFunction(CountingRing):
    """In an attribute of a function."""

    def count(self) -> int:
        total.number += 1  # type: ignore[attr-defined]
        return total()

    def written(self) -> int:
        return total()


total.number = 0  # type: ignore[attr-defined]


class Locked(InModule):
    """In a global, and under a lock."""

    def count(self) -> int:
        with self.lock:
            return super().count()

    def written(self) -> int:
        with self.lock:
            return COUNT


class Numbered(Racy):
    """Takes numbers for what it writes from a counter of its module."""

    def write(self, slot: int, data: bytes) -> bool:
        if next(IDS) % 3 == 0:
            with self.lock:
                pass
        return super().write(slot, data)


class Uncopyable:
    """Cannot be copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("there is one only")


HOLDER: dict[str, Uncopyable] = {"one": Uncopyable()}


class Keeps(Racy):
    """Keeps what cannot be put back in its module."""

    def write(self, slot: int, data: bytes) -> bool:
        HOLDER.setdefault("one", Uncopyable())
        return super().write(slot, data)


class AmbientWorkload(RingWorkload):
    """Writes, and reads the count."""

    factory = CountingRing
    driver: CountingRing
    overwrite = None  # type: ignore[assignment]
    drop = None  # type: ignore[assignment]

    def setup(self) -> Any:
        self.model["count"] = 0
        return super().setup()

    @operation(slot=st.integers(0, 7), data=st.binary(min_size=1, max_size=16))
    def write(self, slot: int, data: bytes) -> bool:
        self.model["count"] += 1
        return super().write(slot, data)

    def read(self, key: Any) -> Any:
        return self.driver.written() if key == "count" else super().read(key)


CountingRing.workload = AmbientWorkload
