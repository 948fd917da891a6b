"""The contract between the memory manager and drivers of movable pages: its rules, and who watches that they are kept.

A driver author uses ``Workload``, ``operation`` and ``handle`` to say how to keep a driver busy, ``certify`` in a test, and
``check`` anywhere else. ``scenario`` and its actions (``op``, ``migrate``, ``put_back``, ``teardown``, ...) add concurrent
scenarios to those that follow from the operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from movable.contract.certify import Certificate, certify
from movable.contract.report import Report, Verdict
from movable.workload.scenario import (
    compact,
    contig,
    finish,
    give_back,
    isolate,
    migrate,
    offline,
    op,
    put_back,
    scenario,
    teardown,
)
from movable.workload.workload import GenericWorkload, Workload, handle, operation


def check(target: str | Callable[..., Any], workload: type[Workload] | None = None, **options: Any) -> Report:
    """Certify a driver and return the report; see ``movable.contract.examine.check`` for the options."""
    from movable.contract import examine

    return examine.check(target, workload, **options)


__all__ = [
    "Certificate", "GenericWorkload", "Report", "Verdict", "Workload", "certify", "check", "compact", "contig", "finish",
    "give_back", "handle", "isolate", "migrate", "offline", "op", "operation", "put_back", "scenario", "teardown",
]  # fmt: skip
