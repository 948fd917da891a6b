"""What handles are called where people read: h0, h1, ... in the order in which operations made them.

A handle may be any object, and a number of a program or scenario means "the n-th that there is". Neither tells a reader which thing
was meant, so stories name the operation that made it: ``h0 = store(data=b'a')``, and later ``free(h0)``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from movable.workload.workload import NEWEST, Handle, Operation


class HandleNames:
    """The names of one run; a handle that was given up and is made again gets another one."""

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._made = 0

    def meet(self, live: Collection[Any]) -> list[str]:
        """The names of the handles that are new among those that there are now."""
        for gone in self._names.keys() - set(live):
            del self._names[gone]
        new = [handle for handle in live if handle not in self._names]
        for handle in new:
            self._names[handle] = f"h{self._made}"
            self._made += 1
        return [self._names[handle] for handle in new]

    def of(self, handle: Any) -> str:
        """The name of one handle."""
        return self._names.get(handle, "a handle that is gone")


def call(name: str, arguments: dict[str, Any], handles: dict[str, str] | None = None) -> str:
    """An operation with its arguments; ``handles`` are the names of those that are handles, which come first and by themselves."""
    handles = handles or {}
    words = [handles[argument] for argument in arguments if argument in handles]
    words += [f"{argument}={value!r}" for argument, value in arguments.items() if argument not in handles]
    return f"{name}({', '.join(words)})"


def meant(operation: Operation | None, drawn: dict[str, Any], live: Iterable[Any], names: HandleNames) -> dict[str, str]:
    """For each argument that is a handle the name of the one that its number means, where there is any."""
    if operation is None or not operation.needs_handle:
        return {}
    there = list(live)
    kinds = operation.arguments
    picked = {name: number for name, number in drawn.items() if isinstance(kinds.get(name), Handle) and there}
    return {name: names.of(there[-1 if number == NEWEST else number % len(there)]) for name, number in picked.items()}


def assigned(made: list[str], call: str) -> str:
    """An operation with the handles that it made."""
    return f"{', '.join(made)} = {call}" if made else call
