"""Drivers that use what no schedule governs where it is not seen at once, and drivers that cannot be set up again and again."""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from collections.abc import Callable

from docs.drivers.ring import RingWorkload
from movable import VM, Page
from tests.drivers_for_tests.racy_drivers import Racy

GUARD = threading.Lock()


class ModuleLock(Racy):
    """A real lock in its module, held around scheduling points."""

    def write(self, slot: int, data: bytes) -> bool:
        with GUARD:
            return super().write(slot, data)


class Locks:
    """Keeps a real lock."""

    def __init__(self) -> None:
        self.main = threading.Lock()


class NestedLock(Racy):
    """A real lock in an object of its own."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.locks = Locks()

    def write(self, slot: int, data: bytes) -> bool:
        with self.locks.main:
            return super().write(slot, data)


class ListedLocks(Racy):
    """Real locks in a list."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.locks = [threading.RLock() for _ in range(4)]

    def write(self, slot: int, data: bytes) -> bool:
        with self.locks[0]:
            return super().write(slot, data)


def _guarded() -> Callable[[Callable[[], bool]], bool]:
    lock = threading.Lock()

    def run(work: Callable[[], bool]) -> bool:
        with lock:
            return work()

    return run


class ClosureLock(Racy):
    """A real lock in a closure."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.guarded = _guarded()

    def write(self, slot: int, data: bytes) -> bool:
        return self.guarded(lambda: super(ClosureLock, self).write(slot, data))


class RealQueue(Racy):
    """A queue between threads, not used by any operation."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.jobs: queue.SimpleQueue[int] = queue.SimpleQueue()


class Pipes(Racy):
    """Waits for the outside world: a token in a pipe that another task holds. No type tells."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        reader, writer = os.pipe()
        self.reader, self.writer = os.fdopen(reader, "rb", 0), os.fdopen(writer, "wb", 0)
        self.writer.write(b"x")

    def __del__(self) -> None:
        self.reader.close()
        self.writer.close()

    def write(self, slot: int, data: bytes) -> bool:
        self.reader.read(1)
        stored = super().write(slot, data)
        self.writer.write(b"x")
        return stored


class Minors(Racy):
    """Has numbers for so many machines; the count is kept where nothing of the kit's can see it."""

    limit = 1500

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        if int(os.environ.setdefault("MOVABLE_TEST_MINORS", "0")) > self.limit:
            raise RuntimeError("no minor numbers left\nat all")
        os.environ["MOVABLE_TEST_MINORS"] = str(int(os.environ["MOVABLE_TEST_MINORS"]) + 1)


class BacksOff(Racy):
    """Sleeps, but only while another task is about it."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        if self.lock.held:
            time.sleep(0)
        return super().isolate_page(page, mode)


class BacksOffByChance(Racy):
    """Draws random numbers, but only while another task is about it."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        if self.lock.held and random.random() > 2:
            return False
        return super().isolate_page(page, mode)


class Addresses(Racy):
    """Does what depends on where its objects lie in memory."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.first = 0

    def write(self, slot: int, data: bytes) -> bool:
        with self.lock:
            self.first = id(bytearray(3)) // 16 % 1024
        return super().write(slot, data)


class Asserts(Racy):
    """Has an assertion without words."""

    def drop(self, slot: int) -> None:
        assert slot < 0


class Leaves(Racy):
    """Raises what is no Exception in a callback."""

    def isolate_page(self, page: Page, mode: int) -> bool:
        raise GeneratorExit("left")


class Odd(BaseException):
    """An author's own, which nobody expects."""


class OddWorkload(RingWorkload):
    """Raises what is no Exception in an operation."""

    def drop(self, slot: int) -> None:
        raise Odd("drop")

    drop.movable_operation = RingWorkload.drop.movable_operation  # type: ignore[attr-defined]


class OddRing(Racy):
    """A ring with that workload."""

    workload = OddWorkload
