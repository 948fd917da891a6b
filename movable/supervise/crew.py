"""Workers side by side, each supervised by itself: an executor for pieces of work that may end the process they run in.

A worker asks for one piece after another, so that it imports a driver once. A piece is a function of a module, and arguments that
are plain or dataclasses of plain values; what it returns is plain.
"""

from __future__ import annotations

import json
import select
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, Executor, Future
from importlib import import_module
from types import TracebackType
from typing import Any, get_type_hints

from movable.supervise import board
from movable.supervise.board import IDLE
from movable.supervise.channel import Record, Sender
from movable.supervise.relay import error_of
from movable.supervise.schema import from_value, to_record
from movable.supervise.supervisor import FAILED, MEMORY_LIMIT, PATIENCE_SECONDS, TICK_SECONDS, Ending, Supervisor, Watch


class Ended(Exception):
    """A piece of work ended its process; ``ending`` says how, and what it was doing."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        super().__init__(ending.words)


def _serve(tell: Sender, given: Record) -> None:
    """A worker's life: pieces, until there is none."""
    while True:
        board.enter(IDLE)
        piece = json.loads(tell.ask("next"))
        board.enter("piece", piece["function"])
        tell("done", value=to_record(_run(piece)))


def _run(piece: Record) -> Any:
    """Call the function of a piece."""
    module, _, name = piece["function"].partition(":")
    function = getattr(import_module(module), name)
    kinds = [kind for what, kind in get_type_hints(function).items() if what != "return"]
    return function(*(from_value(kind, value) for kind, value in zip(kinds, piece["arguments"], strict=True)))


def alone(function: Callable[..., Any], *arguments: Any, patience: float = PATIENCE_SECONDS) -> Any:
    """Call a function in a worker of its own. Raises Ended where it ends its process, and its errors as errors of this one."""
    found: list[Any] = []
    with Supervisor(lambda tell, given: tell("done", value=to_record(function(*arguments))), patience=patience) as supervisor:
        ending = supervisor.run({}, lambda record: found.append(record.get("value")))
    if found:
        return found[-1]
    raise error_of(ending) if ending.how == FAILED else Ended(ending)


class _Slot:
    """One worker after the other."""

    def __init__(self, crew: Crew, patience: float, memory: int) -> None:
        self.crew = crew
        self.supervisor = Supervisor(_serve, patience=patience, memory=memory)
        self.watch: Watch | None = None
        self.future: Future[Any] | None = None
        self.idle = False

    def take(self, record: Record) -> str | None:
        """What the worker tells."""
        if record["kind"] == "done" and self.future is not None:
            future, self.future = self.future, None
            future.set_result(record.get("value"))
        elif record["kind"] == "next":
            self.idle = True
        return None

    def look(self) -> None:
        """Give it what there is to do, and see whether it has ended."""
        if self.watch is None and self.crew.pieces:
            self.watch = Watch(self.supervisor, self.take, None)
            self.watch.begin({})
        if self.watch is None:
            return
        if self.idle and self.crew.pieces:
            self.future, piece = self.crew.pieces.popleft()
            self.idle = not self.future.set_running_or_notify_cancel()
            if not self.idle:
                self.watch.answer(piece)
        ending = self.watch.look(0.0, 0)
        if ending is not None:
            self.drop()
            if self.future is not None:
                future, self.future = self.future, None
                future.set_exception(error_of(ending) if ending.how == FAILED else Ended(ending))

    def drop(self) -> None:
        """There is no worker any more."""
        if self.watch is not None:
            self.watch.close()
        self.watch, self.idle = None, False


class Crew(Executor):
    """An executor of ``size`` supervised workers, forked from this process as it is now.

    Work goes on while somebody is inside ``wait``. What ends its process has the exception Ended; a fresh worker takes the next.
    """

    def __init__(self, size: int, *, patience: float = PATIENCE_SECONDS, memory: int = MEMORY_LIMIT) -> None:
        self.pieces: deque[tuple[Future[Any], str]] = deque()
        self._slots = [_Slot(self, patience, memory) for _ in range(size)]
        for slot in self._slots:
            slot.supervisor.open()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As in Executor, for functions of modules; without names of arguments."""
        future: Future[Any] = Future()
        piece = {"function": f"{fn.__module__}:{fn.__qualname__}", "arguments": to_record(args)}
        self.pieces.append((future, json.dumps(piece)))
        return future

    def wait(self, futures: Collection[Future[Any]]) -> set[Future[Any]]:
        """Work until one of ``futures`` is done; returns those that are."""
        while True:
            for slot in self._slots:
                slot.look()
            done = {future for future in futures if future.done()}
            if done or not futures:
                return done
            watched = [file for slot in self._slots if slot.watch is not None for file in slot.watch.files]
            select.select(watched, [], [], TICK_SECONDS)
            board.tick()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers, whatever they do."""
        for future, _ in self.pieces:
            future.cancel()
        self.pieces.clear()
        for slot in self._slots:
            slot.drop()
            slot.supervisor.close()
            if slot.future is not None and not slot.future.done():
                slot.future.set_exception(CancelledError())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()
