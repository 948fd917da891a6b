"""What is put under test: a function that sets a scene, and how such a function is found again by name."""

import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from movable.explore.engine import Scheduler, Task

Body = Callable[[], object]


@dataclass(slots=True)
class Scene:
    """One fresh set-up, good for one execution.

    Parameters: ``tasks``, (name, function) pairs with distinct names; ``check``, called when all tasks have ended, raises where
    the end state is wrong; ``state``, returns the end state as a comparable value (needed by the audit); ``close``, gives
    resources back and is always called; ``lost``, is called with the tasks whose wake-up was lost, and names a cause, or "".
    """

    tasks: Sequence[tuple[str, Body]]
    check: Callable[[], object] | None = None
    state: Callable[[], Hashable] | None = None
    close: Callable[[], object] | None = None
    lost: Callable[[Sequence["Task"]], str] | None = None


Program = Callable[["Scheduler"], Scene]
"""Called once per execution; whatever the tasks share must be made inside, from nothing but its arguments."""


@runtime_checkable
class Counts(Protocol):
    """A program that counts how often what it judges had a chance to be broken; campaigns carry the counts from their workers."""

    def count_anew(self) -> None:
        """Begin at nothing: the counts of a piece of work depend on that piece alone, not on what ran in its process before."""

    def exercised(self) -> Counter[str]:
        """The counts by name, since this was asked last."""


@dataclass(frozen=True, slots=True)
class Named:
    """A program known by name, so that it can cross to another process.

    Parameters: ``name``, ``"package.module:function"`` or ``"path/to/file.py:function"``; ``args``, JSON-able arguments. The
    function is called with the arguments and returns a program; calling the Named itself runs that program.
    """

    name: str
    args: tuple[Any, ...] = ()

    def load(self) -> Program:
        """Import the function, call it with the arguments, return the program. Raises ValueError that says what is missing."""
        where, _, function = self.name.rpartition(":")
        if not where or not function:
            raise ValueError(f"program name {self.name!r}: write it as 'package.module:function' or 'file.py:function'")
        module = _module(where)
        maker = getattr(module, function, None)
        if not callable(maker):
            raise ValueError(f"program name {self.name!r}: {where} has no function {function!r}")
        program: Program = maker(*self.args)
        return program

    def __call__(self, scheduler: "Scheduler") -> Scene:
        return self.load()(scheduler)


def _module(where: str) -> Any:
    if not where.endswith(".py"):
        try:
            return importlib.import_module(where)
        except ImportError as error:
            raise ValueError(f"program module {where!r} cannot be imported: {error}") from error
    path = Path(where).resolve()
    alias = f"_explored_{path.stem}_{abs(hash(str(path))):x}"
    if alias in sys.modules:
        return sys.modules[alias]
    spec = importlib.util.spec_from_file_location(alias, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"program file {where!r} does not exist")
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module
    spec.loader.exec_module(module)
    return module
