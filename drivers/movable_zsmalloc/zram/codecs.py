"""Compressors of the block store: what crypto/ is to zram."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import lz4.block

from movable import PAGE_SIZE, UsageError

Stored = bytes | memoryview


class Codec(NamedTuple):
    """A compressor. ``compress`` takes one page of bytes, ``decompress`` gives that page back."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[Stored], bytes]


def _lz4() -> Codec:
    return Codec(
        "lz4",
        lambda data: lz4.block.compress(data, store_size=False),
        lambda data: lz4.block.decompress(data, uncompressed_size=PAGE_SIZE),
    )


def _zlib() -> Codec:
    return Codec("zlib", zlib.compress, zlib.decompress)


def _zstd() -> Codec:
    try:
        import zstandard
    except ImportError:
        raise UsageError("codec 'zstd' needs the package zstandard: pip install 'movable[zstd]'") from None
    packer = zstandard.ZstdCompressor()
    unpacker = zstandard.ZstdDecompressor()
    return Codec("zstd", packer.compress, lambda data: unpacker.decompress(data, max_output_size=PAGE_SIZE))


def _identity() -> Codec:
    return Codec("identity", bytes, bytes)


CODECS: Mapping[str, Callable[[], Codec]] = MappingProxyType(
    {"lz4": _lz4, "zstd": _zstd, "zlib": _zlib, "identity": _identity}
)
"""How to make each codec, by name; "identity" stores pages as they are."""


def make_codec(name: str) -> Codec:
    """The codec called ``name``. Raises UsageError for an unknown one, and for one whose package is not installed."""
    if name not in CODECS:
        raise UsageError(f"unknown codec {name!r}; choose from {', '.join(CODECS)}")
    return CODECS[name]()
