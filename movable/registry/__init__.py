"""Finds drivers, checks that they can be drivers, and binds them: a factory in, three bound functions out.

A driver is named by its entry point in the group ``movable.drivers`` (a file system: ``movable.filesystems``), as
``module:Class``, or as ``path/to/file.py:Class``. A module (``module`` or ``file.py``) with the three callbacks at its top level
is a driver too. What is found is a *factory*: called with a VM it makes one instance, so that no state is shared between
machines.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from movable import hookspecs
from movable.eras import DEFAULT, ERAS, Era
from movable.errors import MovableError, UsageError, by_hand
from movable.hookspecs import CALLBACKS, MIGRATE_FORMS
from movable.mm.address_space import FORMS, MovableOperations, migrate_form, without_mapping
from movable.registry.filesystems import is_filesystem, meant_as_filesystem, mount_instance, problem_of_filesystem
from movable.supervise.board import preparing

if TYPE_CHECKING:
    from movable.mm.address_space import AddressSpace
    from movable.mm.page import Page
    from movable.mm.vm import VM

GROUPS = ("movable.drivers", "movable.filesystems")
LOADERS = {".c": "movable.c.target:find"}
"""Who makes a factory of a file in another language, by the end of its name: called with the name and what follows the colon.
Beside it ``tidy()`` takes away what is left of a build that was ended."""
Factory = Callable[..., Any]

_HOOKS = (*CALLBACKS, *(form for form in MIGRATE_FORMS if form not in CALLBACKS))
_ARGUMENTS = {name: list(inspect.signature(getattr(hookspecs, name)).parameters) for name in _HOOKS}
KERNEL_NAMES = {"dst": "newpage", "src": "page"}
"""What the migrate callback of kernels from 6.0 on calls the two pages, and what it is given here."""


@dataclass(frozen=True, slots=True)
class Found:
    """One driver that was looked for.

    ``name`` is what it is called, ``distribution`` and ``version`` where it is installed from ("-" for a file or a module),
    ``where`` the object's path, ``problem`` one line when it cannot be used, else "".
    """

    name: str
    distribution: str
    version: str
    where: str
    problem: str
    factory: Factory | None


def manager() -> pluggy.PluginManager:
    """A plug-in manager that knows the contract; register wrappers with it and pass it to ``load``."""
    made = pluggy.PluginManager("movable")
    made.add_hookspecs(hookspecs)
    return made


# --- finding ---


def installed(
    known: Mapping[str, str] | None = None, looking: Callable[[str], None] | None = None
) -> list[Found]:
    """Every driver of the entry-point group, in order of name; one that cannot be used says why and stops nobody.

    A name that several distributions offer is a problem of each of them: it must not depend on the order of installation what it
    means. ``known`` leads from "name module:Class" to problems of drivers that are not imported again; ``looking`` is called with
    the same words before each import.
    """
    points = sorted(_points(), key=lambda point: (point.name, _distribution(point), point.value))
    found = []
    for point in points:
        who = f"{point.name} {point.value}"
        if known is not None and who in known:
            version = point.dist.version if point.dist is not None else "-"
            found.append(Found(point.name, _distribution(point), version, point.value, known[who], None))
            continue
        if looking is not None:
            looking(who)
        found.append(_found(point, [other for other in points if other.name == point.name and other is not point]))
    return found


def _points() -> list[metadata.EntryPoint]:
    return [point for group in GROUPS for point in metadata.entry_points(group=group) if point.group == group]


def _distribution(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "-"


def _found(point: metadata.EntryPoint, others: Sequence[metadata.EntryPoint] = ()) -> Found:
    version = point.dist.version if point.dist is not None else "-"
    factory: Factory | None = None
    try:
        with preparing(f"driver {point.name!r} cannot be imported"):
            factory = _as_factory(point.load(), point.name)
        problem = ""
    except UsageError as error:
        problem = str(error)
    except BaseException as error:
        if by_hand(error):
            raise
        problem = f"cannot be imported: {_last_line(error)}"
    if others and not problem:
        problem = f"offered by {' and '.join(map(_distribution, others))} too; name it as {point.value}"
    return Found(point.name, _distribution(point), version, point.value, problem, factory)


def find(target: str) -> Factory:
    """The factory that ``target`` names: an installed name, ``module:Class``, ``file.py:Class``, a module or a file.

    Raises UsageError, in one line, when there is none, or several distributions offer one, or it cannot be a driver.
    """
    name, _, attribute = target.partition(":")
    loader = LOADERS.get(Path(name).suffix)
    if loader is not None:
        home, _, function = loader.partition(":")
        with preparing(f"driver {target!r} cannot be imported"):
            made: Factory = getattr(importlib.import_module(home), function)(name, attribute)
        return made
    if not attribute and not name.endswith(".py"):
        points = [point for point in _points() if point.name == name]
        if len(points) > 1:
            offers = " and ".join(sorted(f"{_distribution(point)} ({point.value})" for point in points))
            raise UsageError(f"driver {name!r} is offered by {offers}; name one of them as module:Class")
        if points:
            found = _found(points[0])
            if found.factory is None:
                raise UsageError(f"driver {name!r} of {found.distribution} {found.problem}")
            return found.factory
    return _as_factory(look_up(target), target)


def factory_of(target: str | Factory) -> Factory:
    """The factory that is named, or a class that can be a driver as it is. Raises UsageError, in one line, for what cannot."""
    if isinstance(target, str):
        return find(target)
    if inspect.isclass(target):
        validate(target, target.__name__)
    return target


def with_options(target: str, options: list[str]) -> str:
    """A target with more options for its loader. Raises UsageError for one that has none."""
    if not options:
        return target
    name, colon, _ = target.partition(":")
    if Path(name).suffix not in LOADERS:
        raise UsageError(f"{target!r} is not built here: -D, -I and --kernel-tree are for drivers in C")
    return f"{target}{',' if colon else ':'}{','.join(options)}"


def is_built(target: str) -> bool:
    """Whether a target is the source of a driver in another language."""
    return Path(target.partition(":")[0]).suffix in LOADERS


def tidy(target: str) -> None:
    """Take away what is left of the build of a driver in another language whose process was ended."""
    importlib.import_module(LOADERS[Path(target.partition(":")[0]).suffix].partition(":")[0]).tidy()


def own_era(driver: Any) -> str:
    """The era that a driver is written for, as far as its source says so; the default of all others."""
    return str(getattr(driver, "own_era", DEFAULT))


def look_up(target: str) -> Any:
    """What ``module:Class``, ``file.py:Class``, a module or a file is the name of. Raises UsageError, in one line, for nothing."""
    name, _, attribute = target.partition(":")
    with preparing(f"driver {target!r} cannot be imported"):
        source = _load_file(Path(name)) if name.endswith(".py") else _load_module(name, target)
    if not attribute:
        return source
    try:
        return getattr(source, attribute)
    except AttributeError:
        near = ", ".join(_classes(source)) or "no class with the three callbacks"
        raise UsageError(f"{name} has no {attribute!r}; it has {near}") from None


def _reach(directory: Path) -> None:
    """Let modules in a directory be imported, after all others: the script of a console has no directory of its own."""
    place = str(directory.absolute())
    if place not in sys.path:
        sys.path.append(place)


def _load_module(name: str, target: str) -> ModuleType:
    _reach(Path())
    try:
        return importlib.import_module(name)
    except ValueError:
        raise UsageError(f"{target!r} names no module; name a driver as module:Class or file.py:Class") from None
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            names = ", ".join(point.name for point in _points()) or "none"
            raise UsageError(
                f"unknown driver {target!r}; installed are {names}; or name one as module:Class or file.py:Class"
            ) from None
        raise UsageError(f"driver {target!r} cannot be imported: {_last_line(error)}") from None
    except BaseException as error:
        if by_hand(error):
            raise
        raise UsageError(f"driver {target!r} cannot be imported: {_last_line(error)}") from None


def _load_file(path: Path) -> ModuleType:
    """Execute a file as a module of its own, anew each time, so that edits are seen."""
    if not path.is_file():
        raise UsageError(f"no file {str(path)!r}; name a driver as file.py:Class")
    name = f"movable_driver_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    _reach(path.parent)  # a file may import its neighbours, as a script may
    home = path.absolute().parent
    while (home / "__init__.py").is_file():
        home = home.parent
    _reach(home)  # and one of a package that package, by its name
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if by_hand(error):
            raise
        raise UsageError(f"driver {str(path)!r} cannot be imported: {_last_line(error)}") from None
    return module


def _classes(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and (_complete(value) or (is_filesystem(value) and value.__module__ == module.__name__))
    ]


def _complete(owner: Any) -> bool:
    """Whether all three callbacks are there, in one form or the other, or none in a device of the balloon core."""
    rest = all(hasattr(owner, name) for name in CALLBACKS if name not in MIGRATE_FORMS)
    return _is_device(owner) or (rest and any(hasattr(owner, form) for form in MIGRATE_FORMS))


def _is_device(owner: Any) -> bool:
    """Whether it is a device of the balloon core: the core has the callbacks, and calls the hook of the device's BalloonDevInfo."""
    return getattr(owner, "balloon_device", False) is True and not any(hasattr(owner, name) for name in _HOOKS)


def _last_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1]}" if text else type(error).__name__


# --- validating ---


def _as_factory(candidate: Any, name: str) -> Factory:
    """``candidate`` as a factory. Raises UsageError that names the plug-in, the hook and the definition."""
    if isinstance(candidate, ModuleType):
        classes = _classes(candidate)
        own = [one for one in classes if getattr(candidate, one).__module__ == candidate.__name__] or classes
        if any(hasattr(candidate, callback) for callback in _HOOKS) or not own:
            validate(candidate, name)
            return _ModuleFactory(candidate)
        if len(own) > 1:
            raise UsageError(f"{name} has several drivers; name one of them: {', '.join(f'{name}:{one}' for one in own)}")
        candidate = getattr(candidate, own[0])
    if not inspect.isclass(candidate):
        if _complete(candidate):
            raise UsageError(f"{name} is an instance; give the class, so that every machine gets its own")
        if not callable(candidate):
            raise UsageError(f"{name} is a {type(candidate).__name__}, not a driver class")
    else:
        validate(candidate, name)
    factory: Factory = candidate
    return factory


class _ModuleFactory:
    """Makes a fresh copy of a module for every machine, and hands it ``vm`` and ``mapping``."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.__name__ = module.__name__

    def __call__(self, vm: VM, **options: Any) -> ModuleType:
        spec = self.module.__spec__
        if spec is None or spec.loader is None:
            raise UsageError(f"module {self.module.__name__} has no source to make a fresh copy from")
        copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
        names = vars(copy)
        names["vm"] = vm
        names["mapping"] = vm.address_space(copy, copy.__name__)
        if "init_module" in names:
            names["init_module"](vm, **options)
        return copy


@lru_cache(maxsize=256)
def _checked(owner: Any, name: str) -> str:
    if _is_device(owner):
        return ""
    for callback in _HOOKS:
        function = getattr(owner, callback, None)
        if function is None and callback in MIGRATE_FORMS and any(hasattr(owner, form) for form in MIGRATE_FORMS):
            continue
        if function is None:
            device = "a device of the balloon core of 7.3, which has none of them, says balloon_device = True"
            return f"{name} has no {callback}(); a driver defines {', '.join(CALLBACKS)} (from 6.0 on migrate_page); {device}"
        if not callable(function):
            return f"{name}.{callback} is a {type(function).__name__}, not a function"
        problem = _arguments(owner, function, callback, name)
        if problem:
            return problem
    for attribute in vars(owner):
        if attribute.startswith("_") or attribute in _HOOKS:
            continue
        if getattr(vars(owner)[attribute], "movable_impl", None):
            return f"{name}.{attribute} is marked as a hook, but no hook has that name; hooks are {', '.join(CALLBACKS)}"
    if inspect.isclass(owner) and owner.__hash__ is None:
        return f"{name} compares by value (a dataclass with eq=True?); use @dataclass(eq=False), so that instances stay apart"
    return ""


def _arguments(owner: Any, function: Any, callback: str, name: str) -> str:
    """Why a callback of a driver cannot be called, which gets its arguments by name, or ""."""
    allowed = _ARGUMENTS[callback]
    for parameter in _declared(owner, function, callback):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return f"{name}.{callback} takes {parameter}; name the arguments: ({', '.join(allowed)})"
        if parameter.name not in allowed and parameter.default is parameter.empty:
            other = _other_form(callback, parameter.name)
            return f"{name}.{callback} wants an argument {parameter.name!r}; it gets ({', '.join(allowed)}){other}"
    return _plain(function, callback, name)


def _other_form(callback: str, argument: str) -> str:
    """Where an argument is one of the other form of the migrate callback: which kernels call that; or a name of theirs: ours."""
    if argument in KERNEL_NAMES and callback in MIGRATE_FORMS:
        return f"; what the kernel calls {argument} is {KERNEL_NAMES[argument]} here"
    if argument != "mapping" or callback not in MIGRATE_FORMS:
        return ""
    old = ", ".join(era.kernels for era in ERAS.values() if era.mapping_argument)
    return f"; kernels {old} give a mapping, and call {FORMS[True]}: rename it for them, or take the mapping out"


def _in_order(owner: Any, function: Any, callback: str, name: str) -> str:
    """The same of an operation of a file system, which gets its arguments in order, whatever it calls them."""
    wanted = list(inspect.signature(getattr(hookspecs, callback)).parameters)
    taken = _declared(owner, function, callback)
    try:
        inspect.Signature(taken).bind(*wanted)
    except TypeError:
        return f"{name}.{callback} takes ({', '.join(map(str, taken))}); it gets ({', '.join(wanted)})"
    return _plain(function, callback, name)


def _declared(owner: Any, function: Any, callback: str) -> list[inspect.Parameter]:
    """The parameters of a function, without ``self``."""
    parameters = list(inspect.signature(function).parameters.values())
    static = inspect.isclass(owner) and isinstance(inspect.getattr_static(owner, callback), staticmethod)
    return parameters[1:] if inspect.isclass(owner) and not static else parameters


def _plain(function: Any, callback: str, name: str) -> str:
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return f"{name}.{callback} is asynchronous or a generator; a callback is a plain function"
    return ""


def validate(owner: Any, name: str) -> None:
    """Check a driver class or module: all callbacks present, names spelt right, arguments accepted, instances kept apart.

    Raises UsageError, one line, naming the plug-in, the hook and what it should be.
    """
    if is_filesystem(owner):
        problem = problem_of_filesystem(owner, name, _in_order)
    else:
        problem = meant_as_filesystem(owner) or _checked(owner, name)
    if problem:
        raise UsageError(problem)


# --- binding ---


def bind(driver: Any, era: Era = ERAS[DEFAULT], plugins: pluggy.PluginManager | None = None) -> MovableOperations:
    """The callbacks of one instance as three plain functions, called by position.

    The migrate callback is the one that kernels of ``era`` call; the loop calls it with the mapping in front in every era. A
    callback that takes every argument of its hook in order is used as it is. Where ``plugins`` holds hook wrappers, the slow caller
    that honours them takes its place. Raises UsageError, with what to change, for a driver in the form of another era.
    """
    form = migrate_form(driver, era)
    migrate = _raw(driver, form)
    raw = MovableOperations(
        _raw(driver, "isolate_page"),
        migrate if "mapping" in _ARGUMENTS[form] else without_mapping(migrate),
        _raw(driver, "putback_page"),
    )
    if plugins is None or not any(
        impl.wrapper or impl.hookwrapper for name in _HOOKS for impl in getattr(plugins.hook, name).get_hookimpls()
    ):
        return raw
    return _wrapped(raw, plugins, form)


def _raw(driver: Any, name: str) -> Any:
    function = getattr(driver, name)
    wanted = _ARGUMENTS[name]
    taken = _parameters(function)
    if [parameter.name for parameter in taken if parameter.kind != parameter.KEYWORD_ONLY] == wanted:
        return function
    places = [wanted.index(p.name) for p in taken if p.name in wanted and p.kind == p.POSITIONAL_ONLY]
    keywords = {p.name: wanted.index(p.name) for p in taken if p.name in wanted and p.kind != p.POSITIONAL_ONLY}
    return lambda *arguments: function(
        *(arguments[place] for place in places), **{key: arguments[place] for key, place in keywords.items()}
    )


def _parameters(function: Any) -> list[inspect.Parameter]:
    """The arguments of a bound callback; looked up once for each definition."""
    plain = getattr(function, "__func__", None)
    return _defined(plain)[1:] if inspect.isfunction(plain) else list(inspect.signature(function).parameters.values())


@lru_cache(maxsize=256)
def _defined(function: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


class _Innermost:
    """One driver's raw callbacks, as the implementation that hook wrappers wrap."""

    def __init__(self, raw: MovableOperations) -> None:
        self.raw: Any = raw

    @hookspecs.hookimpl
    def isolate_page(self, page: Page, mode: int) -> Any:
        return self.raw.isolate_page(page, mode)

    @hookspecs.hookimpl
    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> Any:
        return self.raw.migratepage(mapping, newpage, page, mode)

    @hookspecs.hookimpl
    def migrate_page(self, newpage: Page, page: Page, mode: int) -> Any:
        return self.raw.migratepage(page.vm.owner_of(page), newpage, page, mode)

    @hookspecs.hookimpl
    def putback_page(self, page: Page) -> Any:
        return self.raw.putback_page(page)


def _wrapped(raw: MovableOperations, plugins: pluggy.PluginManager, form: str) -> MovableOperations:
    """pluggy's calls over the wrappers and this one driver; nobody else's implementation can answer for it."""
    private = manager()
    for plugin in plugins.get_plugins():
        private.register(plugin)
    private.register(_Innermost(raw))
    hook: Any = private.hook
    return MovableOperations(
        lambda page, mode: hook.isolate_page(page=page, mode=mode),
        (lambda mapping, newpage, page, mode: hook.migratepage(mapping=mapping, newpage=newpage, page=page, mode=mode))
        if form == "migratepage"
        else (lambda mapping, newpage, page, mode: hook.migrate_page(newpage=newpage, page=page, mode=mode)),
        lambda page: hook.putback_page(page=page),
    )


def load(vm: VM, target: str | Factory, *, plugins: pluggy.PluginManager | None = None, **options: Any) -> Any:
    """Make one instance of a driver on a machine.

    ``target`` is a factory or a name for ``find``. ``plugins`` may hold hook wrappers. ``options`` go to the factory. A file system
    is mounted, and what is returned is its ``SuperBlock``. Raises UsageError for a driver that cannot be used or does not accept
    the options.
    """
    factory = find(target) if isinstance(target, str) else _as_factory(target, getattr(target, "__name__", "driver"))
    name = getattr(factory, "__name__", str(target))
    vm.binder = lambda driver, era: bind(driver, era, plugins)
    try:
        inspect.signature(factory).bind(vm, **options)
    except TypeError as error:
        raise UsageError(f"{name} cannot be made: {error}") from None
    try:
        driver = factory(vm, **options)
    except BaseException as error:
        if by_hand(error) or isinstance(error, MovableError):
            raise
        raise UsageError(f"{name}(vm) failed: {_last_line(error)}") from error
    if is_filesystem(type(driver)):
        return mount_instance(vm, driver, name)
    vm.drivers.append(driver)
    return driver
