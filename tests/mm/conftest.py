"""A machine, and a page of it that a caller holds."""

from __future__ import annotations

import pytest

from movable import GFP_KERNEL, VM, Page


@pytest.fixture
def vm() -> VM:
    return VM()


@pytest.fixture
def page(vm: VM) -> Page:
    page = vm.alloc_page(GFP_KERNEL)
    assert page is not None
    return page
