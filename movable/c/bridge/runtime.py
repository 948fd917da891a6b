"""The C side: its functions, the words in which requests come, and the memory that both sides share."""

from __future__ import annotations

import ctypes
import re
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

from movable.c.build import toolchain
from movable.errors import UsageError

ARENA = 0x610000000000
PAGES, HEAP, STACKS, CONTENT = ARENA, ARENA + 0x08000000, ARENA + 0x28000000, ARENA + 0x40000000
NR_PAGES, NR_TASKS, NESTED, STACK = 65536, 64, 8, 0x10000
ARENA_END = CONTENT + (NR_PAGES << 12)
FIRST_SLICE, SLICE = 0x04000000, 0x00400000
HEAP_SIZE = FIRST_SLICE + (NR_TASKS - 1) * SLICE
PAGE_BYTES = 64
IN_PAGES, IN_HEAP = range(PAGES, PAGES + NR_PAGES * PAGE_BYTES), range(HEAP, HEAP + HEAP_SIZE)
IN_STACKS, IN_CONTENT = range(STACKS, STACKS + NR_TASKS * NESTED * STACK), range(CONTENT, ARENA_END)
"""The addresses of struct pages, of the heap, of stacks, and of what pages hold."""
QUIET, FIELDS, SHARED, ALL = range(4)
"""What a call tells of: nothing, flags and mappings of pages, what tasks share, everything."""
WRITE, MARKED, RANGE, CHANGE = 1, 2, 4, 8
OP, A0, A1, A2, A3, A4, PC, RET = 0, 1, 2, 3, 4, 5, 7, 8
"""Words of a request."""
FLAGS = "-O2 -g -std=gnu11 -fPIC -shared -fno-stack-protector -fcf-protection=none -w".split()


def requests() -> list[str]:
    """The names of all requests, in the order of their numbers."""
    text = (toolchain.INCLUDE / "movable" / "request.h").read_text()
    listed = re.sub(r"/\*.*?\*/", "", text.split("enum k_request {")[1].split("};")[0], flags=re.S)
    return re.findall(r"K_\w+", listed)


REQUESTS = {name: number for number, name in enumerate(requests())}


def _built() -> Path:
    compiler = toolchain.compiler()
    sources = sorted((toolchain.HERE / "runtime").glob("*.c"))

    def make(place: Path) -> None:
        done = toolchain.run([compiler, *FLAGS, *map(str, sources), "-o", str(place / "runtime.so"), "-ldl", "-lpthread", "-lrt"])
        if done.returncode:
            raise UsageError(f"the runtime of C drivers cannot be built with {compiler}: {done.stderr.strip().splitlines()[:1]}")

    name = toolchain.digest(toolchain.identity(compiler), toolchain.headers_digest(), *FLAGS)
    return toolchain.cached(f"runtime-{name}", make) / "runtime.so"


class Runtime:
    """The library, loaded. ``request`` are the words of a request, ``words`` and ``halves`` struct pages as 8 and 4 bytes,
    ``content`` what the pages hold."""

    def __init__(self) -> None:
        lib = self.lib = ctypes.PyDLL(str(_built()), mode=ctypes.RTLD_GLOBAL)
        if lib.k_init():
            raise UsageError("C drivers need the addresses from 0x610000000000 on, and they are taken or may not be reserved")
        self.request = memoryview((ctypes.c_long * 9).in_dll(lib, "k_request")).cast("B").cast("q")
        self._text = (ctypes.c_char * 1024).in_dll(lib, "k_text")
        pages = (ctypes.c_char * (NR_PAGES * PAGE_BYTES)).from_address(PAGES)
        self.words = memoryview(pages).cast("B").cast("Q")
        self.halves = memoryview(pages).cast("B").cast("i")
        self.content = memoryview((ctypes.c_char * (NR_PAGES * 4096)).from_address(CONTENT)).cast("B")
        self.resume = lib.k_resume
        self.drop = lib.k_drop
        lib.k_take.restype = ctypes.c_void_p
        lib.k_sp.restype = ctypes.c_ulong
        lib.k_load.restype = lib.k_alloc.restype = ctypes.c_void_p
        lib.k_save.restype = lib.k_cells.restype = ctypes.c_ulong
        self.machine = ctypes.c_int.in_dll(lib, "k_machine")
        self._sharing: Any = lambda: None
        self._cells: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._nr_cells = int(lib.k_cells(None, None))

    @property
    def text(self) -> str:
        """The words that came with the last request."""
        return bytes(self._text.value).decode(errors="replace")

    def load(self, path: str) -> int:
        """Load a driver; returns its base address."""
        if not self.lib.k_load(path.encode()):
            raise UsageError(f"{path} cannot be loaded: {self.text}")
        return self.request[A1]

    def take(self, path: str) -> int:
        """Look a loaded driver's memory over, as it is before its first instruction; returns what `use` wants."""
        return int(self.lib.k_take(path.encode()))

    def start(self, task: int, mode: int, function: int, arguments: tuple[int, ...]) -> int:
        """A coroutine for a call, -1 where too many are inside each other."""
        request = self.request
        request[A0] = function
        for number in range(4):
            request[A0 + 1 + number] = arguments[number] if number < len(arguments) else 0
        self.lib.k_tick()
        return int(self.lib.k_start(task, mode))

    def pc(self, coroutine: int) -> int:
        """Where a coroutine stands."""
        self.lib.k_pc(coroutine)
        return self.request[6]

    def stack_pointer(self, coroutine: int) -> int:
        """The top of the stack of a coroutine that does not run."""
        return int(self.lib.k_sp(coroutine))

    def share(self, sharing: Any) -> None:
        """Use what was learned of shared locations in the search that ``sharing`` belongs to."""
        if self._sharing() is sharing:
            return
        old = self._sharing()
        if old is not None:
            kept = self._cells.get(old)
            if kept is None:
                kept = self._cells[old] = ctypes.create_string_buffer(self._nr_cells)
            self.lib.k_cells(kept, None)
        self._sharing = weakref.ref(sharing)
        self.lib.k_cells(None, self._cells.get(sharing))

    # memory

    def peek(self, address: int, size: int, signed: bool = False) -> int:
        """A number in memory; the caller knows that it may be looked at."""
        return int.from_bytes(ctypes.string_at(address, size), "little", signed=signed)

    def poke(self, address: int, value: int, size: int) -> None:
        """Write a number."""
        ctypes.memmove(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"), size)

    def readable(self, address: int, size: int) -> bool:
        """Whether a driver may look at memory now: its own, live objects, pages that are held."""
        return bool(self.lib.address_ok(ctypes.c_ulong(address), ctypes.c_ulong(size)))

    def object_at(self, address: int) -> tuple[int, int, int, int, int, int] | None:
        """Start, size, where made, where freed (0: it lives), task, number of the object at or just before an address."""
        out = (ctypes.c_ulong * 6)(address)
        return (out[0], out[1], out[2], out[3], out[4], out[5]) if self.lib.k_object(out) else None

    def left(self) -> tuple[int, int, int]:
        """Objects of the driver's that were never freed: how many, and the size of the first and where it was made."""
        out = (ctypes.c_ulong * 2)()
        return int(self.lib.k_left(out)), out[0], out[1]

    def scratch(self, size: int = 64) -> int:
        """The address of some bytes of the heap for the bridge's own use."""
        return int(self.lib.k_alloc(ctypes.c_ulong(size), 0, 1, ctypes.c_ulong(0)))

    def page_words(self) -> list[tuple[int, int]]:
        """Words of the driver's that lead to struct pages: (where, what)."""
        out = (ctypes.c_ulong * 8192)()
        n = self.lib.k_page_words(out, 4096)
        return [(out[2 * i], out[2 * i + 1]) for i in range(n)]


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    """The runtime of this process. Raises UsageError where there is no compiler, or no place for its memory."""
    return Runtime()
