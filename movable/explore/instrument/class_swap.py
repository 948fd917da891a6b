"""Another class for an object that exists already, so that whoever holds it sees the change: variables, closures, C code.

Python allows ``obj.__class__ = cls`` for classes made by a class statement only, because the small numbers and strings of the
interpreter are shared by everybody. A dict or list is not; what matters for it is that both classes lay their objects out
alike, which a subclass with empty ``__slots__`` does, and which `swap` checks. It then writes the one field that
``__class__`` would write, and keeps the count of references that every object of a made class has to its class.
"""

import ctypes
import sys
from functools import cache
from typing import Any, ClassVar

from movable.explore.failure import ExploreError

ORIGINAL: dict[type, type] = {}
"""Hooking class -> the class as written."""

HEAP = 1 << 9
"""The flag of a class made by a class statement, or by C code at run time: its objects hold a reference to it."""

_LAYOUT = 1 << 14 | 1 << 4 | 1 << 3 | 1 << 2
"""The flags that speak of fields in front of an object: of the garbage collector, and of dicts and weak references."""

_FIELD = object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p)
"""Where the class is written: the last field of the head that all objects have."""

_set_class = object.__dict__["__class__"].__set__
_take: Any = ctypes.pythonapi.Py_IncRef
_drop: Any = ctypes.pythonapi.Py_DecRef
_take.argtypes = _drop.argtypes = [ctypes.py_object]
_take.restype = _drop.restype = None


def plain(cls: type) -> type:
    """The class as written, of a class that may be a hooking one."""
    return ORIGINAL.get(cls, cls)


def swap(obj: object, cls: type, *, builtin: bool = False) -> None:
    """Give ``obj`` the class ``cls``; objects of built-in classes only with ``builtin``. Raises TypeError."""
    old: Any = type(obj)
    if not builtin:
        _set_class(obj, cls)
    elif old is not cls:
        if not _alike(old, cls):
            raise TypeError(f"{old.__name__} objects cannot become {cls.__name__} objects")
        if cls.__flags__ & HEAP:
            _take(cls)
        ctypes.c_void_p.from_address(id(obj) + _FIELD).value = id(cls)
        if old.__flags__ & HEAP:
            _drop(old)


class _Spec(ctypes.Structure):
    """PyType_Spec of Python's C interface."""

    _fields_: ClassVar = [
        ("name", ctypes.c_char_p), ("basicsize", ctypes.c_int), ("itemsize", ctypes.c_int), ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    ]  # fmt: skip


def flat(body: type, base: type) -> Any:
    """A class with the attributes of ``body``, derived from its bases, whose objects lie in memory like those of ``base``.

    For a base whose objects the garbage collector does not know: a class statement would add the collector's fields.
    """
    slots = (ctypes.c_char * 16)()  # no slots: a zero of a number and a null pointer
    spec = _Spec(f"{body.__module__}.{body.__name__}".encode(), 0, 0, HEAP | 1 << 10, ctypes.addressof(slots))
    make: Any = ctypes.pythonapi.PyType_FromSpecWithBases
    make.argtypes, make.restype = [ctypes.POINTER(_Spec), ctypes.py_object], ctypes.py_object
    cls = make(ctypes.byref(spec), body.__mro__[1:-1])
    for name, value in vars(body).items():
        if name not in ("__dict__", "__weakref__", "__slots__"):
            setattr(cls, name, value)
    return cls


@cache
def _alike(one: Any, two: Any) -> bool:
    """Whether the objects of two classes lie in memory alike."""
    if sys.implementation.name != "cpython" or ctypes.c_void_p.from_address(id(one) + _FIELD).value != id(type(one)):
        raise ExploreError("containers cannot be hooked in this Python; use CPython")
    names = ("__basicsize__", "__itemsize__", "__dictoffset__", "__weakrefoffset__")
    same: bool = all(type.__getattribute__(one, name) == type.__getattribute__(two, name) for name in names)
    return same and one.__flags__ & _LAYOUT == two.__flags__ & _LAYOUT
