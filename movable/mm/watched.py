"""A page whose fields are watched: what a driver does to them becomes scheduling points and events.

Installing a seam turns every page of the machine into this class. Core code uses the underscored slots and is not seen here;
a driver uses the plain names and is.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from movable.mm.list import list_name, watch
from movable.mm.movable_ops import cleared_private
from movable.mm.page import Page
from movable.mm.page_flags import PAGE_MAPPING_FLAGS, PAGE_MAPPING_MOVABLE

if TYPE_CHECKING:
    from movable.mm.list import ListHead

__tracebackhide__ = True  # no place where something happens, for whoever shows where tasks stand

WRITABLE = 0x1
"""The flag of a consumer that asks for a buffer in order to write into it (PyBUF_WRITABLE)."""


class WatchedData:
    """The content of a watched page, or a part of it: a memoryview whose every use is a scheduling point.

    To take it, or a slice of it, is no access; to read an item, compare, copy, write, or hand it to something that wants a buffer
    is one. What is done later through a `memoryview` made of it is not seen.
    """

    __slots__ = ("_page", "_view")

    def __init__(self, page: Page, view: memoryview) -> None:
        self._page = page
        self._view = view

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return memoryview

    def _point(self, op: str) -> None:
        seam = self._page.seam
        if seam is not None:
            seam.point(op, ("page", self._page.pfn, "data"))
            if op == "w":
                seam.event("write_data", self._page)
            elif not self._page._refcount:
                seam.event("touch", self._page, field="data", write=False, changed=0, list="")

    def __getitem__(self, where: Any) -> Any:
        if isinstance(where, slice):
            return WatchedData(self._page, self._view[where])
        self._point("r")
        return self._view[where]

    def __setitem__(self, where: Any, value: Any) -> None:
        if type(value) is WatchedData:
            value = value._copy()
        self._point("w")
        self._view[where] = value

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._copy())

    def __eq__(self, other: object) -> bool:
        if type(other) is WatchedData:
            other = other._copy()
        self._point("r")
        return self._view == other

    __hash__ = None  # type: ignore[assignment]

    def _copy(self) -> memoryview:
        self._point("r")
        copy: Any = memoryview(self._view.tobytes())
        return cast(memoryview, copy.cast(self._view.format))

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def tobytes(self) -> bytes:
        """A copy of the bytes."""
        self._point("r")
        return self._view.tobytes()

    def tolist(self) -> list[Any]:
        """A copy of the items."""
        self._point("r")
        return self._view.tolist()

    def hex(self, *how: Any, **more: Any) -> str:
        """The bytes as two digits each."""
        self._point("r")
        return self._view.hex(*how, **more)

    def cast(self, *how: Any) -> WatchedData:
        """The same memory with items of another format."""
        return WatchedData(self._page, self._view.cast(*how))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)  # the shape and the like, which never change

    def __enter__(self) -> WatchedData:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def release(self) -> None:
        """Nothing: the machine keeps its memory."""

    def __buffer__(self, flags: int) -> memoryview:
        seam = self._page.seam
        try:
            self._point("w" if flags & WRITABLE else "r")
        except Exception as error:  # whoever asked for the buffer would make another of it: it gets the buffer first
            if seam is not None:
                seam.late[seam.task.name] = error
        except BaseException:  # the task is being ended, and will be told again
            pass
        return self._view


def _offer_buffer() -> Any:
    """Make Python 3.11 call ``__buffer__`` as later versions do (PEP 688); returns what must be kept alive.

    The class has an empty table of buffer functions, to which word 20 of a class leads; where it is not where it is expected,
    nothing is done, and the content has to be copied with ``bytes()`` before it is given to what wants a buffer.
    """
    size = ctypes.sizeof(ctypes.c_void_p)
    start = id(WatchedData)
    table = ctypes.c_void_p.from_address(start + 20 * size).value or 0
    if not start < table < start + type.__sizeof__(WatchedData) or any(ctypes.string_at(table, 2 * size)):
        return None
    export = ctypes.pythonapi.PyObject_GetBuffer
    export.argtypes = (ctypes.py_object, ctypes.c_void_p, ctypes.c_int)

    def get(data: WatchedData, buffer: int, flags: int) -> int:
        try:
            return cast(int, export(data.__buffer__(flags), buffer, flags))
        except BufferError:
            return -1

    entry = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)(get)
    ctypes.c_void_p.from_address(table).value = ctypes.cast(entry, ctypes.c_void_p).value
    return entry


_entry = _offer_buffer() if sys.version_info < (3, 12) and sys.implementation.name == "cpython" else None


class WatchedPage(Page):
    """A page under observation. Same storage as Page, so that a page can become one at any time."""

    __slots__ = ()

    def _seen(self, field: str, write: bool, changed: int = 0) -> None:
        seam = self.seam
        if seam is not None:
            seam.point("w" if write else "r", ("page", self.pfn, field))
            if field in EVENTFUL or not self._refcount:
                seam.event("touch", self, field=field, write=write, changed=changed, list="")

    @property
    def flags(self) -> int:
        self._seen("flags", False)
        return self._flags

    @flags.setter
    def flags(self, value: int) -> None:
        self._seen("flags", True, value ^ self._flags)
        self._flags = value

    @property
    def mapping(self) -> int:
        self._seen("mapping", False)
        return self._mapping

    @mapping.setter
    def mapping(self, value: int) -> None:
        self._seen("mapping", True)
        self._mapping = value

    def _back_pointer(self, value: Any) -> None:
        """What a change of ``private`` means beside itself: nothing, where a mark leads to its owner by itself."""

    @property
    def private(self) -> Any:
        self._seen("private", False)
        return self._private

    @private.setter
    def private(self, value: Any) -> None:
        self._seen("private", True)
        self._back_pointer(value)
        self._private = value if self.seam is None else self.seam.adopt(self, "private", value)

    @property
    def index(self) -> Any:
        self._seen("index", False)
        return self._index

    @index.setter
    def index(self, value: Any) -> None:
        self._seen("index", True)
        self._index = value if self.seam is None else self.seam.adopt(self, "index", value)

    @property
    def lru(self) -> ListHead:  # type: ignore[override]
        seam = self.seam
        if seam is not None:
            if seam.scheduler is not None:
                watch(self._lru, seam)
            seam.event("touch", self, field="lru", write=True, changed=0, list=list_name(self._lru))
        return self._lru

    @property
    def data(self) -> memoryview:
        return cast(memoryview, WatchedData(self, self.vm.map_page(self)))


class WatchedStickyPage(WatchedPage):
    """The same in a kernel whose marks stay, where ``private`` is what says whether the page has an owner."""

    __slots__ = ()

    @property
    def mapping(self) -> int:
        self._seen("mapping", False)
        return 0 if self._mapping & PAGE_MAPPING_FLAGS == PAGE_MAPPING_MOVABLE else self._mapping

    @mapping.setter
    def mapping(self, value: int) -> None:
        self._seen("mapping", True)
        self._mapping = value

    def _back_pointer(self, value: Any) -> None:
        cleared_private(self, value)


EVENTFUL = {"flags", "mapping"}
"""Fields whose use by a driver is an event; the others are scheduling points only, unless the page is free."""
