"""Points before opcodes by ``sys.monitoring``, for Python 3.12 and later: events of single code objects, whoever calls them."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from threading import get_ident
from types import CodeType
from typing import TYPE_CHECKING, Any, Protocol

from movable.explore.failure import ExploreError

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "movable"
_TOOLS = (3, 4, 5, 2)
"""Numbers that a tool may take, in the order in which they are tried: those without a known user first."""


class Spots(Protocol):
    """What knows where the points are."""

    def codes(self) -> list[CodeType] | None: ...

    def spots(self, code: CodeType, names: dict[str, Any]) -> dict[int, tuple[str, Hashable]]: ...

    def at(self, op: str, key: Hashable) -> None: ...


class Monitor:
    """Hears of opcodes while tasks run.

    An event of an instruction without a point is switched off when it first comes. Where the code objects are not known, each is
    looked at when it is first called.
    """

    def __init__(self, opcodes: Spots) -> None:
        self._monitoring: Any = vars(sys)["monitoring"]  # not there in the oldest Python that the types are checked for
        self._opcodes = opcodes
        self._tool = self._take()
        self._thread = 0
        self._armed: list[CodeType] = []
        self._before: list[tuple[int, Callable[..., Any] | None]] = []
        self._off = self._monitoring.DISABLE

    def _take(self) -> int:
        for tool in _TOOLS:
            name = self._monitoring.get_tool(tool)
            if name is None:
                self._monitoring.use_tool_id(tool, _NAME)
            if name in (None, _NAME):
                return tool
        raise ExploreError("all numbers of sys.monitoring that a tool could take are in use: debuggers and profilers have them")

    def start(self, first: bool) -> None:
        """A task begins."""
        if not first:
            return
        self._thread = get_ident()
        events = self._monitoring.events
        codes = self._opcodes.codes()
        self._listen(events.INSTRUCTION, self._instruction)
        if codes is None:
            self._listen(events.PY_START, self._call)
            self._monitoring.set_events(self._tool, events.PY_START)
        for code in codes or ():
            self._arm(code)

    def stop(self) -> None:
        """The last one has ended."""
        if self._opcodes.codes() is None:
            self._monitoring.set_events(self._tool, 0)
        for code in self._armed:
            self._monitoring.set_local_events(self._tool, code, 0)
        self._armed.clear()
        while self._before:
            self._monitoring.register_callback(self._tool, *self._before.pop())

    def reenter(self) -> None:
        """Nothing to do: events belong to code, not to tasks."""

    def _listen(self, event: int, callback: Callable[..., Any]) -> None:
        self._before.append((event, self._monitoring.register_callback(self._tool, event, callback)))

    def _arm(self, code: CodeType) -> None:
        self._armed.append(code)
        self._monitoring.set_local_events(self._tool, code, self._monitoring.events.INSTRUCTION)

    def _call(self, code: CodeType, offset: int) -> Any:
        if self._opcodes.spots(code, sys._getframe(1).f_globals):
            self._arm(code)
        return self._off

    def _instruction(self, code: CodeType, offset: int) -> Any:
        spot = self._opcodes.spots(code, sys._getframe(1).f_globals).get(offset)
        if spot is None:
            return self._off
        if get_ident() == self._thread:
            # in a callback there are no further events, and a switch inside would leave every other task without
            sys.call_tracing(self._opcodes.at, spot)
        return None
