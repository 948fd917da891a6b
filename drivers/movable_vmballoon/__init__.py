"""A balloon in the way of VMware's: batches of commands, frames that the hypervisor refuses, and moves that may half fail.

It shares no code with the virtio balloon. ``hypervisor`` is the other side, ``books`` the lists of pages, ``driver`` the plug-in.
"""

from __future__ import annotations

from movable_vmballoon.driver import VmBalloon
from movable_vmballoon.hypervisor import Hypervisor

__all__ = ["Hypervisor", "VmBalloon"]
