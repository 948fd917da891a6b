"""The fallback for state that hooks cannot reach (globals, closures, foreign objects): a point before every touching opcode.

Confined to given source files. Nothing is known about which location is touched, so each point is ``opaque`` and conflicts with
everything; prefer hooks where they reach. Python 3.11 is asked with ``sys.settrace``; later versions with ``sys.monitoring``,
because there a trace function hears of opcodes only in frames that were traced before, and not in all of those.
"""

import dis
import sys
from collections.abc import Callable, Hashable, Iterable
from types import CodeType, FrameType
from typing import Any

from movable.explore.instrument.bytecode import instructions
from movable.explore.instrument.hooks import Points
from movable.explore.instrument.monitoring import Monitor
from movable.explore.instrument.python import require_known

Spot = tuple[str, Hashable]
"""An operation and a location, see `Points.point`."""

_TOUCHING = frozenset(
    "LOAD_GLOBAL STORE_GLOBAL DELETE_GLOBAL LOAD_NAME STORE_NAME DELETE_NAME LOAD_DEREF STORE_DEREF DELETE_DEREF"
    " LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS LOAD_ATTR LOAD_METHOD LOAD_SUPER_ATTR STORE_ATTR"
    " DELETE_ATTR BINARY_SUBSCR STORE_SUBSCR DELETE_SUBSCR BINARY_SLICE STORE_SLICE CONTAINS_OP FOR_ITER CALL CALL_KW"
    " CALL_FUNCTION_EX".split()
)


class Opcodes:
    """Makes tasks traced.

    Parameters: ``scheduler``; ``sources``, functions, classes or modules whose source files are traced, or file names.
    Frames of other files are not traced; ``codes``, the code objects that are, where they are known beforehand.
    Raises ExploreError in a Python whose bytecode is not known.
    """

    def __init__(self, scheduler: Points, *sources: Any, codes: Iterable[CodeType] | None = None) -> None:
        require_known()
        self._point = scheduler.point
        self._files = frozenset(_file(source) for source in sources)
        self._own = getattr(getattr(scheduler.point, "__func__", None), "__code__", None)
        self._spots: dict[CodeType, dict[int, Spot]] = {}
        self._codes = None if codes is None else list(codes)
        self._active = 0
        self._way: _Trace | Monitor = _Trace(self) if sys.version_info < (3, 12) else Monitor(self)

    def wrap(self, fn: Callable[[], object]) -> Callable[[], object]:
        """Return ``fn`` as a traced task."""

        def traced() -> object:
            self._active += 1
            self._way.start(self._active == 1)
            try:
                return fn()
            finally:
                self._active -= 1
                if not self._active:
                    self._way.stop()

        return traced

    def codes(self) -> list[CodeType] | None:
        """The code objects that are traced; None: those of the given files, which are met as they are called."""
        return self._codes

    def spots(self, code: CodeType, names: dict[str, Any]) -> dict[int, Spot]:
        """Offsets of a code object before which there is a point, and what is said there; none where it is not traced."""
        if code not in self._spots:
            mine = code.co_filename in self._files and code is not self._own  # the scheduler's own point is no task's code
            self._spots[code] = _at_prefixes(code, self.touching(code, names)) if mine else {}
        return self._spots[code]

    def at(self, op: str, key: Hashable) -> None:
        """A point; another task may be switched to."""
        self._way.reenter()
        self._point(op, key)

    def touching(self, code: CodeType, names: dict[str, Any]) -> dict[int, Spot]:
        """The offsets of the opcodes before which another task could matter, and what is said there.

        Override it where more is known about the code than that it touches something.
        """
        return {offset: ("opaque", f"{code.co_name}:{offset}") for offset in _touching(code, names)}


class _Trace:
    """Hears of opcodes by ``sys.settrace``."""

    def __init__(self, opcodes: Opcodes) -> None:
        self._opcodes = opcodes
        self._before: Any = None

    def start(self, first: bool) -> None:
        """A task begins."""
        if first:
            self._before = sys.gettrace()
        sys.settrace(self._enter)  # has to be said in every greenlet, but what is said holds for the whole thread

    def stop(self) -> None:
        """The last one has ended."""
        sys.settrace(self._before)

    def reenter(self) -> None:
        """What another task is switched to with; inside a trace function it would go on without."""
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not self._opcodes.spots(frame.f_code, frame.f_globals):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            spot = self._opcodes.spots(frame.f_code, frame.f_globals).get(frame.f_lasti)
            if spot is not None:
                # a greenlet switch inside a trace function would leave tracing off in every other task
                sys.call_tracing(self._opcodes.at, spot)
        return self._step


def _file(source: Any) -> str:
    if isinstance(source, str):
        return source
    code = getattr(source, "__code__", None)
    if isinstance(code, CodeType):
        return code.co_filename
    module = source if hasattr(source, "__file__") else sys.modules.get(getattr(source, "__module__", ""), None)
    name = getattr(module, "__file__", None)
    if not isinstance(name, str):
        raise ValueError(f"{source!r} has no source file that could be traced")
    return name


def _touching(code: CodeType, names: dict[str, Any]) -> frozenset[int]:
    """The offsets of the opcodes before which another task could matter; loads of functions and the like are left out."""
    found = set()
    for step in instructions(code):
        if step.opname not in _TOUCHING:
            continue
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and (step.argval not in names or callable(names[step.argval])):
            continue
        found.add(step.offset)
    return frozenset(found)


def _at_prefixes(code: CodeType, spots: dict[int, Spot]) -> dict[int, Spot]:
    """The same spots, where the interpreter tells of them: an instruction with a large argument begins with its prefixes.

    Python 3.11 tells of the first prefix and not of the instruction; later versions of each.
    """
    if not spots:
        return spots
    moved: dict[int, Spot] = {}
    begin: int | None = None
    for step in dis.get_instructions(code):
        begin = step.offset if begin is None else begin
        if step.opname != "EXTENDED_ARG":
            if step.offset in spots:
                moved[begin] = spots[step.offset]
            begin = None
    return moved
