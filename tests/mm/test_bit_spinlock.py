"""Lock bits: they share their word with whatever else is in it."""

from __future__ import annotations

import pytest

from movable import VM, DeadlockError, VMBug, bit_spin_is_locked, bit_spin_lock, bit_spin_trylock, bit_spin_unlock


class Handle:
    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.name = "handle 1"
        self.word = 0b1100


def test_a_lock_bit_shares_its_word() -> None:
    vm = VM()
    handle = Handle(vm)
    bit_spin_lock(0, handle)
    assert handle.word == 0b1101
    assert bit_spin_is_locked(0, handle)
    assert not bit_spin_trylock(0, handle)
    with pytest.raises(DeadlockError, match="lock bit of handle 1"):
        bit_spin_lock(0, handle)
    bit_spin_unlock(0, handle)
    assert handle.word == 0b1100
    with pytest.raises(VMBug, match="while clear"):
        bit_spin_unlock(0, handle)
    assert bit_spin_trylock(0, handle)
    bit_spin_unlock(0, handle)
    assert vm.current.atomic == 0
