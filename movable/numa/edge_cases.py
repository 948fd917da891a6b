"""Fixed edge cases of NUMA calls: one call each, its arguments in words, with what a real kernel answered.

The words say what the call is made on: ``page=zero``, ``pages=ok,ok,unmapped``, ``pages=shared``, ``(pinned)``. Each case gets a
fresh machine like the recorded one, where the process has touched its pages on node 0. A case that asks about what an earlier one
left behind ("where they are then", "read back") goes on with that one's machine, if it came right before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from errno import EOPNOTSUPP, errorcode
from typing import Any

from movable.mm.cpuset import Cpuset
from movable.mm.gup import get_user_pages
from movable.mm.madvise import madvise_dontneed
from movable.mm.mempolicy_calls import (
    UserMask,
    sys_get_mempolicy,
    sys_mbind,
    sys_migrate_pages,
    sys_set_mempolicy,
    sys_set_mempolicy_home_node,
)
from movable.mm.mlock_calls import do_mlock
from movable.mm.mm_types import VM_READ, VM_SHARED, VM_WRITE
from movable.mm.mmap import do_mmap, do_munmap
from movable.mm.move_pages import NOWHERE, UserArray, page_status, sys_move_pages
from movable.mm.mprotect import do_mprotect
from movable.mm.nodemask import parse_nodelist
from movable.mm.process import Process
from movable.mm.userspace import Userspace
from movable.mm.vm import VM
from movable.numa.play import BAD, CPU_NODES, KERN, LAYOUT, UNWRITTEN
from movable.numa.program import ASK_WORDS, MODE_WORDS, MOVE_WORDS, Program, check_keys, parse_program
from movable.numa.replay import Difference

FIELDS = ("ret", "errno_name", "status", "mode", "mask", "node_of_first_page_after")
"""What is compared, where it was recorded."""
CASE_KEYS: dict[str, type] = {"id": int, "case": str, "as": str, "call": str, "args": str}
NOT_WRITTEN = -77
"""A mode word that the recorder did not ask for."""
VSYSCALL = 0xFFFFFFFFFF600000
TOUCHED, UNTOUCHED, ZERO, LOCKED, DROPPED, SHMEM, NONE = (0x20000000 + n * 0x1000000 for n in range(7))
AREA = 64
NODE_WORD = re.compile(r"node(\d+)")
FOLLOW_UP = re.compile(r"\bthen\b|read back")


@dataclass(frozen=True)
class Case:
    """One case: who calls what with which words, and what was recorded."""

    number: int
    title: str
    who: str
    call: str
    args: str
    recorded: dict[str, Any]

    @property
    def follows(self) -> bool:
        """Whether it asks about what the case before it left behind."""
        return bool(FOLLOW_UP.search(self.title))

    def value(self, key: str, default: str = "") -> str:
        """What stands behind ``key=``, up to the next key, a comma with a blank, or a bracket."""
        found = re.search(rf"\b{key}=(.*?)(?=$| \w+=| \(|, )", self.args)
        return found[1].strip() if found else default


def parse_program_or_case(record: dict[str, Any]) -> Program | Case:
    """What one line of a file holds. Raises ValueError for neither."""
    return parse_case(record) if "case" in record else parse_program(record)


def parse_case(record: dict[str, Any]) -> Case:
    """A case from what a line holds. Raises ValueError for what is none."""
    check_keys(record, CASE_KEYS)
    recorded = {field: record[field] for field in FIELDS if record.get(field) is not None}
    if recorded.get("mode") == NOT_WRITTEN:
        del recorded["mode"]
    if record["call"] not in CALLS:
        raise ValueError(f"unknown call {record['call']!r}")
    return Case(record["id"], record["case"], record["as"], record["call"], record["args"], recorded)


class Bench:
    """A fresh machine and the calling process, with an area for each kind of page that cases name."""

    def __init__(self, who: str, era: str) -> None:
        vm = VM(layout=LAYOUT, era=era)
        self.user = vm.userspace = Userspace(vm, cpu_nodes=CPU_NODES)
        self.root = self.user.spawn("root")
        self.task = self.user.spawn("caller", uid=1000 if who.startswith("uid1000") else 0)
        group = re.search(r"cpuset mems=([\d,-]+)", who)
        if group:
            cpuset = Cpuset(self.user, "a", self.user.top_cpuset)
            cpuset.write_mems(group[1])
            cpuset.attach(self.task)
        for start in (TOUCHED, UNTOUCHED, ZERO, LOCKED, DROPPED, NONE):
            do_mmap(self.task, start, AREA * 4096, VM_READ | VM_WRITE)
        do_mmap(self.task, SHMEM, AREA * 4096, VM_READ | VM_WRITE | VM_SHARED)
        for n in range(AREA):
            self.task.touch((TOUCHED >> 12) + n, True)
            self.task.touch((ZERO >> 12) + n, False)
        self.task.touch(DROPPED >> 12, True)
        madvise_dontneed(self.task, DROPPED, 4096)
        do_mlock(self.task, LOCKED, 4096)
        self.task.touch(NONE >> 12, True)
        do_mprotect(self.task, NONE, 4096, 0)
        self.child: Process | None = None

    def fork(self) -> Process:
        """The caller's child."""
        if self.child is None:
            self.child = self.task.fork("child")
        return self.child

    def pin(self, count: int) -> None:
        """A pipe holds the first pages."""
        if not self.task.pins:
            pages = get_user_pages(self.task, TOUCHED, count)
            assert isinstance(pages, list)
            self.task.pins = pages

    def put_on(self, node: int, count: int) -> None:
        """The first pages lie on another node."""
        pages = UserArray([TOUCHED + 4096 * n for n in range(count)])
        sys_move_pages(self.root, self.task.pid, count, pages, UserArray([node] * count), UserArray([0] * count), 4)

    def pid(self, words: str) -> int:
        """Whose pages are meant: a number, the child, root's; a child that is a zombie, or that was waited for."""
        if re.search("zombie|dead|reaped|exited", words):
            child = self.task.fork("child")
            child.exit(reap="zombie" not in words)
            return child.pid
        if "child" in words:
            return self.fork().pid
        if "root" in words:
            return self.root.pid
        for pattern, pid in PIDS.items():
            if re.fullmatch(pattern, words):
                return pid
        return int(words)

    def node_of_first_page(self) -> int:
        """Where the first page is."""
        assert self.task.mm is not None
        return page_status(self.task.mm, TOUCHED)


PIDS = {"|self|own": 0, "none|missing|unknown": 999999, "kthread|kernel thread": 2}
PLACES = {
    "NULL": 0, "bad": BAD, "unmapped": BAD, "kernel": KERN, "vsyscall": VSYSCALL,
    "zero": ZERO, "mlocked": LOCKED, "dontneed": DROPPED,
    "PROT_NONE": NONE, "prot_none": NONE, "protnone": NONE,
}  # fmt: skip


def play(case: Case, bench: Bench) -> dict[str, Any]:
    """Make the call; the fields of a recording."""
    if "shared" in case.args:
        bench.fork()
    on = re.search(r"(?:page )?on (?:node )?(\d)", case.args)
    if on:
        bench.put_on(int(on[1]), 1)
    if "pinned" in case.args or "pinned" in case.title:
        bench.pin(max(1, case.args.count("pinned") if "pages=" in case.args else 2))
    found = CALLS[case.call](case, bench)
    ret = found["ret"]
    if ret < 0:
        found |= {"ret": -1, "errno_name": "EOPNOTSUPP" if ret == -EOPNOTSUPP else errorcode[-ret]}
    else:
        found["errno_name"] = ""
    found["node_of_first_page_after"] = bench.node_of_first_page()
    return found


def _addresses(case: Case, count: int) -> list[int]:
    """The addresses that the words mean: ``page=`` one kind, ``pages=`` a list of kinds, else pages that were touched."""
    kinds = case.value("pages") or ",".join([case.value("page", "ok")] * max(count, 1))
    words = kinds.split(",")
    if words == ["shared"] or words == ["pinned"]:
        words = ["ok"] * count
    found: list[int] = []
    for word in words:
        shift = 0
        if word.startswith("untouched"):
            place = SHMEM if "shm" in word else UNTOUCHED
        elif word in PLACES:
            place = PLACES[word]
        else:
            place = TOUCHED
            shift = 0 if word == "p" else len([each for each in found if TOUCHED <= each < UNTOUCHED])
        found.append(place + shift * 4096)
    return found


def _array(text: str) -> UserArray | None:
    if text == "NULL":
        return None
    if text == "bad":
        return NOWHERE
    value, times, repeat = text.partition("x")
    return UserArray([int(value)] * _few(repeat)) if times else UserArray([int(node) for node in text.split(",")])


def _few(text: str) -> int:
    """A number of pages. Raises ValueError for more than an area has."""
    if int(text) > AREA:
        raise ValueError(f"{text} pages, where {AREA} are the most")
    return int(text)


def _mask(text: str) -> UserMask | None:
    if text in ("NULL", "bad"):
        return None if text == "NULL" else UserMask(readable=False)
    if text in ("", "empty"):
        return UserMask(0)
    if NODE_WORD.search(text):
        return UserMask(sum(1 << int(node) for node in NODE_WORD.findall(text)))
    return UserMask(int(text, 0))


def _node_mask(text: str) -> UserMask | None:
    """A mask given as a list of nodes, as cases of migrate_pages have it."""
    if text in ("NULL", "bad", "empty", ""):
        return _mask(text)
    return UserMask(parse_nodelist(text))


def _flags(text: str, names: dict[str, int]) -> int:
    total = 0
    for word in (text or "0").split("|"):
        total |= names[word] if word in names else int(word, 0)
    return total


def _move_pages(case: Case, bench: Bench) -> dict[str, Any]:
    count = _few(case.value("count", "1"))
    addresses = _addresses(case, count)
    pages = NOWHERE if case.value("pages") in ("bad", "NULL") else UserArray(addresses)
    nodes = _array(case.value("nodes", "1" if "MOVE" in case.args or "STRICT" in case.args else "NULL"))
    if nodes is not None and nodes.readable and len(nodes) < count:
        nodes = UserArray([*nodes] * count)
    status = NOWHERE if case.value("status") in ("bad", "NULL") else UserArray([UNWRITTEN] * count)
    flags = _flags(case.value("flags"), MOVE_WORDS)
    found: dict[str, Any] = {"ret": sys_move_pages(bench.task, bench.pid(case.value("pid")), count, pages, nodes, status, flags)}
    if status.readable:
        found["status"] = list(status)
    return found


def _mbind(case: Case, bench: Bench) -> dict[str, Any]:
    length = case.value("len", "1 page")
    start = TOUCHED + int(case.value("start", "0"))
    size = int(length.split()[0]) * (4096 if "page" in length else 1)
    if "unmapped" in case.args:
        do_munmap(bench.task, TOUCHED + 4096, 4096)
        size = 4 * 4096
    mode = _flags(case.value("mode", "BIND"), MODE_WORDS)
    mask = _mask(case.value("mask", "NULL" if mode == 0 else "0x1"))
    maxnode = int(case.value("maxnode", "1024"))
    return {"ret": sys_mbind(bench.task, start, size, mode, mask, maxnode, _flags(case.value("flags"), MOVE_WORDS))}


def _get_mempolicy(case: Case, bench: Bench) -> dict[str, Any]:
    flags = _flags(case.value("flags"), ASK_WORDS)
    policy = case.value("policy").split()
    if policy:
        sys_set_mempolicy(bench.task, MODE_WORDS[policy[0]], UserMask(parse_nodelist(policy[1])), 64)
    address = 0
    if re.search(r"\baddr\b(?!=NULL)", case.args):
        address = BAD if "unmapped" in case.args else TOUCHED
    asks_node = bool(flags & ASK_WORDS["NODE"]) and not case.value("nodemask")  # then no mask was asked for
    mask = None if asks_node or case.value("nodemask") == "NULL" else _mask(case.value("nodemask"))
    readable = case.value("mode") != "bad"
    answer = sys_get_mempolicy(bench.task, readable, mask, int(case.value("maxnode", "1024")), address, flags)
    return {"ret": answer.ret, "mode": answer.mode, "mask": answer.mask}


def _set_mempolicy(case: Case, bench: Bench) -> dict[str, Any]:
    mode = _flags(case.value("mode", "BIND"), MODE_WORDS)
    mask = _mask(case.value("mask", "NULL" if mode == 0 else "0x1"))
    return {"ret": sys_set_mempolicy(bench.task, mode, mask, int(case.value("maxnode", "1024")))}


def _migrate_pages(case: Case, bench: Bench) -> dict[str, Any]:
    old, new = _node_mask(case.value("old", "0")), _node_mask(case.value("new", "1"))
    pid = bench.pid(case.value("pid", "0"))
    return {"ret": sys_migrate_pages(bench.task, pid, int(case.value("maxnode", "1024")), old, new)}


def _home_node(case: Case, bench: Bench) -> dict[str, Any]:
    policy = case.value("policy")
    if policy != "none":
        mode = MODE_WORDS[policy.split()[0]] if policy else MODE_WORDS["BIND"]
        sys_mbind(bench.task, TOUCHED, 4096, mode, UserMask(0 if mode in (0, MODE_WORDS["LOCAL"]) else 1), 64, 0)
    length, node = case.value("len", "1 page"), int(case.value("node", "1"), 0)
    size = int(length.split()[0]) * (4096 if "page" in length else 1)
    start = TOUCHED + int(case.value("start", "0"))
    return {"ret": sys_set_mempolicy_home_node(bench.task, start, size, node, int(case.value("flags", "0"), 0))}


CALLS: dict[str, Callable[[Case, Bench], dict[str, Any]]] = {
    "move_pages": _move_pages,
    "mbind": _mbind,
    "get_mempolicy": _get_mempolicy,
    "set_mempolicy": _set_mempolicy,
    "migrate_pages": _migrate_pages,
    "set_mempolicy_home_node": _home_node,
}


class CasePlayer:
    """Plays cases in the order of a file; ``unplayed`` are those that ask about a case which does not stand right before.

    ``unknown`` are lines about those whose words are not understood.
    """

    def __init__(self, era: str) -> None:
        self.era = era
        self.bench: Bench | None = None
        self.last = -2
        self.unplayed: list[Case] = []
        self.unknown: list[str] = []

    def compare(self, case: Case) -> Difference | None:
        """Play a case; its first difference, or None."""
        if not case.follows:
            self.bench = Bench(case.who, self.era)
        elif self.bench is None or case.number != self.last + 1:
            self.unplayed.append(case)
            return None
        self.last = case.number
        try:
            found = play(case, self.bench)
        except (ValueError, KeyError, IndexError) as error:
            self.unknown.append(f"case {case.number} ({case.title}): words that are not understood ({error})")
            return None
        for field, recorded in case.recorded.items():
            if found.get(field) != recorded:
                text = f"{case.title}: {case.call} {case.args}"
                return Difference(case.number, 0, text, field, found.get(field), recorded)
        return None
