"""What a balloon device of kernels from 6.18 on is written against (include/linux/balloon.h): see ``movable.mm.balloon``."""

from __future__ import annotations

from movable.mm.balloon import (
    BALLOON_GFP,
    BalloonDevInfo,
    BalloonHook,
    balloon_page_alloc,
    balloon_page_dequeue,
    balloon_page_enqueue,
    balloon_page_list_dequeue,
    balloon_page_list_enqueue,
)

__all__ = [
    "BALLOON_GFP",
    "BalloonDevInfo",
    "BalloonHook",
    "balloon_page_alloc",
    "balloon_page_dequeue",
    "balloon_page_enqueue",
    "balloon_page_list_dequeue",
    "balloon_page_list_enqueue",
]
