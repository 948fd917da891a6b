"""The block store: what goes in comes out, and the numbers of mm_stat."""

from __future__ import annotations

import builtins
import random
from errno import ENOMEM
from typing import Any

import pytest

from movable import PAGE_SIZE, VM, UsageError, putback_movable_pages
from movable_zsmalloc import CODECS, ZramDevice, Zsmalloc, make_codec
from tests.drivers.movable_zsmalloc.movers import check, isolate, move, pages_of

TEXT = (b"The quick brown fox jumps over the lazy dog. " * 100)[:PAGE_SIZE]
NOISE = random.Random(1).randbytes(PAGE_SIZE)
HALF = NOISE[: PAGE_SIZE // 2] + TEXT[: PAGE_SIZE // 2]
SAME = b"\x12\x34\x56\x78\x9a\xbc\xde\xf0" * (PAGE_SIZE // 8)


def device(codec: str = "lz4", nr_pages: int = 16, **options: Any) -> ZramDevice:
    return ZramDevice(Zsmalloc(VM(256 << 12)), nr_pages, codec=codec, **options)


@pytest.mark.parametrize("codec", CODECS)
def test_pages_come_back(codec: str) -> None:
    zram = device(codec)
    for index, page in enumerate((TEXT, NOISE, HALF, SAME, bytes(PAGE_SIZE))):
        zram.write(index, page)
    assert move(zram.zs, isolate(pages_of(zram.zs))) == 0
    zram.compact()
    assert [zram.read(index) for index in range(6)] == [TEXT, NOISE, HALF, SAME, bytes(PAGE_SIZE), bytes(PAGE_SIZE)]
    assert [zram.stored(index) for index in range(6)] == [True] * 5 + [False]
    check(zram.zs)


@pytest.mark.parametrize("codec", ["lz4", "zstd", "zlib"])
def test_compressed_pages_need_less_room(codec: str) -> None:
    zram = device(codec)
    for index in range(16):
        zram.write(index, TEXT)
    stat = zram.stat
    assert stat.orig_data_size == 16 * PAGE_SIZE
    assert 0 < stat.compr_data_size < PAGE_SIZE * 2
    assert stat.mem_used_total < 4 * PAGE_SIZE


def test_numbers_of_each_kind_of_page() -> None:
    zram = device()
    zram.write(0, SAME)
    assert zram.stat == (PAGE_SIZE, 0, 0, 0, 0, 1, 0, 0)
    zram.write(1, NOISE)
    assert zram.stat == (2 * PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0, PAGE_SIZE, 1, 0, 1)
    size = len(zram.codec.compress(TEXT))
    zram.write(1, TEXT)
    pages = zram.zs.zs_get_total_pages() * PAGE_SIZE
    assert zram.stat == (2 * PAGE_SIZE, size, pages, 0, pages + PAGE_SIZE, 1, 0, 0)
    for index in (0, 1, 2):
        zram.discard(index)
    assert zram.stat == (0, 0, 0, 0, pages + PAGE_SIZE, 0, 0, 0)


def test_text_of_mm_stat() -> None:
    zram = device(mem_limit=100_000)
    zram.write(0, NOISE)
    zram.write(1, SAME)
    assert zram.mm_stat() == "    8192     4096     4096   102400     4096        1        0        1\n"
    zram.write(0, SAME)
    assert zram.mm_stat() == "    8192        0        0   102400     4096        2        0        0\n"


def test_pages_at_the_huge_class_size_are_stored_whole() -> None:
    zram = device("identity")
    assert zram.huge_class_size == 3257
    packed = b""
    zram.codec = zram.codec._replace(compress=lambda page: packed, decompress=lambda data: bytes(data).ljust(PAGE_SIZE, b"."))
    packed = NOISE[:3256]
    zram.write(0, NOISE)
    assert (zram.stat.huge_pages, zram.stat.compr_data_size) == (0, 3256)
    packed = NOISE[:3257]
    zram.write(1, NOISE)
    assert (zram.stat.huge_pages, zram.stat.compr_data_size) == (1, 3256 + PAGE_SIZE)
    assert zram.read(1) == NOISE
    assert zram.read(0) == NOISE[:3256].ljust(PAGE_SIZE, b".")


def test_overwriting_frees_what_was_there() -> None:
    zram = device()
    for page in (NOISE, TEXT, SAME, HALF, NOISE, SAME):
        zram.write(3, page)
        assert zram.read(3) == page
        assert len(zram.zs.handles) == (page is not SAME)
    check(zram.zs)


def test_memory_limit_refuses_and_keeps_the_old_page() -> None:
    zram = device(mem_limit=PAGE_SIZE)
    zram.write(0, NOISE)
    with pytest.raises(OSError, match="page 1 would go over the limit of 1 pages") as caught:
        zram.write(1, HALF)
    assert caught.value.errno == ENOMEM
    assert not zram.stored(1)
    with pytest.raises(OSError, match="limit"):
        zram.write(0, HALF)
    assert zram.read(0) == NOISE
    zram.write(0, SAME)
    zram.write(1, NOISE)
    check(zram.zs)


def test_full_machine_refuses_and_keeps_the_old_page() -> None:
    zram = ZramDevice(Zsmalloc(VM(16 << 12)), 64)
    written = 0
    with pytest.raises(OSError, match="no memory for page") as caught:
        for written in range(64):
            zram.write(written, NOISE)
    assert caught.value.errno == ENOMEM
    assert 4 < written < 16
    assert all(zram.read(index) == NOISE for index in range(written))
    assert zram.stat.orig_data_size == written * PAGE_SIZE
    check(zram.zs)


def test_reset_forgets_everything() -> None:
    zram = device()
    for index in range(16):
        zram.write(index, (TEXT, NOISE, SAME)[index % 3])
    zram.reset()
    assert zram.stat == (0,) * 8
    assert zram.read(1) == bytes(PAGE_SIZE)
    zram.zs.remove()


def test_isolated_pages_do_not_stop_the_store() -> None:
    zram = device()
    for index in range(8):
        zram.write(index, HALF)
    isolated = isolate(pages_of(zram.zs))
    for index in range(8):
        assert zram.read(index) == HALF
        zram.write(index, TEXT)
    putback_movable_pages(isolated)
    zram.zs.vm.run_work()
    assert all(zram.read(index) == TEXT for index in range(8))
    check(zram.zs)


@pytest.mark.parametrize("index", [-1, 16])
def test_pages_outside_the_device_are_refused(index: int) -> None:
    zram = device()
    for call in (lambda: zram.write(index, TEXT), lambda: zram.read(index), lambda: zram.discard(index)):
        with pytest.raises(UsageError, match=f"page {index} does not exist; this device has pages 0 to 15"):
            call()


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="written with 5 bytes; a page has 4096"):
        device().write(0, b"short")
    with pytest.raises(UsageError, match="unknown codec 'lzo'; choose from lz4, zstd, zlib, identity"):
        device("lzo")
    with pytest.raises(UsageError, match="a device of 0 pages"):
        device(nr_pages=0)
    with pytest.raises(UsageError, match="memory limit -1 is negative"):
        device(mem_limit=-1)


def test_missing_zstd_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "zstandard":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"codec 'zstd' needs the package zstandard: pip install 'movable\[zstd\]'"):
        make_codec("zstd")


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_are_inverse(codec: str) -> None:
    made = make_codec(codec)
    assert made.name == codec
    for page in (TEXT, NOISE, HALF, bytes(PAGE_SIZE)):
        assert made.decompress(memoryview(made.compress(page))) == page


def test_longer_chains_move_the_huge_class_size() -> None:
    assert ZramDevice(Zsmalloc(VM(256 << 12), chain=16), 4).huge_class_size == 3833


def test_slot_is_unlocked_when_the_codec_fails() -> None:
    zram = device()
    zram.write(0, HALF)
    good = zram.codec
    zram.codec = good._replace(decompress=lambda data: bytes(1 // 0))
    with pytest.raises(ZeroDivisionError):
        zram.read(0)
    zram.codec = good
    assert zram.read(0) == HALF
    assert zram.zs.vm.current.atomic == 0
