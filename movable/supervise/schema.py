"""Plain values to dataclasses, by their annotations: what comes from a worker has the types that are expected, or is refused."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Misfit(ValueError):
    """A value of another type than its annotation says."""


def to_record(value: Any) -> Any:
    """A dataclass, and what it holds, as plain values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_record(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_record(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_record(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_record(one) for one in value), key=repr)
    return value


_known: dict[str, Any] = {}


def know(*kinds: type) -> None:
    """Classes that a dataclass names in annotations, and that its module imports for the type checker only."""
    _known.update({kind.__name__: kind for kind in kinds})


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, localns=_known)


def from_record(kind: type[T], value: Any) -> T:
    """The dataclass ``kind`` again. Raises Misfit that names the field."""
    made: T = _read(kind, value, kind.__name__)
    return made


def from_value(kind: Any, value: Any) -> Any:
    """A value as an annotation wants it. Raises Misfit."""
    return _read(kind, value, getattr(kind, "__name__", str(kind)))


def _read(kind: Any, value: Any, where: str) -> Any:
    """One value as an annotation wants it."""
    if kind is Any:
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if origin in (list, set, frozenset, tuple):
        inner = arguments[0] if arguments else Any
        found = [_read(inner, one, f"{where}[{at}]") for at, one in enumerate(_wanted(list, value, where))]
        return origin(found)
    if origin is Counter or kind is Counter:
        return Counter({key: _wanted(int, one, f"{where}.{key}") for key, one in _wanted(dict, value, where).items()})
    if origin is dict:
        return {key: _read(arguments[1], one, f"{where}.{key}") for key, one in _wanted(dict, value, where).items()}
    return _wanted(kind, value, where)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _read(kind, value, where)
        except Misfit:
            continue
    raise Misfit(f"{where} is a {type(value).__name__}")


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    record = _wanted(dict, value, where)
    hints = _hints(kind)
    known = {one.name for one in fields(kind) if one.init}
    if not record.keys() <= known:
        raise Misfit(f"{where} has no {sorted(record.keys() - known)[0]!r}")
    try:
        return kind(**{name: _read(hints[name], one, f"{where}.{name}") for name, one in record.items()})
    except TypeError as error:
        raise Misfit(f"{where}: {error}") from None


def _wanted(kind: Any, value: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise Misfit(f"{where} is a {type(value).__name__}, and no {getattr(kind, '__name__', kind)}")
    return value
