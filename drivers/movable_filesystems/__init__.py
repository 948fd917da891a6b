"""Two file systems as plug-ins: one in memory, and one on a simulated disk whose pages have buffers."""

from __future__ import annotations

from movable_filesystems.blockfs import Blockfs
from movable_filesystems.ramfs import Ramfs

__all__ = ["Blockfs", "Ramfs"]
