"""The fallback for state that hooks cannot reach (globals, closures, foreign objects): a point before every touching opcode.

Uses ``sys.settrace`` with opcode events, confined to given source files. Nothing is known about which location is touched,
so each point is ``opaque`` and conflicts with everything; prefer hooks where they reach.
"""

import dis
import sys
from collections.abc import Callable, Hashable
from types import CodeType, FrameType
from typing import Any

from movable.explore.instrument.hooks import Points

_TOUCHING = frozenset(
    "LOAD_GLOBAL STORE_GLOBAL DELETE_GLOBAL LOAD_NAME STORE_NAME DELETE_NAME LOAD_DEREF STORE_DEREF DELETE_DEREF"
    " LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_ATTR STORE_ATTR DELETE_ATTR BINARY_SUBSCR STORE_SUBSCR DELETE_SUBSCR"
    " BINARY_SLICE STORE_SLICE CONTAINS_OP FOR_ITER CALL CALL_KW CALL_FUNCTION_EX".split()
)


class Opcodes:
    """Makes tasks traced.

    Parameters: ``scheduler``; ``sources``, functions, classes or modules whose source files are traced, or file names.
    Frames of other files are not traced.
    """

    def __init__(self, scheduler: Points, *sources: Any) -> None:
        self._point = scheduler.point
        self._files = frozenset(_file(source) for source in sources)
        self._offsets: dict[CodeType, dict[int, tuple[str, Hashable]]] = {}
        self._active = 0
        self._before: Any = None

    def wrap(self, fn: Callable[[], object]) -> Callable[[], object]:
        """Return ``fn`` as a traced task."""

        def traced() -> object:
            if not self._active:
                self._before = sys.gettrace()
            self._active += 1
            sys._getframe().f_trace_opcodes = True  # Python 3.12 asks once, as tracing begins, whether any frame wants opcodes
            sys.settrace(self._enter)  # has to be said in every greenlet, but what is said holds for the whole thread
            try:
                return fn()
            finally:
                self._active -= 1
                if not self._active:
                    sys.settrace(self._before)

        return traced

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self._files or (frame.f_back is not None and frame.f_back.f_code is _AT):
            return None  # the scheduler's own point is no task's code, whatever file it is in
        if code not in self._offsets:
            self._offsets[code] = self.touching(code, frame.f_globals)
        if not self._offsets[code]:
            return None
        frame.f_trace = self._step  # before the next line: Python 3.13 instruments only a frame that is traced already
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            spot = self._offsets[frame.f_code].get(frame.f_lasti)
            if spot is not None:
                # a greenlet switch inside a trace function would leave tracing off in every other task
                sys.call_tracing(self._at, spot)
        return self._step

    def _at(self, op: str, key: Hashable) -> None:
        sys.settrace(self._enter)  # what another task is switched to with; inside a trace function it would go on without
        self._point(op, key)

    def touching(self, code: CodeType, names: dict[str, Any]) -> dict[int, tuple[str, Hashable]]:
        """The offsets of the opcodes before which another task could matter, and what is said there.

        Override it where more is known about the code than that it touches something.
        """
        return {offset: ("opaque", f"{code.co_name}:{offset}") for offset in _touching(code, names)}


_AT = Opcodes._at.__code__


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
    for step in dis.get_instructions(code):
        if step.opname not in _TOUCHING:
            continue
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and (step.argval not in names or callable(names[step.argval])):
            continue
        found.add(step.offset)
    return frozenset(found)
