"""Plays a script of NUMA commands on a fresh machine, with the output of the real tools.

A line is one command; ``#`` begins a comment. Commands are those that people know: numactl, migratepages, numastat, cat, echo,
mkdir, kill; and a few for calls that have no tool: move_pages, fork, mlock, write, pin, unpin, why.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, ENODEV, ENOENT, ESRCH
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.mm.cpuset import Cpuset
from movable.mm.gup import get_user_pages
from movable.mm.memory import OutOfMemory
from movable.mm.mempolicy_calls import UserMask, sys_migrate_pages
from movable.mm.mlock_calls import do_mlock
from movable.mm.move_pages import UserArray, sys_move_pages
from movable.mm.numa_balancing import do_numa_page
from movable.mm.page import PAGE_SIZE
from movable.mm.process import Process, Signal
from movable.mm.swap import lru_add_drain_all
from movable.mm.userspace import userspace
from movable.mm.vm import VM
from movable.numa.files import WRITE_ONLY, files, matching, write_file
from movable.numa.line import filtered, grep, parse
from movable.numa.play import UNWRITTEN
from movable.numa.shapes import DATA, SHAPES, launch
from movable.numa.tools.numactl import Numactl, Refused, numa_parse_nodestring
from movable.numa.tools.numastat import numastat
from movable.numa.why import Said, frame, why

if TYPE_CHECKING:
    from movable.mm.mmzone import Node

MOVE_ALL = 4
OF_A_PROCESS = ("balance", "fork", "mlock", "pin", "read", "setuid", "unpin", "write")
"""What a program would do: of a process that there is not, they answer as a call does, and the script goes on."""
MAX_DIGITS = 12
"""Digits of the number of a page."""


class NoProcess(UsageError):
    """A command names a process that there is not, or not any more."""


class Shell:
    """One machine and the root shell that commands are typed into. ``run`` plays a script and yields its output."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.user = userspace(vm)
        self.shell = self.user.spawn("sh")
        self.groups = {"": self.user.top_cpuset}
        self.said: dict[tuple[int, int], Said] = {}
        self.jobs = self.last_pid = 0
        self.calls: Counter[int] = Counter()
        self.dying: set[Process] = set()
        self.commands: dict[str, Callable[[list[str]], Iterator[str]]] = {
            name[4:]: getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }

    def run(self, lines: Iterator[str], path: str) -> Iterator[str]:
        """Play a script; yields each command behind "$ " and then what it prints. Raises UsageError with file and line."""
        for number, line in enumerate(lines, 1):
            try:
                words, filters = parse(line, self.last_pid)
                if words:
                    yield f"$ {line.strip()}"
                    yield from filtered(self.command(words), filters)
            except Refused as error:
                yield from str(error).splitlines()
            except OutOfMemory as error:
                raise UsageError(f"{path}, line {number}: {error}") from None
            except (UsageError, ValueError, OverflowError) as error:
                kind = NoProcess if isinstance(error, NoProcess) else UsageError
                raise kind(f"{path}, line {number}: {error}") from None

    def command(self, words: list[str]) -> Iterator[str]:
        """One command and its output."""
        do = self.commands.get(words[0])
        if do is None:
            raise UsageError(f"unknown command {words[0]!r}; commands are {', '.join(sorted(self.commands))}")
        try:
            yield from do(words[1:])
        except NoProcess:
            if words[0] not in OF_A_PROCESS:
                raise
            yield f"{words[0]}: {os.strerror(ESRCH)}"

    # what commands name

    def task(self, text: str) -> Process:
        """A living process by its pid."""
        task = self.user.find_task(self.pid(text))
        if task is None or task.comm == "kthread":
            known = ", ".join(str(pid) for pid, task in self.user.tasks.items() if task.comm not in ("kthread", "sh"))
            raise NoProcess(f"no process {text}; processes are {known or 'none yet'}")
        return task

    @contextmanager
    def acting(self, text: str) -> Iterator[Process]:
        """A living process, inside of a call of its own: it is not killed before that ends."""
        task = self.task(text)
        if task in self.dying:
            raise NoProcess(f"process {task.pid} was killed")
        self.calls[task.pid] += 1
        try:
            yield task
        finally:
            if self.vm.seam is not None:
                self.vm.seam.point("aw", ("task", task.pid))
            self.calls[task.pid] -= 1

    def pid(self, text: str) -> int:
        """A process by its number, whether it lives or not: the call will say."""
        if not text.isdigit():
            raise UsageError(f"{text!r} is no process; write its pid")
        return int(text)

    def _number(self, text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text):
            raise UsageError(f"{text!r} is no node; write its number")
        return int(text)

    def node(self, text: str) -> Node:
        """A node by its number."""
        if not text.isdigit() or int(text) >= len(self.vm.nodes):
            raise UsageError(f"node {text} does not exist; nodes are 0 to {len(self.vm.nodes) - 1}")
        return self.vm.nodes[int(text)]

    def mask(self, text: str) -> UserMask:
        """A node list as the tools read it."""
        return UserMask(numa_parse_nodestring(self.user, self.shell, text))

    def pages(self, words: list[str]) -> list[int]:
        """Addresses of pages: 0xADDRESS, or N or N-M counted from the start of the process's data; also joined by commas."""
        found = []
        for word in (part for joined in words for part in joined.split(",") if part):
            if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", word):
                found.append(int(word, 16))
                continue
            first, dash, last = word.partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                raise UsageError(f"{word!r} is no page; write an address such as {DATA:#x}, a number, or a range such as 0-7")
            frames = self.user.vm.nr_frames
            if max(len(first), len(last)) > MAX_DIGITS or int(last or first) - int(first) >= frames:
                raise UsageError(f"{word[:40]!r} are more pages than the machine has, which has {frames}")
            found += [DATA + page * PAGE_SIZE for page in range(int(first), int(last or first) + 1)]
        if not found:
            raise UsageError("no pages given; write addresses, numbers or ranges such as 0-7")
        return found

    # numactl

    def _do_numactl(self, words: list[str]) -> Iterator[str]:
        yield from Numactl(self.user, self.shell).run(words, self._start)

    def _start(self, words: list[str], prepare: Callable[[Process], None]) -> Iterator[str]:
        tasks = launch(self.user, words, prepare)
        self.jobs += 1
        self.last_pid = tasks[-1].pid
        yield f"[{self.jobs}] {' '.join(str(task.pid) for task in tasks)}"

    # numastat

    def _do_numastat(self, words: list[str]) -> Iterator[str]:
        lru_add_drain_all(self.user)
        yield from numastat(self.user, words)

    # moving

    def _do_migratepages(self, words: list[str]) -> Iterator[str]:
        caller, words = self._caller(words)
        if len(words) != 3:
            raise UsageError("migratepages: write migratepages PID FROM-NODES TO-NODES")
        ret = sys_migrate_pages(caller, self.pid(words[0]), 1024, self.mask(words[1]), self.mask(words[2]))
        if ret < 0:
            yield f"migrate_pages: {os.strerror(-ret)}"
        elif ret:
            yield f"{ret} pages did not move"

    def _caller(self, words: list[str]) -> tuple[Process, list[str]]:
        """Who makes the call: root's shell, or with ``--as PID`` that process."""
        if words[:1] == ["--as"] and len(words) > 1:
            return self.task(words[1]), words[2:]
        return self.shell, words

    def _do_move_pages(self, words: list[str]) -> Iterator[str]:
        caller, words = self._caller(words)
        flags = 2
        if words[:1] == ["--all"]:
            flags, words = MOVE_ALL, words[1:]
        if not words:
            raise UsageError("move_pages: write move_pages [--all] PID PAGES... [to NODE], or without a node to ask")
        pid = self.pid(words[0])
        target = None
        if "to" in words:
            at = words.index("to")
            target = self._number("".join(words[at + 1 :]))
            words = words[:at]
        addresses = self.pages(words[1:])
        status = UserArray([UNWRITTEN] * len(addresses))
        wanted = None if target is None else UserArray([target] * len(addresses))
        ret = sys_move_pages(caller, pid, len(addresses), UserArray(addresses), wanted, status, flags)
        self._note(pid, ret, target, [*zip(addresses, status, strict=True)])
        for address, found in zip(addresses, status, strict=True):
            yield f"{address:#x} {'not reached' if found == UNWRITTEN else found}"
        if ret < 0:
            yield f"move_pages: {os.strerror(-ret)}"
        elif ret:
            yield f"move_pages: {ret} pages were not moved"

    def _note(self, pid: int, ret: int, node: int | None, entries: list[tuple[int, int]]) -> None:
        """What a call of move_pages said of each page, for ``why``."""
        of_page: dict[int, list[int]] = {}
        for address, status in entries:
            of_page.setdefault(address // PAGE_SIZE, []).extend([status] if status != UNWRITTEN else [])
        task = self.user.find_task(pid)
        for vpn, statuses in of_page.items():
            self.said[pid, vpn] = Said(statuses, ret, node, None if task is None else frame(task, vpn))

    def _do_why(self, words: list[str]) -> Iterator[str]:
        caller, words = self._caller(words)
        if len(words) != 2:
            raise UsageError("why: write why PID ADDRESS, or why PID NUMBER-OF-PAGE")
        address, *more = self.pages(words[1:])
        if more:
            raise UsageError(f"why: {words[1]} is more than one page; write one")
        task = self.user.find_task(self.pid(words[0]))
        if task is None:
            yield f"There is no process {words[0]}: every call on it fails with ESRCH (3)."
            return
        yield from why(caller, task, address, self.said.get((task.pid, address // PAGE_SIZE)))

    # files

    def _do_cat(self, words: list[str]) -> Iterator[str]:
        if not words:
            raise UsageError("cat: no file")
        for path, lines in self._opened(words):
            yield from [f"cat: {path}: {os.strerror(lines)}"] if isinstance(lines, int) else lines

    def _opened(self, words: list[str]) -> Iterator[tuple[str, list[str] | int]]:
        """The files that words mean, each a path or a pattern, with their lines, or with the error that opening one gives."""
        found = self.files
        paths = [path for word in words for path in ([word] if self._refusal(word, found) else matching(found, word))]
        for path in paths:
            try:
                yield path, self.read_file(path).splitlines()
            except OSError as error:
                yield path, error.errno or 0

    def read_file(self, path: str) -> str:
        """The text of a file. Raises OSError as opening it does, UsageError for what is not in the model."""
        lru_add_drain_all(self.user)
        found = self.files
        refusal = self._refusal(path, found)
        if refusal:
            raise OSError(refusal, os.strerror(refusal), path)
        return found[matching(found, path)[0]]()

    def _refusal(self, path: str, found: dict[str, Callable[[], str]]) -> int:
        """The error that opening a file gives: it can only be written, or its process is gone. 0 for none."""
        if path in WRITE_ONLY:
            return EACCES
        process = re.match(r"/proc/(\d+)/", path)
        if process and path not in found:
            try:
                self.task(process[1])
            except NoProcess:
                return ENOENT
        return 0

    @property
    def files(self) -> dict[str, Callable[[], str]]:
        """What can be read now, by path."""
        self.groups_point("ar")
        return files(self.user, self.groups)

    def _do_grep(self, words: list[str]) -> Iterator[str]:
        at = next((at for at, word in enumerate(words) if word[:1] != "-"), len(words))
        if len(words) < at + 2:
            raise UsageError("grep: write grep PATTERN FILE")
        opened = list(self._opened(words[at + 1 :]))
        for path, lines in opened:
            if isinstance(lines, int):
                yield f"grep: {path}: {os.strerror(lines)}"
                continue
            name = f"{path}:" if len(opened) > 1 else ""
            yield from (name + line for line in grep(lines, words[: at + 1]))

    def _do_echo(self, words: list[str]) -> Iterator[str]:
        words = [part for word in words for part in ((">", word[1:]) if word[:1] == ">" and len(word) > 1 else (word,))]
        if len(words) < 2 or words[-2] != ">":
            raise UsageError("echo: write echo VALUE > FILE")
        value, path = " ".join(words[:-2]), words[-1]
        ret = self.write_file(value, path)
        if ret:
            yield f"sh: write error: {os.strerror(-ret)}"

    def write_file(self, value: str, path: str) -> int:
        """What a write of ``value`` to a file answers: 0 or -errno."""
        self.groups_point("ar")
        return write_file(self.user, self.groups, value, path)

    def _do_sysctl(self, words: list[str]) -> Iterator[str]:
        name, equals, value = "".join(word for word in words if word != "-w").partition("=")
        path = f"/proc/sys/{name.replace('.', '/')}"
        if not equals:
            for _, lines in self._opened([path]):
                yield f'sysctl: permission denied on key "{name}"' if isinstance(lines, int) else f"{name} = {' '.join(lines)}"
            return
        ret = self.write_file(value, path)
        yield f'sysctl: setting key "{name}": {os.strerror(-ret)}' if ret else f"{name} = {value}"

    def _do_mkdir(self, words: list[str]) -> Iterator[str]:
        twice = words[:1] == ["-p"]
        words = words[twice:]
        name = _group_of(words)
        if name is None:
            raise UsageError("mkdir: write mkdir /sys/fs/cgroup/NAME")
        self.groups_point("aw")
        if name not in self.groups:
            self.groups[name] = Cpuset(self.user, name, self.user.top_cpuset)
        elif not twice:
            yield f"mkdir: cannot create directory '{words[0]}': File exists"

    def _do_rmdir(self, words: list[str]) -> Iterator[str]:
        name = _group_of(words)
        if name is None:
            raise UsageError("rmdir: write rmdir /sys/fs/cgroup/NAME")
        self.groups_point("ar")
        group = self.groups.get(name)
        ret = -ENOENT if group is None else group.remove()
        if group is None or ret:
            yield f"rmdir: failed to remove '{words[0]}': {os.strerror(ENOENT if ret == -ENODEV else -ret)}"
            return
        self.groups_point("aw")
        del self.groups[group.name]

    def groups_point(self, op: str) -> None:
        """Which groups there are is one location, where tasks run."""
        if self.vm.seam is not None:
            self.vm.seam.point(op, ("groups",))

    # processes

    def _do_sleep(self, words: list[str]) -> Iterator[str]:
        """Time does not pass here by itself."""
        return iter(())

    _do_wait = _do_sleep

    def _do_kill(self, words: list[str]) -> Iterator[str]:
        pids = words[1:] if words and re.fullmatch(r"-(9|15|KILL|TERM|SIGKILL|SIGTERM)", words[0]) else words
        if not pids:
            raise UsageError("kill: write kill [-9] PID...")
        for word in pids:
            try:
                self._end(self.task(word))
            except NoProcess:
                yield f"kill: ({word}) - {os.strerror(ESRCH)}"

    def _do_pgrep(self, words: list[str]) -> Iterator[str]:
        """The processes with a part of a name, a line each."""
        if len(words) != 1:
            raise UsageError("pgrep: write pgrep NAME")
        yield from (f"{task.pid}" for task in self._programs() if words[0] in task.comm)

    def _do_pidof(self, words: list[str]) -> Iterator[str]:
        """Those of a name on one line, the last first."""
        if len(words) != 1:
            raise UsageError("pidof: write pidof NAME")
        found = [f"{task.pid}" for task in self._programs() if task.comm == words[0]]
        yield from [" ".join(reversed(found))] if found else []

    def _programs(self) -> list[Process]:
        return [task for task in self.user.tasks.values() if task.comm not in ("kthread", "sh")]

    def _end(self, task: Process) -> None:
        self.vm.wait(("task", task.pid), lambda: not self.calls[task.pid], f"process {task.pid} to end its call")
        self.dying.add(task)
        task.exit()
        self.dying.discard(task)

    def _do_fork(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words)) as task:
            yield f"[fork] {task.fork(task.comm).pid}"

    def _do_setuid(self, words: list[str]) -> Iterator[str]:
        if len(words) != 2 or not words[1].isdigit():
            raise UsageError("setuid: write setuid PID UID")
        self.task(words[0]).setuid(int(words[1]))
        yield from ()

    def _do_write(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words[:1])) as task:
            for address in self.pages(words[1:]):
                try:
                    task.write(address, b"written")
                except Signal as signal:
                    yield f"process {task.pid}: {signal}"

    def _do_balance(self, words: list[str]) -> Iterator[str]:
        if len(words) != 4 or words[2] != "to":
            raise UsageError("balance: write balance PID PAGE to NODE: the process uses a page from a CPU of that node")
        nid = self.node(words[3]).nid
        with self.acting(words[0]) as task:
            for address in self.pages(words[1:2]):
                yield "moved" if do_numa_page(task, address // PAGE_SIZE, nid) else "stays"

    def _do_read(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words[:1])) as task:
            for address in self.pages(words[1:]):
                try:
                    yield f"read {task.read(address, 8).hex()}"
                except Signal as signal:
                    yield f"process {task.pid}: {signal}"

    def _do_mlock(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words[:1])) as task:
            for address in self.pages(words[1:]):
                ret = do_mlock(task, address, PAGE_SIZE)
                if ret:
                    yield f"mlock: {os.strerror(-ret)}"

    def _do_pin(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words[:1])) as task:
            for address in self.pages(words[1:]):
                pages = get_user_pages(task, address, 1)
                if isinstance(pages, int):
                    yield f"vmsplice: {os.strerror(-pages)}"
                else:
                    task.pins += pages

    def _do_unpin(self, words: list[str]) -> Iterator[str]:
        with self.acting("".join(words)) as task:
            task.unpin()
        yield from ()


def _group_of(words: list[str]) -> str | None:
    """The name of the group whose folder the one word is, None for anything else."""
    found = re.fullmatch(r"/sys/fs/cgroup/([\w-]+)/?", words[0]) if len(words) == 1 else None
    return found[1] if found else None


def _do_program(name: str) -> Callable[[Shell, list[str]], Iterator[str]]:
    def do(shell: Shell, words: list[str]) -> Iterator[str]:
        yield from shell._start([name, *words], lambda task: None)

    return do


for _name in SHAPES:
    setattr(Shell, f"_do_{_name}", _do_program(_name))
