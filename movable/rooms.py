"""Which code is the kit's own. The museum lies in the same package, but its exhibits are drivers like any user's."""

from pathlib import Path

ROOMS = ("mm", "rules", "workload", "sequential", "concurrent", "filesystems", "contract", "explore", "c")
MODULES = tuple(f"movable.{room}." for room in ROOMS)
"""Beginnings of the names of the kit's modules."""
PATHS = tuple(f"movable/{room}/" for room in ROOMS)
"""Parts of the file names of the kit's code."""
FOLDERS = tuple(f"{Path(__file__).parent / room}/" for room in ROOMS)
"""Beginnings of the same file names, absolute."""
