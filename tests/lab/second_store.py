"""A second pool for a run with two."""

from __future__ import annotations

from movable import VM
from movable_zsmalloc import Zsmalloc


class Second(Zsmalloc):
    def __init__(self, vm: VM) -> None:
        super().__init__(vm, name="zram1", chain=8)
