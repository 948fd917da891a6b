"""The workload of a C file that brings no Python: operations from its movable.toml, or from what it exports."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

from movable.c.bridge.requests.memory import drop_slab
from movable.c.build import source
from movable.c.build.source import Function, exported, function, is_balloon
from movable.c.config import Settings
from movable.c.driver import P_OPS, PARAM, Driver
from movable.c.workload import Workload
from movable.errors import UsageError
from movable.workload.scenario import Scenario, op, teardown
from movable.workload.workload import GIVEN_BACK, Operation, handle

MAX_PAIRS = 10
"""Pairs of exported functions that are run at the same time, beside what is derived."""
NUMBERS_BELOW = 8
"""Numbers that a plain exported function is called with are below this."""
SHRINKER = re.compile(r"\b(register_shrinker(_prepared)?|shrinker_register)\b")
RANGE = re.compile(r"\s*(-?\w+)\s*\.\.\s*(-?\w+)\s*")


def workload_of(driver: type[Driver], settings: Settings, text: str) -> type[Workload]:
    """A workload class for a driver class, whose first source has this text."""
    texts = [text, *(source.read(path) for path in settings.sources)]
    members: dict[str, Any] = {
        "__doc__": f"What keeps {driver.__name__} busy.",
        "__module__": __name__,
        "factory": driver,
        "preserves_content": not is_balloon(text) if settings.content_moves is None else settings.content_moves,
        "may_refuse": settings.may_refuse,
        "may_release_isolated": settings.may_release_isolated,
        "settings": settings,
        "busy": tuple(_free(name) for name, table in settings.operations.items() if table.get("busy")),
    }
    plain: list[Function] = []
    if settings.operations:
        for name, table in settings.operations.items():
            members[_free(name)] = _operation(driver, name, table, texts)
    else:
        there = driver.load().has  # the rest of what is exported stands in an #if that is not taken
        every = [found for one in texts for found in exported(one)]
        plain = [found for found in every if found.scalar and len(found.arguments) <= 4 and there(found.name)]
        members |= {_free(found.name): _plain(found) for found in plain}
        members["scenarios"] = _scenarios(plain)
    if not any("parameter" in table for table in settings.operations.values()):
        for name in _setters(driver):
            members.setdefault(f"set_{name}", _setter(f"set_{name}", name, "1"))
    if any(SHRINKER.search(source.code_of(one)) for one in texts):
        members.setdefault("drop_slab", _named("drop_slab", {}, _drop_slab))
        members["busy"] += ("drop_slab",)
        members["scenarios"] = (*members.get("scenarios", ()), *_asked_while(settings, plain))
    _check_names(driver, settings, texts)
    return type(f"{driver.__name__}_workload", (Generic,), members)


def _defined(driver: type[Driver], texts: list[str], name: str) -> tuple[Function | None, str]:
    """The definition of a function, and in words where it stands."""
    for number, text in enumerate(texts):
        found = function(text, name)
        if found is not None:
            return found, f"line {found.line}{f' of {driver.recipe().sources[number].name}' if number else ''}"
    return None, ""


def _check_names(driver: type[Driver], settings: Settings, texts: list[str]) -> None:
    """Raise UsageError for a key whose value is no name of the driver's, or one of another kind."""
    image = driver.load()
    for key, arguments in (("setup", 0), ("teardown", 0), ("read", 1), ("count", -1)):
        name = getattr(settings, key)
        if not name:
            continue
        where = f'{driver.name()}: {key} = "{name}"'
        image.at(name)
        known, line = _defined(driver, texts, name)
        if (known is None) != (arguments < 0):
            raise UsageError(f"{where} is a {'variable; name a function' if known is None else 'function; name a variable'}")
        if known is not None and len(known.arguments) != arguments:
            raise UsageError(f"{where} takes {len(known.arguments)} arguments in {line}, and is called with {arguments}")
        if known is None and image.size(name) > 8:
            raise UsageError(f"{where} has {image.size(name)} bytes; name a variable that is a number")


class Generic(Workload):
    """Calls what a file exports. The model holds for each handle what ``read`` answered when it was made."""

    settings: Settings = Settings()
    advice = "name operations that make movable pages in movable.toml beside the file, or export functions that take numbers"

    def setup(self) -> Any:
        """The module, and what the author wants to be called once it is there."""
        driver = super().setup()
        if self.settings.setup:
            answer = driver.call(self.settings.setup)
            if answer:
                raise UsageError(f"{driver.name()}: {self.settings.setup}() returned {answer}")
        return driver

    def teardown(self) -> None:
        """What the author wants to be called before the module goes, and its end."""
        if self.settings.teardown:
            self.driver.call(self.settings.teardown)
        super().teardown()

    def read(self, key: Any) -> Any:
        """What the driver's own reading function answers."""
        if not self.settings.read:
            return self.model.get(key)
        answer = self.driver.call(self.settings.read, key)
        return GIVEN_BACK if answer < 0 and self.driver.c.dropped else answer

    def reads_back(self) -> bool:
        """Only a file that names its reading function promises less than whole pages."""
        return bool(self.settings.read)

    def invariant(self) -> None:
        """The driver's count is the number of handles."""
        if self.settings.count and self.alone:
            count = self.driver.var(self.settings.count)
            assert count == len(self.model), f"{self.settings.count} is {count}, and there are {len(self.model)}"


def _free(name: str) -> str:
    """A name for an operation that none of a workload's own methods has."""
    return f"{name}_" if hasattr(Generic, name) or name in ("model", "driver", "vm") else name


def _named(name: str, arguments: dict[str, Any], body: Callable[..., object]) -> Any:
    """A method that is an operation."""

    def method(self: Generic, **given: Any) -> object:
        return body(self, given)

    method.__name__ = method.__qualname__ = _free(name)
    method.movable_operation = Operation(method, arguments)  # type: ignore[attr-defined]
    return method


def _drop_slab(self: Generic, given: dict[str, Any]) -> object:
    """Memory is short: the driver's shrinkers are asked. A handle that cannot be read afterwards was given back."""
    done = drop_slab(self.driver.c)
    self.driver.c.dropped |= not self.alone
    if self.alone and self.settings.read:
        for key in list(self.model):
            if self.read(key) < 0:
                del self.model[key]
    return True if done else None


def _plain(found: Function) -> Any:
    """A function that is called with small numbers; its answer says nothing."""
    from hypothesis import strategies as st

    names = [name for name, _ in found.arguments]

    def body(self: Generic, given: dict[str, Any]) -> object:
        self.driver.call(found.name, *(given[name] for name in names))
        return True  # what it answers is nobody's promise

    return _named(found.name, {name: st.integers(0, NUMBERS_BELOW - 1) for name in names}, body)


def _scenarios(functions: list[Function]) -> tuple[Scenario, ...]:
    """Each two of the functions at the same time: in the beginning, after what the file exports before them was called, and after
    each was called once. What they do to the driver's own state shows nowhere else; a file mostly begins with what makes things."""
    calls = {one.name: op(_free(one.name), **{name: 0 for name, _ in one.arguments}) for one in functions}
    pairs = list(combinations_with_replacement(calls, 2))[:MAX_PAIRS]
    names, found = list(calls), []
    for a, b in pairs:
        earlier = names[: names.index(a)]
        befores = {(): "", tuple(earlier): f", after {' and '.join(earlier)}", tuple(names): ", each called before"}
        for before, words in befores.items():
            name = f"{a} || {b}{words if before else ''}"
            found.append(Scenario(name, ((calls[a],), (calls[b],)), tuple(calls[one] for one in before)))
    return tuple(found)


def _asked_while(settings: Settings, plain: list[Function]) -> tuple[Scenario, Scenario]:
    """Two who are short of memory ask the shrinkers, which have something to give: a kernel lets them. And one asks while the
    driver is removed, which nothing holds off before it says so. What makes things is the first operation that says so, or the
    first function."""
    makers = [(_free(name), table) for name, table in settings.operations.items() if table.get("makes")]
    before = [op(name, **_given(table, number)) for name, table in makers[:1] for number in range(2)]
    before += [op(_free(one.name), **{name: number for name, _ in one.arguments}) for one in plain[:1] for number in (2, 3)]
    ask = (op("drop_slab"),)
    return (
        Scenario("drop_slab || drop_slab", (ask, ask), tuple(before)),
        Scenario("tear-down || drop_slab", ((teardown(),), ask), tuple(before)),
    )


def _given(table: dict[str, Any], number: int) -> dict[str, int]:
    """Arguments of an operation, the name that it makes another one for each number."""
    found = {}
    for argument, value in table.get("arguments", {}).items():
        match = RANGE.fullmatch(value) if isinstance(value, str) else None
        every = range(int(match[1], 0), int(match[2], 0) + 1) if match else value if isinstance(value, list) else [value]
        found[argument] = every[min(number, len(every) - 1)] if argument == table["makes"] else every[0]
    return found


def _setters(driver: type[Driver]) -> list[str]:
    """Parameters that can be written to while the module is loaded, through functions of their own."""
    image = driver.load()
    found = []
    for symbol in image.symbols:
        if symbol.startswith(PARAM):
            at = image.at(symbol)
            ops, mode = image.runtime.peek(at + P_OPS, 8), image.runtime.peek(at + 24, 2)
            if ops and mode & 0o222:
                found.append(symbol[len(PARAM) :])
    return found


def _setter(name: str, parameter: str, value: str) -> Any:
    def body(self: Generic, given: dict[str, Any]) -> object:
        self.driver.set_param(parameter, given.get("value", value))
        return True

    return _named(name, {}, body)


def _operation(driver: type[Driver], name: str, table: dict[str, Any], texts: list[str]) -> Any:
    if "parameter" in table:
        return _setter(name, str(table["parameter"]), str(table.get("value", "1")))
    called = str(table.get("call", name))
    driver.load().at(called)
    given = table.get("arguments", {})
    if not isinstance(given, dict):
        raise UsageError(f'operation {name}: arguments: write a table, such as {{ id = "1..100" }}')
    known, line = _defined(driver, texts, called)
    if known is not None and len(known.arguments) != len(given):
        wanted = ", ".join(one for one, _ in known.arguments) or "none"
        raise UsageError(f"operation {name}: {called}() in {line} takes {len(known.arguments)} arguments ({wanted}), "
                         f"and {len(given)} are described")  # fmt: skip
    arguments = {argument: _strategy(name, argument, value) for argument, value in given.items()}
    makes, ends = table.get("makes", ""), table.get("ends", "")
    for key in (makes, ends):
        if key and key not in arguments and key != "answer":
            raise UsageError(f"operation {name}: {key!r} is none of its arguments: {', '.join(arguments) or 'there are none'}")
    silent = known is not None and known.returns.split()[-1] == "void"
    looks = known is not None and "EEXIST" in known.body
    return _named(name, arguments, lambda self, drawn: _do(self, called, silent, looks, arguments, makes, ends, drawn))


def _do(
    self: Generic, called: str, silent: bool, looks: bool, arguments: dict[str, Any], makes: str, ends: str, drawn: dict[str, Any]
) -> object:
    """Call a function; one that is ``silent`` answers nothing, and that is no refusal.

    A name that is taken is made again only where the function ``looks`` whether it is: others trust their callers.
    """
    if makes and makes != "answer" and drawn[makes] in self.model and not (looks and self.alone):
        return None
    answer = self.driver.call(called, *(drawn[name] for name in arguments)) * (not silent)
    if answer < 0:
        return None
    if ends:
        self.model.pop(drawn[ends], None)
    if not makes:
        return answer
    key = answer if makes == "answer" else drawn[makes]
    self.model[key] = self.driver.call(self.settings.read, key) if self.settings.read else key
    return key


def _strategy(operation: str, name: str, value: Any) -> Any:
    from hypothesis import strategies as st

    if value == "handle":
        return handle()
    if isinstance(value, int):
        return st.just(value)
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return st.sampled_from(value)
    found = RANGE.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is not None and int(found[1], 0) <= int(found[2], 0):
            return st.integers(int(found[1], 0), int(found[2], 0))
    except ValueError:
        pass
    raise UsageError(f'operation {operation}: {name} = {value!r}: write "1..100", a number, a list of numbers or "handle"')


def __getattr__(name: str) -> Any:
    """The workload of a target, ``FILE.c:OPTIONS``: other processes name classes by their module and qualified name."""
    file, colon, options = name.partition(":")
    if not colon:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from movable.c.target import find

    return vars(find(file, options))["workload"]
