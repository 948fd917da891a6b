"""Looks at a driver's source before the compiler does: what the model has no place for is refused with the line it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from movable.errors import UsageError

RCU = "RCU is not modelled: readers would need grace periods; use a lock"
SEQ = "sequence locks are not modelled; use a lock"
TIMER = "there is no clock: use a work item, which may run at any later step"
IRQ = "there are no interrupts: use a work item"
USER = "there is no user memory: let an operation pass the value"
ASM = "inline assembly hides its accesses from the checks; use the atomic operations"
BEGINS = "a module begins with its init function and ends with its exit function"
CHANCE = "chance is not modelled; let an operation pass the value"
DEVICE = "devices are not modelled; let operations of the workload stand for them"

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        "rcu_read_lock rcu_read_unlock synchronize_rcu call_rcu kfree_rcu rcu_dereference rcu_assign_pointer rcu_barrier "
        "list_add_rcu list_del_rcu list_for_each_entry_rcu hlist_add_head_rcu srcu_read_lock synchronize_srcu".split(),
        RCU,
    ),
    **dict.fromkeys(
        "read_seqbegin read_seqretry write_seqlock write_sequnlock seqcount_init raw_seqcount_begin read_seqcount_begin "
        "read_seqcount_retry write_seqcount_begin write_seqcount_end DEFINE_SEQLOCK".split(),
        SEQ,
    ),
    **dict.fromkeys(
        "timer_setup mod_timer del_timer del_timer_sync timer_delete timer_delete_sync add_timer DEFINE_TIMER hrtimer_init "
        "hrtimer_start jiffies get_jiffies_64 ktime_get ktime_get_ns sched_clock".split(),
        TIMER,
    ),
    **dict.fromkeys(
        "request_irq free_irq tasklet_init tasklet_schedule tasklet_setup irq_work_queue raise_softirq disable_irq "
        "smp_call_function on_each_cpu".split(),
        IRQ,
    ),
    **dict.fromkeys(
        "copy_to_user copy_from_user get_user put_user access_ok get_user_pages pin_user_pages vm_insert_page".split(), USER
    ),
    **dict.fromkeys("ioremap readl writel dma_alloc_coherent dma_map_page pci_register_driver".split(), DEVICE),
    **dict.fromkeys("get_random_u32 get_random_bytes prandom_u32".split(), CHANCE),
}
"""Names that are refused, and why."""
KINDS = {
    RCU: r"s?rcu_(read|dereference|assign|access|barrier|head|swap|replace|pointer|work|sync|is|init|lock)\w* rcu_head "
    r"call_s?rcu\w* synchronize_(s?rcu|net)\w* kv?free_s?rcu\w* "
    r"(list|hlist|hash|rb|radix_tree|llist)_\w*rcu(_\w+)? (\w+_)?srcu_struct "
    r"DEFINE_(STATIC_)?SRCU INIT_RCU_HEAD queue_rcu_work percpu_ref_\w+ SLAB_(TYPESAFE|DESTROY)_BY_RCU",
    SEQ: r"(raw_)?(read|write)_seq(begin|retry|lock|unlock|count)\w* (raw_)?seq(count|lock)_\w+ seqcount\w*_t seqlock_t "
    r"(need|done)_seqretry",
    TIMER: r"(hr)?timer_(setup|init|start|cancel|delete|pending|shutdown|reduce|forward|try|active)\w* (mod|add|del|from)_timer\w* "
    r"try_to_del_timer\w* timer_list hrtimer ktime_\w+ jiffies_64 time_(after|before|is)\w* (local|cpu)_clock get_cycles",
    IRQ: r"(devm_)?(request|free|enable|disable|synchronize)_(\w+_)?irq(_\w+)? tasklet_\w+ irqreturn_t irq_work_\w+ "
    r"(raise|open)_softirq\w* smp_call_function\w* on_each_cpu\w* smp_call_on_cpu stop_machine",
    USER: r"_*copy_(to|from|in)_(user|iter)\w* _*(get|put|clear)_user (get|pin|unpin)_user_pages?\w* \w+_from_user "
    r"vmf?_insert_\w+ remap_\w*pfn_range vm_area_struct vm_fault iov_iter\w* memdup_user\w*",
    DEVICE: r"(devm_)?io(re|un)map\w* (io)?(read|write)[bwlq](_relaxed|be)? io(read|write)(8|16|32|64)\w* "
    r"dma_(alloc|map|unmap|free|pool|sync)\w* (pci|platform|usb|virtio|i2c|spi|hid|of)_((un)?register_driver|driver_(un)?register) "
    r"(blk_)?alloc_disk (add|del)_disk (un)?register_virtio_driver "
    r"(un)?register_(chrdev|blkdev|netdev)\w* cdev_\w+ module_(pci|platform|usb|virtio|i2c|misc)_\w+ "
    r"devm_\w+ devres_\w+ platform_device\w* (class|device)_(create|destroy) alloc_chrdev_region",
    CHANCE: r"get_random_\w+ prandom_\w+ random32",
}
FAMILIES = tuple((re.compile("|".join(patterns.split())), why) for why, patterns in KINDS.items())
"""Patterns of further names of these kinds."""

LITERAL = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
WORD = re.compile(r"[A-Za-z_]\w*")
EMPTY_ASM = re.compile(r"\b(asm|__asm__|__asm)\s*(volatile|__volatile__)?\s*\(\s*\"\"\s*[:)]")
"""A barrier of the compiler's, which does nothing."""
ASM_WORDS = {"asm", "__asm__", "__asm"}
GUARD = re.compile(r"\b(?:scoped_)?guard\s*\(\s*(s?rcu\w*)")
STRUCTOR = re.compile(r"__attribute(?:__)?\s*\(\(.*?\b((?:__)?(?:con|de)structor(?:__)?)\b")
"""What would run in whoever loads the file."""


def code_of(text: str) -> str:
    """The text without comments and literals; lines stay where they are."""
    return LITERAL.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    if found[0][0] in "\"'":
        return '""' if found[0] == '""' else '"1"'
    return "\n" * found[0].count("\n") or " "


def read(path: Path) -> str:
    """The text of a source. Raises UsageError for what is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if b"\0" in data:
        raise UsageError(f"{path} is no C source: it has zero bytes in it")
    return data.decode(errors="replace")


def line_of(file: str, line: int) -> str:
    """One line of a source, "" where there is none."""
    try:
        return read(Path(file)).splitlines()[line - 1]
    except (UsageError, IndexError):
        return ""


@lru_cache(maxsize=4096)
def why_refused(word: str) -> str:
    """Why a name has no place in the model, "" where it may have one."""
    return REFUSED.get(word) or next((why for pattern, why in FAMILIES if pattern.fullmatch(word)), "")


def _own(code: str, word: str) -> bool:
    """Whether a name that sounds like one of the kernel's is the driver's: its own function, macro, type, variable or member."""
    name = re.escape(word)
    own = (
        rf"#\s*define\s+{name}\b|\bstruct\s+{name}\s*\{{|\b{name}\s*\([^;{{}}]*\)\s*\{{|"
        rf"[\w*]\s+\**{name}\s*(=[^=]|;|\[|,)|(->|\.)\s*{name}\b"
    )
    return word not in REFUSED and re.search(own, code) is not None


def refused(code: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, reason) for each use of a name that has no place in the model."""
    for number, line in enumerate(code.splitlines(), 1):
        if line.lstrip().startswith("#include"):
            continue
        if structor := STRUCTOR.search(line):
            yield number, structor[1], BEGINS
        if guarded := GUARD.search(line):
            yield number, f"guard({guarded[1]})", RCU
        for word in WORD.findall(line):
            why = why_refused(word)
            if why and not _own(code, word):
                yield number, word, why
            if word in ASM_WORDS and not EMPTY_ASM.search(line):
                yield number, word, ASM


def refuse(path: Path, text: str) -> None:
    """Raise UsageError for the first name that has no place in the model, with its line."""
    for number, word, why in refused(code_of(text)):
        raise UsageError(f"{path}:{number}: {word}: {why}")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a driver exports: its name, line, the (name, type) of its arguments, and the code between its braces."""

    name: str
    line: int
    returns: str
    arguments: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def scalar(self) -> bool:
        """Whether every argument is a number."""
        return all("*" not in kind and not kind.startswith(("struct ", "union ")) for _, kind in self.arguments)


EXPORT = re.compile(r"\bEXPORT_SYMBOL(?:_GPL|_NS|_NS_GPL)?\s*\(\s*(\w+)")


def exported(text: str) -> list[Function]:
    """The functions that a source exports, in order, as far as their definitions stand in it."""
    code = code_of(text)
    found = []
    for name in dict.fromkeys(EXPORT.findall(code)):
        defined = _defined(code, name)
        if defined is not None:
            found.append(defined)
    return found


def function(text: str, name: str) -> Function | None:
    """The definition of one function, None where there is none."""
    return _defined(code_of(text), name)


def _defined(code: str, name: str) -> Function | None:
    match = re.search(rf"(?:^|[;}}])\s*([A-Za-z_][\w\s\*]*?[\s\*]){re.escape(name)}\s*\(([^()]*)\)\s*\{{", code, re.M)
    if match is None:
        return None
    body = re.split(r"^\}", code[match.end() :], maxsplit=1, flags=re.M)[0]
    return Function(name, code[: match.start(2)].count("\n") + 1, " ".join(match[1].split()), _arguments(match[2]), body)


def _arguments(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for number, part in enumerate(text.split(",")):
        words = part.replace("*", " * ").split()
        if not words or words == ["void"]:
            continue
        named = len(words) > 1 and words[-1] != "*" and words[-1] not in ("int", "long", "char", "short", "unsigned")
        name = words[-1] if named else f"a{number}"
        found.append((name, " ".join(words[:-1] if named else words)))
    return tuple(found)


BALLOON = re.compile(r"#\s*include\s*<linux/balloon(_compaction)?\.h>")


def is_balloon(text: str) -> bool:
    """Whether a source belongs to a balloon, whose pages hold nothing."""
    return BALLOON.search(code_of(text)) is not None


def style(text: str) -> str:
    """The era whose interface a source uses: movable_operations came with 6.0, marks that stay with 6.17."""
    code = code_of(text)
    if re.search(r"#\s*include\s*<linux/balloon\.h>", code):  # the balloon core came with 6.18
        return "7.3"
    if re.search(r"\b(set_movable_ops|SetPageMovableOps|balloon_page_finalize)\s*\(", code):
        return "6.17"
    return "4.19" if re.search(r"\baddress_space_operations\b", code) and "movable_operations" not in code else "6.1"
