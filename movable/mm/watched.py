"""A page whose fields are watched: what a driver does to them becomes scheduling points and events.

Installing a seam turns every page of the machine into this class. Core code uses the underscored slots and is not seen here;
a driver uses the plain names and is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from movable.mm.list import list_name
from movable.mm.page import Page

if TYPE_CHECKING:
    from movable.mm.list import ListHead

__tracebackhide__ = True  # no place where something happens, for whoever shows where tasks stand


class WatchedData:
    """The content of a watched page: reads and writes are scheduling points."""

    __slots__ = ("_page", "_view")

    def __init__(self, page: Page, view: memoryview) -> None:
        self._page = page
        self._view = view

    def _point(self, op: str) -> None:
        seam = self._page.seam
        if seam is not None:
            seam.point(op, ("page", self._page.pfn, "data"))
            if op == "w":
                seam.event("write_data", self._page)
            elif not self._page._refcount:
                seam.event("touch", self._page, field="data", write=False, changed=0, list="")

    def __getitem__(self, where: Any) -> Any:
        self._point("r")
        return self._view[where]

    def __setitem__(self, where: Any, value: Any) -> None:
        self._point("w")
        if isinstance(value, WatchedData):
            value = value._view
        self._view[where] = value

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[int]:
        self._point("r")
        return iter(self._view)

    def __eq__(self, other: object) -> bool:
        self._point("r")
        return bytes(self._view) == (bytes(other._view) if isinstance(other, WatchedData) else other)

    __hash__ = None  # type: ignore[assignment]

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def tobytes(self) -> bytes:
        """A copy of the 4096 bytes."""
        self._point("r")
        return self._view.tobytes()


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

    @property
    def private(self) -> Any:
        self._seen("private", False)
        return self._private

    @private.setter
    def private(self, value: Any) -> None:
        self._seen("private", True)
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
            seam.event("touch", self, field="lru", write=True, changed=0, list=list_name(self._lru))
        return self._lru

    @property
    def data(self) -> memoryview:
        view = self._data
        return cast(memoryview, WatchedData(self, self.vm.map_page(self) if view is None else view))


EVENTFUL = {"flags", "mapping"}
"""Fields whose use by a driver is an event; the others are scheduling points only, unless the page is free."""
