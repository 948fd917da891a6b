"""File systems as plug-ins: what makes a class one, and whether its operations can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from movable.mm.fs import SuperBlock
    from movable.mm.vm import VM

OPERATIONS = ("readpage", "writepage", "write_begin", "migratepage", "releasepage", "invalidatepage", "evict_inode", "truncate")
"""What a file system may define; only the first must be there."""


def is_filesystem(owner: Any) -> bool:
    """Whether a class is a file system: it can read a page of a file, and isolates none."""
    return inspect.isclass(owner) and hasattr(owner, "readpage") and not hasattr(owner, "isolate_page")


def meant_as_filesystem(owner: Any) -> str:
    """Why a class that seems to be meant as a file system is none: it cannot read, or calls that otherwise; "" for others."""
    if not inspect.isclass(owner) or any(hasattr(owner, name) for name in ("isolate_page", "putback_page")):
        return ""
    misnamed = next((name for name in NEAR if NEAR[name] == "readpage" and hasattr(owner, name)), "")
    if misnamed:
        return f"{owner.__name__}.{misnamed} is never called; a file system calls it readpage(inode, page)"
    offered = [name for name in OPERATIONS if name != "migratepage" and hasattr(owner, name)]
    offered += [name for name in NEAR if NEAR[name] not in ("migratepage", "readpage") and hasattr(owner, name)]
    return f"{owner.__name__} has {offered[0]} and no readpage(inode, page), which every file system must have" if offered else ""


def problem_of_filesystem(owner: Any, name: str, arguments: Callable[[Any, Any, str, str], str]) -> str:
    """Why a class cannot be used as a file system, in one line, or ""; ``arguments`` looks at one operation."""
    for operation in OPERATIONS:
        function = getattr(owner, operation, None)
        if function is None:
            continue
        if not callable(function):
            return f"{name}.{operation} is a {type(function).__name__}, not a function"
        problem = arguments(owner, function, operation, name)
        if problem:
            return problem
    for attribute in vars(owner):
        if attribute in NEAR:
            return f"{name}.{attribute} is never called; a file system calls it {NEAR[attribute]}"
    return ""


NEAR = {
    "migrate_page": "migratepage", "migrate_folio": "migratepage", "read_folio": "readpage", "read_page": "readpage",
    "write_page": "writepage", "release_folio": "releasepage", "release_page": "releasepage",
    "invalidate_folio": "invalidatepage", "invalidate_page": "invalidatepage", "page_mkwrite": "write_begin",
}  # fmt: skip
"""Names that other kernels have for the operations."""


def mount_instance(vm: VM, fs: Any, name: str) -> SuperBlock:
    """Mount what a factory made."""
    from movable.mm.fs import mount

    return mount(vm, lambda vm: fs, name)
