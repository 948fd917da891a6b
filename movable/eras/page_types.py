"""Page types of kernels that keep them in the top byte of the word that overlays the map count (include/linux/page-flags.h)."""

from __future__ import annotations

_BYTES = {
    "buddy": 0xF0,
    "offline": 0xF1,
    "table": 0xF2,
    "guard": 0xF3,
    "hugetlb": 0xF4,
    "slab": 0xF5,
    "zsmalloc": 0xF6,
    "unaccepted": 0xF7,
    "large_kmalloc": 0xF8,
}

TOP_BYTE = {name: (byte << 24) - (1 << 32) for name, byte in (*_BYTES.items(), ("balloon", _BYTES["offline"]))}
"""The word of each type as the signed number that the map count reads; its low 24 bits are the owner's."""
