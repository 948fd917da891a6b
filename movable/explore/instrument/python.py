"""Which Pythons the hooks are known to work in. They write into objects and read bytecode, which each version lays out anew."""

import sys

from movable.explore.failure import ExploreError

KNOWN = ((3, 11), (3, 12), (3, 13), (3, 14))
"""Versions of CPython in which the tests of the hooks have been run."""


def refusal() -> str:
    """Why interleavings are not searched in this Python; empty where they are."""
    known = ", ".join(".".join(map(str, version)) for version in KNOWN)
    if sys.implementation.name != "cpython":
        return f"the hooks are made for CPython {known}, and this is {sys.implementation.name}"
    if sys.version_info[:2] not in KNOWN:
        return f"the hooks are known to work in Python {known}, and this is {'.'.join(map(str, sys.version_info[:2]))}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "the hooks need the interpreter lock, and this Python runs without it"
    return ""


def require_known() -> None:
    """Raises ExploreError where the hooks would have to guess."""
    why = refusal()
    if why:
        raise ExploreError(f"{why}; nothing could be claimed of what is not seen")
