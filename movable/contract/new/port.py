"""``movable port DRIVER --from A --to B``: what the contract of another era asks to change, with the lines it concerns."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from movable.eras import Era
from movable.errors import UsageError
from movable.mm.address_space import FORMS
from movable.rules.table import RULES

Calls = Callable[[ast.AST], bool]
Place = tuple[str, int]
"""A file ("" for the driver's own), and a line in it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to change: the rules that it rests on, what to do, and the lines of the driver that it concerns."""

    rules: tuple[str, ...]
    what: str
    lines: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a driver's source, its first line, and its file, "" for the one that the driver itself stands in."""

    text: str
    first: int
    file: str


def sources_of(factory: Any) -> tuple[str, list[Part]]:
    """The file of a driver, and its parts: a class, those of its bases that are not the kit's, and the functions beside them that
    these use; of a driver in a package of its own, what it uses of that.

    Raises UsageError for a driver without source.
    """
    target = getattr(factory, "module", factory)
    try:
        file = inspect.getsourcefile(target) or "?"
        modules = _package(target)
        if modules:
            return file, [_part(one, file) for one in modules]
        found = [_part(one, file) for one in _classes(target)]
        for module in dict.fromkeys(inspect.getmodule(one) for one in _classes(target)):
            found += [_part(one, file) for one in _helpers(module, found)]
        return file, found
    except (OSError, TypeError):
        name = getattr(factory, "__name__", factory)
        raise UsageError(f"driver {name} has no source in Python to look at; name it as file.py:Class") from None


def _package(target: Any) -> list[Any]:
    """The modules of a driver's package that lead from its own to each other; none where it is in no package but the kit's."""
    package, dot, _ = target.__module__.rpartition(".") if inspect.isclass(target) else ("", "", "")
    if not dot or package.partition(".")[0] == "movable":
        return []
    found = {target.__module__: sys.modules[target.__module__]}
    fresh = list(found.values())
    while fresh:
        named = (one.__name__ if inspect.ismodule(one) else getattr(one, "__module__", None) for one in vars(fresh.pop()).values())
        for name in {name for name in named if isinstance(name, str) and name.startswith(package + ".")} - found.keys():
            found[name] = sys.modules[name]
            fresh.append(found[name])
    return list(found.values())


def _classes(target: Any) -> list[Any]:
    if not inspect.isclass(target):
        return [target]
    strange = {"movable", *sys.stdlib_module_names}
    return [one for one in inspect.getmro(target) if one is target or one.__module__.partition(".")[0] not in strange]


def _helpers(module: Any, parts: list[Part]) -> list[Any]:
    """Functions of a module that the parts name, and those that such functions name."""
    there = {name: one for name, one in vars(module).items() if inspect.isfunction(one) and one.__module__ == module.__name__}
    texts, used = [part.text for part in parts], dict[str, Any]()
    while texts:
        called = {node.id for node in ast.walk(ast.parse(dedent(texts.pop()))) if isinstance(node, ast.Name)}
        fresh = {name: one for name, one in there.items() if name in called and name not in used}
        used |= fresh
        texts += map(inspect.getsource, fresh.values())
    return list(used.values())


def _part(target: Any, file: str) -> Part:
    lines, first = inspect.getsourcelines(target)
    own = inspect.getsourcefile(target) or "?"
    return Part("".join(lines), max(first, 1), "" if own == file else Path(own).name)


class Lines:
    """Where a driver does what."""

    def __init__(self, parts: list[Part]) -> None:
        self.trees = [(ast.parse(dedent(part.text)), part.first, part.file) for part in parts]

    def _lines(self, wanted: Calls) -> tuple[Place, ...]:
        found = {
            (file, node.lineno + first - 1)
            for tree, first, file in self.trees
            for node in ast.walk(tree)
            if wanted(node) and hasattr(node, "lineno")
        }
        return tuple(sorted(found))

    def names(self, *names: str) -> tuple[Place, ...]:
        """Lines that use one of these names."""
        return self._lines(
            lambda node: (isinstance(node, ast.Name) and node.id in names)
            or (isinstance(node, ast.Attribute) and node.attr in names)
        )

    def functions(self, *names: str) -> tuple[Place, ...]:
        """Lines where these functions begin."""
        return self._lines(lambda node: isinstance(node, ast.FunctionDef) and node.name in names)

    def stores(self, field: str) -> tuple[Place, ...]:
        """Lines that assign to this attribute."""
        return self._lines(
            lambda node: isinstance(node, ast.Attribute) and node.attr == field and isinstance(node.ctx, ast.Store)
        )

    def returns(self, name: str) -> tuple[Place, ...]:
        """Lines that return -NAME."""
        return self._lines(
            lambda node: isinstance(node, ast.Return)
            and isinstance(node.value, ast.UnaryOp)
            and name in ast.dump(node.value.operand)
        )


def changes(lines: Lines, old: Era, new: Era) -> Iterator[Change]:
    """All that a driver of ``old`` has to change for ``new``, in the order of its code."""
    yield from _form(lines, old, new)
    if new.sticky_mark and not old.sticky_mark:
        yield from _marks_stay(lines, new)
    elif old.sticky_mark and not new.sticky_mark:
        yield from _marks_go(lines)
    yield from _answers(lines, old, new)
    if old.sticky_mark and old.released_by_refs and not new.released_by_refs:
        what = "the core asks about a page that its owner has released: return 0 from the migrate callback, touching nothing"
        yield Change(("D56",), what, lines.functions("migratepage", "migrate_page", "putback_page"))
    if new.balloon_core and not old.balloon_core:
        used = lines.names("balloon_page_replace", "balloon_page_finalize", "balloon_page_insert", "balloon_page_delete")
        used = used or lines.names("SetPageBalloon", "SetPageOffline")
        if used:
            what = "the core (movable.balloon) lists, marks, counts and references a balloon's pages; leave the hook only its host"
            yield Change(("D57",), what, used)
    elif old.balloon_core and not new.balloon_core:
        used = lines.names("BalloonDevInfo", "balloon_page_enqueue", "balloon_page_dequeue")
        if used:
            what = f"there is no balloon core: the device has isolate_page, {new.migrate_name} and putback_page, and keeps "
            yield Change((), what + "list, lock, marks, references and counters itself; -ENOENT is an error like others", used)


def _form(lines: Lines, old: Era, new: Era) -> Iterator[Change]:
    if old.mapping_argument != new.mapping_argument:
        what = f"{FORMS[old.mapping_argument]} becomes {FORMS[new.mapping_argument]}"
        yield Change(("V8",), what, lines.functions(old.migrate_name))
    if old.no_copy_mode and not new.no_copy_mode:
        used = lines.names("MIGRATE_SYNC_NO_COPY")
        yield Change(("D28",), "MIGRATE_SYNC_NO_COPY is gone: the refusal can go too", used)
    elif new.no_copy_mode and not old.no_copy_mode:
        where = lines.functions("migratepage", "migrate_page")
        yield Change(("D28",), "MIGRATE_SYNC_NO_COPY exists: refuse it with -EINVAL", where)


def _marks_stay(lines: Lines, new: Era) -> Iterator[Change]:
    slots = " and ".join(new.movable_types)
    what = f"operations belong to a page type: vm.set_movable_ops(self, type); there are two slots ({slots}), handle -EBUSY"
    yield Change(("D60",), what, lines.names("address_space", "free_address_space"))
    what = "mark a page with its type (SetPageOffline, SetPageZsmalloc), then SetPageMovableOps, when it can no longer fail"
    yield Change(("D2", "D16", "D58"), what, lines.names("SetPageMovable", "__SetPageMovable"))
    what = "do not take the mark back: type and flag stay until the page is free"
    yield Change(("D19b",), what, lines.names("ClearPageMovable", "__ClearPageMovable"))
    what = "page.private is the back pointer: set it before the mark, clear it under the page lock before the owner's put"
    yield Change(("D59",), what, lines.stores("private") or lines.names("put_page"))
    what = "isolate_page refuses a page whose back pointer is clear; nobody else asks whether it still has an owner"
    yield Change(("D56", "V1"), what, lines.functions("isolate_page"))
    what = "migrate and put-back come for pages that their owner released while they were isolated: return 0, do nothing"
    yield Change(("D56",), what, lines.functions("migratepage", "migrate_page", "putback_page"))
    what = "PageMovable and PageMovableHint become page_has_movable_ops, PageIsolated becomes PageMovableOpsIsolated"
    yield Change((), what, lines.names("PageMovable", "PageMovableHint", "__PageMovable", "PageIsolated"))


def _marks_go(lines: Lines) -> Iterator[Change]:
    yield Change(("D19", "D21"), "clear the mark under the page lock: on success of a move, and before a page is released",
                 lines.stores("private"))  # fmt: skip
    yield Change(("D2",), "mark a page with what vm.address_space() gives, under its lock", lines.names("SetPageMovableOps"))
    yield Change((), "mark with an owner of your own, not with a page type", lines.names("set_movable_ops"))


def _answers(lines: Lines, old: Era, new: Era) -> Iterator[Change]:
    if old.enomem_aborts != new.enomem_aborts:
        what = "-ENOMEM ends that page's run only" if old.enomem_aborts else "-ENOMEM ends the run of every page of the list"
        used = lines.returns("ENOMEM")
        if used:
            yield Change(("D25",), what, used)
    if new.async_first and not old.async_first:
        what = f"every caller tries {new.async_first} passes in MIGRATE_ASYNC first, and again after -EBUSY; all pages of a batch "
        yield Change(("V36", "V9"), what + "are locked then", lines.functions("migratepage", "migrate_page"))
        used = lines.names("lock_page")
        if used:
            yield Change(("V37",), "other pages of yours may be locked meanwhile: only try their locks in callbacks", used)
    if old.core_puts_back and not new.core_puts_back:
        what = "after a final error put-back comes later, from the caller of the loop"
        yield Change(("V12",), what, lines.functions("putback_page"))


def _where(places: tuple[Place, ...]) -> str:
    """Lines in words, those of the driver's own file first."""
    files: dict[str, list[str]] = {}
    for file, line in places:
        files.setdefault(file, []).append(str(line))
    said = (f"line{'s' * (len(lines) > 1)} {', '.join(lines)}{f' of {file}' * bool(file)}" for file, lines in files.items())
    return "; ".join(said)


def report(factory: Any, old: Era, new: Era) -> str:
    """The text of the verb."""
    file, parts = sources_of(factory)
    lines = Lines(parts)
    name = getattr(factory, "__name__", "the driver")
    out = [f"{name} ({file}) from {old.name} to {new.name}:"]
    for change in changes(lines, old, new):
        if not change.lines and change.rules not in ((), ("D57",)):
            where = "nothing found in its code"
        elif not change.lines:
            continue
        else:
            where = _where(change.lines)
        out.append(f"  {' '.join(change.rules) or '-'}: {change.what} ({where})")
    for words, here, there in (("new", new, old), ("no longer", old, new)):
        ids = [id for id, rule in RULES.items() if here.name in rule.eras and there.name not in rule.eras and id[0] == "D"]
        if ids:
            out.append(f"  rules {words}: {' '.join(ids)}")
    out.append(f"Then: movable check ... --era {new.name}")
    return "\n".join(out)
