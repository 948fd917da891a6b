"""What goes wrong in C code: memory that may not be used, crashes, assertions, broken lists; and what is printed."""

from __future__ import annotations

import ctypes
from pathlib import PurePath
from typing import TYPE_CHECKING

from movable.c.bridge.calls import Bridge, Handler
from movable.c.bridge.errors import memory_error
from movable.c.bridge.runtime import A0, A1, A2, CONTENT, IN_CONTENT, IN_HEAP, IN_PAGES, IN_STACKS, PAGE_BYTES, PAGES, PC
from movable.errors import ListCorruption, VMBug

if TYPE_CHECKING:
    from typing import NoReturn

SIGNALS = {11: "a segmentation fault", 7: "a bus error", 4: "an illegal instruction", 8: "a division by zero", 5: "a trap"}
VERBS = {0: "reads", 1: "writes", 2: "reads", 3: "writes", 9: "changes", 11: "changes"}
NULL = 4096


def _verb(bridge: Bridge) -> str:
    request = bridge.request
    size = request[A1]
    return f"{VERBS.get(request[A2] & 11, 'uses')} {size} byte{'' if size == 1 else 's'}" if size else "frees"


KINDS = {1: "kmalloc()", 2: "vmalloc()", 4: "kvmalloc()", 8: "alloc_percpu()"}
FREES = {1: "kfree()", 2: "vfree()", 7: "kvfree()", 8: "free_percpu()"}


def wrong_free(bridge: Bridge) -> NoReturn:
    """An object that is freed by a function for others."""
    address, kind, frees = (bridge.request[A0 + n] for n in range(3))
    found = bridge.runtime.object_at(address)
    made = f" at {bridge.line(found[2])}" if found else ""
    what = f"gives {FREES.get(frees, 'free()')} an object that {KINDS[kind]} has made{made}"
    raise memory_error("D46", what, f"{next(name for bits, name in FREES.items() if bits & kind)} for it", bridge.line())


def _no_object(bridge: Bridge, address: int) -> str:
    """What is freed that is no object of the heap."""
    address &= (1 << 64) - 1
    if address >= 1 << 64 - 12:
        return f"frees the error pointer {address - (1 << 64)}"
    if address in IN_CONTENT:
        return f"frees byte {address - CONTENT & 4095} of page {address - CONTENT >> 12} as an object"
    if address in IN_PAGES:
        return f"frees the struct page of page {(address - PAGES) // PAGE_BYTES}"
    if address in IN_STACKS:
        return "frees a variable on a stack"
    if bridge.image.holds(address):
        return f"frees {bridge.image.name(address)}, a variable of the driver's own"
    return f"frees {address:#x}, which was never allocated"


def heap(bridge: Bridge) -> NoReturn:
    """An access outside any living object."""
    address, freeing = bridge.request[A0], not bridge.request[A1]
    what, line = _verb(bridge), bridge.line()
    if freeing and address not in IN_HEAP:
        raise memory_error("D46", _no_object(bridge, address), "an object of kmalloc's", line)
    found = bridge.runtime.object_at(address)
    if found is None:
        raise memory_error("D46", f"{what} at {address:#x}, which was never allocated", "allocated memory", line)
    start, size, made, freed, *_ = found
    text = f"an object of {size} bytes made at {bridge.line(made)}"
    if freed:
        again = "again " if freeing else ""
        where = "" if address == start or freeing else f"byte {address - start} of "
        raise memory_error("D46", f"{what} {again}{where}{text}, and freed at {bridge.line(freed)}", "memory that is in use", line)
    if freeing:
        raise memory_error("D46", f"frees byte {address - start} of {text}", "the start of an object", line)
    where = f"from byte {address - start} on of" if address < start + size else f"{address - start - size} bytes behind"
    raise memory_error("D46", f"{what} {where} {text}", "bytes of the object", line)


def pointer(bridge: Bridge) -> NoReturn:
    """An access to memory that is nobody's."""
    address = bridge.request[A0] & (1 << 64) - 1
    if address < NULL:
        at = "a null pointer" if not address else f"{address:#x}: a null pointer's field"
        raise memory_error("D46", f"{_verb(bridge)} at {at}", "a pointer that leads somewhere", bridge.line())
    what = {0x6B: "a field of a freed object", 0xA5: "a field that was never set"}.get(address & 0xFF if _repeats(address) else 0)
    poison = "a poisoned list link" if address & ~0xFFF == 0 or address in (0x100, 0x108, 0x122, 0x12A) else what
    text = f"{_verb(bridge)} at {address:#x}, a wild pointer{f' ({poison})' if poison else ''}"
    raise memory_error("D46", text, "a pointer to memory of its own", bridge.line())


def _repeats(address: int) -> bool:
    return len(set(address.to_bytes(8, "little")[1:7])) == 1


def page(bridge: Bridge) -> NoReturn:
    """An access to a page, or its struct page, that nobody holds."""
    address = bridge.request[A0]
    pfn = (address - CONTENT) >> 12 if address >= CONTENT else (address - PAGES) // 64
    if pfn >= bridge.memory.frames:
        raise memory_error("D46", f"{_verb(bridge)} of page {pfn}, which does not exist", "a page of the machine", bridge.line())
    part = "the content" if address >= CONTENT else "struct page"
    raise memory_error(
        "D46", f"{_verb(bridge)} in {part} of a free page", "a page that somebody holds", bridge.line(), bridge.vm.page(pfn)
    )


def stack(bridge: Bridge) -> NoReturn:
    """An access to a frame that is gone."""
    raise memory_error(
        "D46", f"{_verb(bridge)} on a stack where no function's variables are any more", "a live variable", bridge.line()
    )


def crash(bridge: Bridge) -> NoReturn:
    """A signal inside the driver."""
    address, number, overflow = bridge.request[A0] & (1 << 64) - 1, bridge.request[A1], bridge.request[A2]
    line = bridge.line(bridge.request[PC] + (0 if overflow else 1))
    if overflow:
        raise memory_error("D52", "has used up its stack of 60 KiB: recursion without an end?", "functions that return", line)
    at = f" at {address:#x}" if number in (7, 11) else ""
    raise memory_error("D52", f"ends in {SIGNALS.get(number, f'signal {number}')}{at}", "code that does not crash", line)


def hang(bridge: Bridge) -> NoReturn:
    """A loop without a request."""
    raise memory_error("D51", "runs on and on, without a step that others could see", "an end", bridge.line(bridge.request[PC] + 1))


def text_at(bridge: Bridge, address: int) -> str:
    """A string of the driver's."""
    return ctypes.string_at(address).decode(errors="replace") if bridge.runtime.readable(address, 1) else "?"


def _said_where(bridge: Bridge) -> tuple[str, str]:
    return bridge.runtime.text, f"{PurePath(text_at(bridge, bridge.request[A0])).name}:{bridge.request[A1]}"


def bug(bridge: Bridge) -> NoReturn:
    """BUG() and its relatives."""
    text, where = _said_where(bridge)
    line = bridge.line()
    raise VMBug("D52", f"{where} {line.function} {text}", "its own assertion to hold")


def warn(bridge: Bridge) -> None:
    """WARN() and its relatives: the driver goes on, and what it said of itself is judged when the operation is over."""
    text, where = _said_where(bridge)
    bridge.vm.warnings.append(f"D52: {where} {bridge.line().function} warns: {text.strip()}")


def printed(bridge: Bridge) -> None:
    """printk()."""
    bridge.printed.append(bridge.runtime.text.strip())


def broken_list(bridge: Bridge) -> NoReturn:
    """A list whose links disagree."""
    address = bridge.request[A0]
    raise ListCorruption(
        "D12", f"{bridge.line()} list node {bridge.name(address)}: {bridge.runtime.text}", "linked nodes that agree"
    )


def spin(bridge: Bridge) -> None:
    """Many accesses that nobody else would see."""
    bridge.spin()


TABLE: dict[str, Handler] = {
    "K_WRONG_FREE": wrong_free, "K_BAD_HEAP": heap, "K_BAD_POINTER": pointer, "K_BAD_PAGE": page, "K_BAD_STRUCT": page,
    "K_BAD_STACK": stack,
    "K_CRASH": crash, "K_HANG": hang, "K_BUG": bug, "K_WARN": warn, "K_PRINT": printed, "K_LIST": broken_list, "K_SPIN": spin,
}  # fmt: skip
