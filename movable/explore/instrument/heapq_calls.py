"""``heapq`` for hooked lists: its C code changes a list without asking it, so drivers get functions that announce that first."""

import functools
import heapq
import types
from typing import Any

from movable.explore.instrument.containers import Container


def _announcing(function: Any) -> Any:
    @functools.wraps(function)
    def call(heap: Any, *items: Any) -> Any:
        if isinstance(heap, Container):
            items = tuple(map(heap._adopt, items))
            heap._whole("w")
        return function(heap, *items)

    return call


_CHANGE = {id(fn): _announcing(fn) for fn in (heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop)}
_HEAPQ = types.ModuleType("heapq")
vars(_HEAPQ).update({name: _CHANGE.get(id(value), value) for name, value in vars(heapq).items()})
_taught: set[str] = set()


def teach(module: types.ModuleType | None) -> None:
    """Put them in place of heapq's in the names of a driver's module. They do the same with lists that are not hooked."""
    if module is None or module.__name__ in _taught:
        return
    _taught.add(module.__name__)
    for name, value in list(vars(module).items()):
        if value is heapq:
            setattr(module, name, _HEAPQ)
        elif id(value) in _CHANGE:
            setattr(module, name, _CHANGE[id(value)])
