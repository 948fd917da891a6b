"""The virtio balloon as a movable-page driver, with its host: guest memory that the host really takes back.

``balloon_compaction`` is the layer that every balloon driver shares, ``virtio`` the device, ``host`` the other side,
``driver`` the plug-in.
"""

from __future__ import annotations

from movable_balloon.balloon_compaction import (
    BalloonDevInfo,
    balloon_page_alloc,
    balloon_page_dequeue,
    balloon_page_enqueue,
    balloon_page_list_dequeue,
    balloon_page_list_enqueue,
)
from movable_balloon.driver import Balloon
from movable_balloon.host import Host, Message
from movable_balloon.stats import STAT_NAMES
from movable_balloon.virtio import VIRTIO_BALLOON_ARRAY_PFNS_MAX, VirtioBalloon

__all__ = [
    "STAT_NAMES",
    "VIRTIO_BALLOON_ARRAY_PFNS_MAX",
    "Balloon",
    "BalloonDevInfo",
    "Host",
    "Message",
    "VirtioBalloon",
    "balloon_page_alloc",
    "balloon_page_dequeue",
    "balloon_page_enqueue",
    "balloon_page_list_dequeue",
    "balloon_page_list_enqueue",
]
