"""Drivers that are right because they were made from right ones by changes that change nothing that matters.

Each change is right by construction: new names, statements that do not depend on each other in another order, locks that guard
nothing, copies of lists to walk over, counters and tables kept in a helper object, a second reference that goes with the mark, and
pages that users pin. A seed makes always the same mutant.
"""

from __future__ import annotations

import ast
import itertools
import random
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import movable
from movable.contract import operation
from movable.contract.museum import PACKAGE, Exhibit, exhibits
from movable.workload.workload import Workload

ROOT = Path(__file__).parents[2]
BASES = ("ring", "buffers", "balloon", "pool")
DOCUMENTED = ("ring:Ring", "slab:SlabCache", "aio_ring:AioRing")
_COUNT = itertools.count()


@dataclass(frozen=True)
class Origin:
    """Where a right driver is: the modules that make it, the last of which has it; and how to take it out of that module."""

    name: str
    modules: tuple[tuple[str, Path], ...]
    take: Callable[[types.ModuleType], tuple[type[Workload], type[Any]]]
    exhibit: Exhibit | None = None
    era: str = "4.19"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The core as the driver needs it."""
        if self.exhibit is None:
            yield
        else:
            with self.exhibit.shown(twin=True):
                yield


def origins() -> list[Origin]:
    """Every right driver: the documented ones, and the twins of the museum, each once."""
    found = [_documented(name) for name in DOCUMENTED]
    met: set[tuple[object, ...]] = set()
    for one in exhibits().values():
        key = (one.twin, one.workload, one.era, *one.twin_patch.values())
        home = sys.modules[one.workload.__module__]
        if key not in met and not one.core_patch and one.twin.__module__.startswith(PACKAGE) and home.__name__.startswith(PACKAGE):
            met.add(key)
            found.append(_twin(one))
    return found


def _documented(name: str) -> Origin:
    module, cls = name.split(":")

    def take(made: types.ModuleType) -> tuple[type[Workload], type[Any]]:
        factory = getattr(made, cls)
        workload = next(one for one in vars(made).values() if isinstance(one, type) and vars(one).get("factory") is factory)
        return workload, factory

    return Origin(name, ((f"docs.drivers.{module}", ROOT / "docs" / "drivers" / f"{module}.py"),), take)


def _twin(one: Exhibit) -> Origin:
    def take(made: types.ModuleType) -> tuple[type[Workload], type[Any]]:
        found: Exhibit = next(other for other in made.EXHIBITS if other.id == one.id)
        return found.workload, found.twin

    folder = ROOT / "movable" / "museum"
    home = next(name for name, module in sys.modules.items() if name.startswith(PACKAGE) and one in getattr(module, "EXHIBITS", ()))
    source = Path(sys.modules[home].__file__ or "")
    bases = [(f"{PACKAGE}.bases.{name}", folder / "bases" / f"{name}.py") for name in BASES]
    return Origin(f"twin of {one.id}", (*bases, (home, source)), take, one, one.era)


def mutant(origin: Origin, seed: int) -> tuple[type[Workload], type[Any], list[str]]:
    """A workload and a driver, and what was changed."""
    rng = random.Random(f"{origin.name} {seed}")
    trees = {name: ast.parse(path.read_text()) for name, path in origin.modules}
    said: list[str] = []
    for change in rng.sample(CHANGES, rng.randint(1, 3)):
        what = change(trees, rng)
        said += [what] if what else []
    made = _run(trees, origin)
    workload, factory = origin.take(made)
    if rng.random() < 0.3 and hasattr(factory, "isolate_page") and workload.setup is Workload.setup:
        workload, factory = pinned(workload, factory)
        said.append("pages are pinned")
    return workload, factory, said


def _run(trees: dict[str, ast.Module], origin: Origin) -> types.ModuleType:
    """Run the changed modules in place of the right ones, and put those back."""
    before = {name: sys.modules.get(name) for name in trees}
    parents = {name: sys.modules.get(name.rpartition(".")[0]) for name in trees}
    made: types.ModuleType | None = None
    try:
        for (name, path), tree in zip(origin.modules, trees.values(), strict=True):
            made = types.ModuleType(name)
            made.__file__ = str(path)
            sys.modules[name] = made
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            exec(code, vars(made))
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
                if parents[name] is not None:
                    setattr(parents[name], name.rpartition(".")[2], module)
    assert made is not None
    return made


# --- changes: each takes all modules, so that a name means the same in all of them ---


def _attributes(trees: dict[str, ast.Module]) -> list[str]:
    """Attributes that are set on ``self`` in a constructor of these modules, and mean nothing anywhere else."""
    mine: set[str] = set()
    other: set[str] = set()
    for tree in trees.values():
        other |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for cls in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
            other |= {node.name for node in cls.body if isinstance(node, ast.FunctionDef)}
            other |= {node.id for part in cls.body if isinstance(part, (ast.Assign, ast.AnnAssign)) for node in _stored(part)}
            mine |= _set_in(cls)
    return sorted(mine - other - FOREIGN)


def _stored(part: ast.AST) -> list[ast.Name]:
    return [node for node in ast.walk(part) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _set_in(cls: ast.ClassDef) -> set[str]:
    """The attributes that the constructor sets."""
    init = [part for part in cls.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    nodes = [node for part in init for node in ast.walk(part) if isinstance(node, ast.Attribute)]
    own = [node for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"]
    return {node.attr for node in own if isinstance(node.ctx, ast.Store)}


CLASSES = (movable.Page, movable.VM, movable.ListHead, movable.AddressSpace, movable.Work, Workload)
FOREIGN = {name for cls in CLASSES for name in dir(cls)}
FOREIGN |= {"vm", "driver", "model", "mapping", "isolated", "nr_isolated", "isolated_pages", "name", "lock", "owned", "host", "key"}
FOREIGN |= {name for kind in (dict, list, set, str, bytes, int, tuple, Exhibit) for name in dir(kind)}
FOREIGN |= {"items", "counter", "queue", "word"}
"""What is the name of something that is not the driver's own as well."""


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self.names.get(node.attr, node.attr)
        return node


def rename(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """Other names for attributes."""
    names = _attributes(trees)
    chosen = {name: f"{rng.choice('qxz')}_{number}" for number, name in enumerate(names) if rng.random() < 0.5}
    for tree in trees.values():
        _Renamed(chosen).visit(tree)
    return f"renamed {', '.join(chosen)}" if chosen else ""


def _blocks(trees: dict[str, ast.Module]) -> Iterator[list[ast.stmt]]:
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.If, ast.With, ast.For, ast.While)):
                yield node.body


def _simple(statement: ast.stmt) -> tuple[set[str], set[str]] | None:
    """What a plain assignment writes and reads, by name; None for whatever does more."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign)):
        return None
    if any(isinstance(node, (ast.Call, ast.Subscript, ast.Yield, ast.Await)) for node in ast.walk(statement)):
        return None
    writes: set[str] = set()
    reads: set[str] = set()
    for node in ast.walk(statement):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
        if name is not None:
            (writes if isinstance(node.ctx, ast.Store) else reads).add(name)  # type: ignore[attr-defined]
    if isinstance(statement, ast.AugAssign):
        reads |= writes
    return writes, reads


def reorder(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """Assignments next to each other, of which neither uses what the other sets."""
    swapped = 0
    for body in _blocks(trees):
        for at in range(len(body) - 1):
            one, two = _simple(body[at]), _simple(body[at + 1])
            if one and two and not (one[0] & (two[0] | two[1]) or two[0] & one[1]) and rng.random() < 0.7:
                body[at], body[at + 1] = body[at + 1], body[at]
                swapped += 1
    return f"reordered {swapped} pairs" if swapped else ""


def _drivers(trees: dict[str, ast.Module]) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    """Classes with a constructor that takes a machine."""
    for cls in [cls for cls in _classes(trees) if not cls.bases]:
        inits = [part for part in cls.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        yield from ((cls, init) for init in inits if [argument.arg for argument in init.args.args][:2] == ["self", "vm"])


def _classes(trees: dict[str, ast.Module]) -> list[ast.ClassDef]:
    return [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def idle_locks(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """A spin lock that guards nothing, taken and released at the head of some functions: it is always the innermost."""
    count = 0
    for cls, init in _drivers(trees):
        name = f"idle_{rng.randrange(1000)}"
        init.body.insert(_after_docstring(init), ast.parse(f"self.{name} = vm.spinlock({name!r})").body[0])
        for function in cls.body:
            if isinstance(function, ast.FunctionDef) and _is_method(function) and rng.random() < 0.5:
                function.body.insert(_after_docstring(function), ast.parse(f"with self.{name}:\n    pass").body[0])
                count += 1
    return f"{count} idle locks" if count else ""


def _is_method(function: ast.FunctionDef) -> bool:
    """A plain method, and no constructor: it may run before the lock is there."""
    first = [argument.arg for argument in function.args.args][:1]
    return function.name != "__init__" and not function.decorator_list and first == ["self"]


def _after_docstring(function: ast.FunctionDef) -> int:
    first = function.body[0]
    return int(isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str))


def copies(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """Walks over a copy of a list, where a list is walked over."""
    count = 0
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and isinstance(node.iter, ast.Attribute) and rng.random() < 0.7:
                node.iter = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
                count += 1
    return f"{count} copies of lists" if count else ""


class _Moved(ast.NodeTransformer):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in self.names:
            node.value = ast.Attribute(node.value, "kept", ast.Load())
        return node


def helper(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """Some attributes of a driver live in a helper object; an annotation of such an attribute goes."""
    owners = list(_drivers(trees))
    if len(owners) != 1 or any("__slots__" in ast.dump(tree) for tree in trees.values()):
        return ""
    cls, init = owners[0]
    elsewhere = {name for other in _classes(trees) if other is not cls for name in _set_in(other)}
    chosen = {name for name in sorted(_set_in(cls) & set(_attributes(trees)) - elsewhere) if rng.random() < 0.6}
    if not chosen:
        return ""
    for tree in trees.values():
        _Plain(chosen).visit(tree)
        _Moved(chosen).visit(tree)
        tree.body.insert(1 if _has_docstring(tree) else 0, ast.parse("class Kept:\n    pass").body[0])
        _future_first(tree)
    init.body.insert(_after_docstring(init), ast.parse("self.kept = Kept()").body[0])
    return f"{', '.join(sorted(chosen))} in a helper"


class _Plain(ast.NodeTransformer):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if isinstance(node.target, ast.Attribute) and node.target.attr in self.names and node.value is not None:
            return ast.copy_location(ast.Assign([node.target], node.value), node)
        return node


def _has_docstring(tree: ast.Module) -> bool:
    first = tree.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)


def _future_first(tree: ast.Module) -> None:
    future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    tree.body = [*future, *(node for node in tree.body if node not in future)]


class _Twice(ast.NodeTransformer):
    """A reference goes with each mark."""

    count = 0

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
            other = {"SetPageMovable": "get_page", "ClearPageMovable": "put_page"}.get(call.func.id)
            if other is not None:
                self.count += 1
                more = ast.Expr(ast.Call(ast.Name(other, ast.Load()), [call.args[0]], []))
                return [more, node] if other == "get_page" else [node, more]
        return node


def second_reference(trees: dict[str, ast.Module], rng: random.Random) -> str:
    """Two references on each marked page, where the driver does not count them."""
    if any(isinstance(node, ast.Name) and node.id == "page_count" for tree in trees.values() for node in ast.walk(tree)):
        return ""
    twice = _Twice()
    for tree in trees.values():
        twice.visit(tree)
        tree.body.insert(1 if _has_docstring(tree) else 0, ast.parse("from movable import get_page, put_page").body[0])
        _future_first(tree)
    return "a second reference" if twice.count else ""


CHANGES = (rename, reorder, idle_locks, copies, helper, second_reference)


# --- pins ---


def pinned(workload: type[Workload], factory: type[Any]) -> tuple[type[Workload], type[Any]]:
    """The same driver and workload, with users that pin pages, which then are not let go of."""

    class Pinned(factory):  # type: ignore[misc]
        def __init__(self, vm: movable.VM, *arguments: Any, **options: Any) -> None:
            self.pin_lock = vm.spinlock("pins")
            self.pins: dict[int, int] = {}
            super().__init__(vm, *arguments, **options)

        @movable.hookimpl
        def isolate_page(self, page: movable.Page, mode: int) -> bool:
            with self.pin_lock:
                if page.pfn in self.pins:
                    return False
            answer: bool = super().isolate_page(page, mode)
            return answer

    class PinnedWorkload(workload):  # type: ignore[misc, valid-type]
        @operation(number=st.integers(0, 7))
        def pin_page(self, number: int) -> None:
            pages = list(self.pages())
            if pages:
                pfn = pages[number % len(pages)].pfn
                with self.driver.pin_lock:
                    self.driver.pins[pfn] = self.driver.pins.get(pfn, 0) + 1

        @operation()
        def unpin_pages(self) -> None:
            with self.driver.pin_lock:
                self.driver.pins.clear()

        def mapped(self) -> Iterator[movable.Page]:
            with self.driver.pin_lock:
                pins = set(self.driver.pins)
            yield from super().mapped()
            yield from (page for page in self.pages() if page.pfn in pins)

    Pinned.__name__, PinnedWorkload.__name__ = factory.__name__, workload.__name__
    PinnedWorkload.factory = Pinned
    return PinnedWorkload, Pinned
