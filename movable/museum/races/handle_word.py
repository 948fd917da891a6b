"""Z01: a handle that holds a location and a lock bit in one word."""

from __future__ import annotations

from hypothesis import strategies as st

from movable import (
    VM,
    bit_spin_lock,
    bit_spin_trylock,
    clear_bit_unlock,
)
from movable.contract import Workload, handle, operation
from movable.contract.museum import Exhibit
from movable.museum.bases.ring import Ring

MAX_OBJECTS = 3
PLACES = MAX_OBJECTS + 2
PASSES = 2
GONE = -1


class Handle:
    """Leads to an object; ``word`` is the number of its place, twice, plus a lock bit."""

    def __init__(self, vm: VM, name: str, place: int) -> None:
        self.vm = vm
        self.name = name
        self.word = place << 1


class Store(Ring):
    """At most three objects, each at a place of its own on a page of the ring, and a compaction that moves them to other places."""

    def __init__(self, vm: VM) -> None:
        super().__init__(vm)
        self.objects = 0
        self.used: set[int] = set()
        self.handles: dict[int, Handle] = {}
        for place in range(PLACES):
            self.fill(place)

    def take(self) -> int | None:
        """A free place."""
        with self.lock:
            place = next((place for place in range(PLACES) if place not in self.used), None)
            if place is not None:
                self.used.add(place)
        return place

    def release(self, place: int) -> None:
        """A place is free."""
        with self.lock:
            assert place in self.used, f"the object at place {place} is freed twice"
            self.used.discard(place)

    def store(self, data: bytes) -> int | None:
        """The number of a new object, None when there are enough."""
        with self.lock:
            if self.objects == MAX_OBJECTS:
                return None
            self.objects += 1
        place = self.take()
        assert place is not None
        self.write(place, data)
        with self.lock:
            number = max(self.handles, default=0) + 1
            self.handles[number] = Handle(self.vm, f"handle {number}", place)
        return number

    def load(self, number: int, length: int) -> bytes | None:
        """The first bytes of an object."""
        with self.lock:
            found = self.handles[number]
        bit_spin_lock(0, found)
        data = self.read(found.word >> 1, length)
        clear_bit_unlock(0, found)
        return data

    def free(self, number: int) -> None:
        """Forget an object."""
        with self.lock:
            found = self.handles.pop(number)
            self.objects -= 1
        bit_spin_lock(0, found)
        self.release(found.word >> 1)
        found.word = GONE << 1 | 1
        clear_bit_unlock(0, found)

    def squeeze(self) -> None:
        """Move every object that is not locked."""
        for _ in range(PASSES):
            with self.lock:
                known = list(self.handles.values())
            for one in known:
                if bit_spin_trylock(0, one):
                    self.move(one)
                    clear_bit_unlock(0, one)

    def move(self, one: Handle) -> None:
        """To another place, if there is one. The handle is locked."""
        old = one.word >> 1
        new = self.take() if old != GONE else None
        if new is None:
            return
        with self.lock:
            source, target = self.slots[old], self.slots[new]
            assert source is not None and target is not None
            target.data[:] = source.data[:]
        self.record(one, new)
        self.release(old)

    def record(self, one: Handle, place: int) -> None:
        """The handle leads elsewhere, and stays locked."""
        one.word = place << 1 | 1


class DropsThePin(Store):
    def record(self, one: Handle, place: int) -> None:
        one.word = place << 1


class StoreWorkload(Workload):
    """Stores, frees and squeezes."""

    factory = Store
    driver: Store

    @operation(data=st.binary(min_size=1, max_size=16))
    def store(self, data: bytes) -> None:
        number = self.driver.store(data)
        if number is not None:
            self.model[number] = data

    @operation(number=handle())
    def free(self, number: int) -> None:
        if self.model.pop(number, None) is not None:
            self.driver.free(number)

    @operation()
    def squeeze(self) -> None:
        self.driver.squeeze()

    def read(self, key: int) -> bytes | None:
        return self.driver.load(key, len(self.model[key]))


EXHIBITS = (
    Exhibit(
        id="Z01",
        slug="zs-record-drops-pin",
        year=2016,
        commit="c102f07ca0b0",
        layer="driver zsmalloc",
        title="a new location is stored in a handle, and with it a lock bit that is clear",
        story="""
            A handle is one word: where the object lies, and a bit that locks it. Compaction takes the bit, moves the object,
            and stores the new location in the word, without the bit. Whoever waits to free the object goes ahead, in the
            middle of the move. Compaction then unlocks a handle that somebody else has locked.
        """,
        fix="Carry the bit over into the new word. Later zsmalloc had no locks in handles at all.",
        rules=("D53",),
        broken=DropsThePin,
        twin=Store,
        workload=StoreWorkload,
        depth=(2, 1),
    ),
)
