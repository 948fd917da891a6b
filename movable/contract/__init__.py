"""The contract between the memory manager and drivers of movable pages: its rules, and who watches that they are kept.

A driver author uses ``Workload``, ``operation`` and ``handle`` to say how to keep a driver busy.
"""

from movable.contract.workload import GenericWorkload, Workload, handle, operation

__all__ = ["GenericWorkload", "Workload", "handle", "operation"]
