"""Shrinkers, and owners of pages that go."""

from __future__ import annotations

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.runtime import A0


class CShrinker:
    """A shrinker of the driver's: the model asks it when memory is short."""

    def __init__(self, bridge: Bridge, address: int) -> None:
        self.bridge = bridge
        self.address = address
        self.control = bridge.runtime.scratch()

    def _ask(self, offset: int, nr: int) -> int:
        bridge, memory = self.bridge, self.bridge.memory
        function = memory.peek(self.address + offset)
        if not function:
            return 0
        control = self.control
        for place, value in ((0, 0), (8, nr), (16, nr)):
            memory.poke(control + place, value, 8)
        return bridge.call(function, (self.address, control))

    def count_objects(self) -> int:
        """How many objects could be freed."""
        answer = self._ask(0, 0)
        return max(0, answer)

    def scan_objects(self, nr: int) -> int:
        """Try ``nr`` objects."""
        return max(-1, self._ask(8, nr))


def register(bridge: Bridge) -> int:
    """register_shrinker."""
    address = bridge.request[A0]
    shrinker = bridge.shrinkers[address] = CShrinker(bridge, address)
    bridge.vm.shrinkers.append(shrinker)
    return 0


def unregister(bridge: Bridge) -> None:
    """unregister_shrinker."""
    found = bridge.shrinkers.pop(bridge.request[A0], None)
    if found is not None:
        bridge.vm.shrinkers.remove(found)


def free_space(bridge: Bridge) -> None:
    """The mapping of an inode goes."""
    bridge.spaces.free(bridge.request[A0])


TABLE: dict[str, Handler] = {"K_SHRINKER": register, "K_NO_SHRINKER": unregister, "K_FREE_SPACE": free_space}
