"""Arrays and bytearrays that announce what they are asked: an item, or the whole.

C code that is given a buffer (``struct.pack_into``, ``memoryview``) reads and writes it without asking its methods.
"""

import array
import types
from typing import Any, ClassVar

from movable.explore.instrument.class_swap import flat
from movable.explore.instrument.containers import READS, Container, announce, operand


class _Buffer(Container):
    __slots__ = ()

    def __getitem__(self, at: Any) -> Any:
        self._at("r", at)
        return self.raw.__getitem__(self, at)

    def __setitem__(self, at: Any, value: Any) -> None:
        value = operand(value)
        self._at("w", at)
        self.raw.__setitem__(self, at, value)

    def _bare(self) -> Any:
        return self.raw.__getitem__(self, slice(None))


class HookedArray(_Buffer, array.array):  # type: ignore[type-arg]
    """An array whose accesses are scheduling points."""

    __slots__ = ()
    raw: ClassVar[Any] = array.array

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (array.array, (self.typecode, list(self._bare())))


class _Bytes(_Buffer, bytearray):
    __slots__ = ()
    raw: ClassVar[Any] = bytearray

    def __bytes__(self) -> bytes:
        self._whole("r")
        return bytes(self._bare())

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._whole("r")
        return (bytearray, (bytes(self._bare()),))


_WRITES = (
    "__delitem__ __iadd__ __imul__ append clear extend fromlist frombytes fromunicode fromfile byteswap insert pop remove reverse"
)


_METHOD = (types.MethodDescriptorType, types.WrapperDescriptorType)


def _announce_all(cls: Any) -> None:
    """Every method that is not announced yet: a buffer has many that only read."""
    announce(cls, "w", _WRITES)
    known = {*dir(object), *vars(cls), *vars(_Buffer), *vars(Container)}
    methods = [name for name, value in vars(cls.raw).items() if isinstance(value, _METHOD)]
    announce(cls, "r", " ".join(name for name in methods if name not in known))
    announce(cls, "r", READS)


_announce_all(HookedArray)
_announce_all(_Bytes)
HookedBytearray: Any = flat(_Bytes, bytearray)
"""A bytearray whose accesses are scheduling points."""
