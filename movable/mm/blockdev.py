"""A simulated disk: blocks that are read and written later, by the machine's work, and that can fail (block/)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EIO
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.fs import file_of
from movable.mm.page import PAGE_SIZE
from movable.mm.workqueue import Work

if TYPE_CHECKING:
    from movable.mm.buffer import BufferHead
    from movable.mm.page import Page
    from movable.mm.vm import VM

EndIo = Callable[["BufferHead", bool], object]
"""Called with the buffer and whether it went well, when an I/O has ended."""


class Disk:
    """A block device of ``nr_blocks`` blocks of ``block_size`` bytes; a block that was never written holds zeros.

    ``slow`` says that an I/O ends later, as work of the machine: when somebody waits, or while other tasks run. ``failing`` are the
    blocks whose I/O fails; ``fails`` says that all do. ``reads``, ``writes`` and
    ``failed_writes`` count.
    """

    def __init__(self, vm: VM, nr_blocks: int, block_size: int = 1024, name: str = "disk") -> None:
        self.vm = vm
        self.nr_blocks = nr_blocks
        self.block_size = block_size
        self.name = name
        self.blocks: dict[int, bytes] = {}
        self.slow = True
        self.fails = False
        self.failing: set[int] = set()
        self.reads = self.writes = self.failed_writes = 0
        self.queue = vm.workqueue(f"{name} at work")
        vm.disks.append(self)

    def submit_bh(self, write: bool, bh: BufferHead, end_io: EndIo) -> None:
        """Read or write the block of a locked buffer, and call ``end_io(bh, ok)`` then. Raises UsageError beyond the last block.

        The bytes of the page are used when the disk comes to it: a page must stay where it is until then.
        """
        if not 0 <= bh.blocknr < self.nr_blocks:
            raise UsageError(f"{self.name} has no block {bh.blocknr}; it has {self.nr_blocks}")
        if self.slow:
            self.queue.queue_work(Work(lambda: self._do(write, bh, end_io), f"block {bh.blocknr}"))
        else:
            self._do(write, bh, end_io)

    # pages, at once: what swap asks for

    def write(self, index: int, data: bytes) -> None:
        """Keep a page under a number. Raises OSError where the disk fails."""
        per_page = len(data) // self.block_size
        for number in range(per_page):
            self._whole(index * per_page + number)
            self.blocks[index * per_page + number] = data[number * self.block_size : (number + 1) * self.block_size]
        self.writes += per_page

    def read(self, index: int) -> bytes:
        """Give it back. Raises OSError where the disk fails."""
        per_page = PAGE_SIZE // self.block_size
        blocks = range(index * per_page, (index + 1) * per_page)
        self.reads += per_page
        return b"".join(self.blocks.get(self._whole(block), bytes(self.block_size)) for block in blocks)

    def discard(self, index: int) -> None:
        """It is not needed any more."""
        per_page = PAGE_SIZE // self.block_size
        for block in range(index * per_page, (index + 1) * per_page):
            self.blocks.pop(block, None)

    def _whole(self, block: int) -> int:
        if self.fails or block in self.failing or not 0 <= block < self.nr_blocks:
            raise OSError(EIO, f"{self.name}: block {block} cannot be used")
        return block

    def _do(self, write: bool, bh: BufferHead, end_io: EndIo) -> None:
        seam = self.vm.seam
        if seam is not None:
            seam.transfer((self.name, bh.blocknr), ("file page", file_name(bh.page), bh.page._index) if write else None)
        ok = not self.fails and bh.blocknr not in self.failing
        if write:
            self.writes += 1
            if ok:
                self.blocks[bh.blocknr] = bytes(bh.data)
            else:
                self.failed_writes += 1
        else:
            self.reads += 1
            if ok:
                bh.data[:] = self.blocks.get(bh.blocknr, bytes(self.block_size))
        end_io(bh, ok)


def file_name(page: Page) -> str:
    """What the file of a page is called, "" for one that is cut off."""
    mapping = file_of(page)
    return "" if mapping is None else mapping.name
