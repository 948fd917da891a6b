"""Lock bits: a spin lock in one bit of a word, such as a handle (include/linux/bit_spinlock.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from movable.errors import VMBug

if TYPE_CHECKING:
    from movable.mm.vm import VM


class Cell(Protocol):
    """A word with a lock bit in it, such as a handle."""

    word: int

    @property
    def vm(self) -> VM:
        """The machine that it belongs to."""

    @property
    def name(self) -> str:
        """What reports call it."""


_word = object.__getattribute__  # what these functions do to the word is one step each, also where somebody watches the cell
_set_word = object.__setattr__


def bit_spin_is_locked(bit: int, cell: Cell) -> bool:
    """Whether the lock bit is set (include/linux/bit_spinlock.h)."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("ar", ("word", cell.name))
    return bool(_word(cell, "word") >> bit & 1)


def bit_spin_trylock(bit: int, cell: Cell) -> bool:
    """Set the lock bit if it is clear; never waits."""
    vm = cell.vm
    if vm.seam is not None:
        vm.seam.point("try", ("word", cell.name))
    word = _word(cell, "word")
    if word >> bit & 1:
        return False
    _set_word(cell, "word", word | 1 << bit)
    vm.current.atomic += 1
    return True


def bit_spin_lock(bit: int, cell: Cell) -> None:
    """Set the lock bit, waiting until it is clear."""
    vm, name = cell.vm, cell.name
    seam = vm.seam
    task = vm.current

    def is_clear() -> bool:
        return not _word(cell, "word") >> bit & 1

    if seam is not None and seam.scheduler is not None:
        seam.scheduler.wait(("word", name), is_clear, f"the lock bit of {name}", op="lock")
    elif not is_clear():
        atomic, task.atomic = task.atomic, 0
        try:
            vm.wait(("word", name), is_clear, f"the lock bit of {name}")
        finally:
            task.atomic = atomic
    _set_word(cell, "word", _word(cell, "word") | 1 << bit)
    task.atomic += 1


def bit_spin_unlock(bit: int, cell: Cell) -> None:
    """Clear the lock bit. Raises VMBug when it is clear already."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("unlock", ("word", cell.name))
    if not _word(cell, "word") >> bit & 1:
        raise VMBug("D35", f"lock bit of {cell.name} cleared while clear", "the lock bit to be held")
    _clear_bit(bit, cell)


def clear_bit_unlock(bit: int, cell: Cell) -> None:
    """Clear the lock bit without a look whether it was set (include/asm-generic/bitops/lock.h)."""
    if cell.vm.seam is not None:
        cell.vm.seam.point("unlock", ("word", cell.name))
    _clear_bit(bit, cell)


def _clear_bit(bit: int, cell: Cell) -> None:
    vm = cell.vm
    _set_word(cell, "word", _word(cell, "word") & ~(1 << bit))
    vm.current.atomic -= 1
