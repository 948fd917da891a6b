"""The commands of the prompt. Each gets its words and its input, and returns its output."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from functools import partial

from movable.errors import UsageError
from movable.lab.draw import legend_lines, map_lines
from movable.mm.memparse import parse_size, readable
from movable.mm.page import PAGE_SHIFT
from movable.mm.validate import validate_vm
from movable.sh import filters
from movable.sh.dmesg import dmesg
from movable.sh.failure import CommandFailed
from movable.sh.files import File, tree
from movable.sh.line import Pipeline, parse
from movable.sh.machine import Machine
from movable.sh.numa import TOOLS, NumaTools, ToolFailed
from movable.shown import many

MAX_OBSTACLES = 10
BEFORE = ("sudo", "watch", "time")
"""Words before a command that change nothing here; ``watch`` looks once."""


class Shell:
    """Runs lines on a machine. ``history`` are the lines so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.history: list[str] = []
        self.commands: dict[str, Callable[[Sequence[str], str], str]] = {
            "cat": self._cat, "echo": self._echo, "ls": self._ls, "tee": self._tee, "sysctl": self._sysctl,
            "help": self._help, "history": self._history, "obstacles": self._obstacles, "balloon": self._balloon,
            "verify": self._verify, "map": self._map, "true": lambda words, given: "",
            "sleep": lambda words, given: "", "uname": self._uname, "free": self._free,
            "dmesg": lambda words, given: dmesg(self.machine.vm),
        }  # fmt: skip
        self.commands |= {
            "grep": partial(filters.grep, read=self._read), "head": partial(filters.head, read=self._read),
            "tail": partial(filters.tail, read=self._read), "wc": partial(filters.wc, read=self._read),
        }  # fmt: skip
        self.numa = NumaTools(machine.vm)
        self.commands |= {name: partial(self._tool, name) for name in TOOLS}

    @property
    def files(self) -> dict[str, File]:
        """The files as they are now: a block that went offline keeps its files, a driver may bring more."""
        return tree(self.machine) | self.numa.files()

    def run(self, text: str) -> str:
        """Run one line and return its output. Raises UsageError for what is no command, CommandFailed as a command fails."""
        output = ""
        if not text.strip() or text.lstrip().startswith("#"):
            return output
        self.history.append(text.strip())
        failed: CommandFailed | None = None
        for pipeline in parse(text):
            if failed is not None and pipeline.only_after_success:
                continue
            try:
                output += self._pipeline(pipeline)
                failed = None
            except CommandFailed as error:
                output += f"{error}\n"
                failed = error
        if failed is not None:
            raise CommandFailed(str(failed), output)
        return output

    def _pipeline(self, pipeline: Pipeline) -> str:
        given = ""
        for words in map(self._words, pipeline.commands):
            command = self.commands.get(words[0])
            if command is None:
                raise UsageError(f"there is no command {words[0]!r}; 'help' lists those that there are")
            given = command(words[1:], given)
        if not pipeline.target:
            return given
        self._write(pipeline.target, given, pipeline.commands[-1][0])
        return ""

    def _words(self, words: Sequence[str]) -> list[str]:
        """A command's words without what only says how it is run (sudo, watch), and with the files that a pattern means."""
        rest = list(words)
        while len(rest) > 1 and rest[0] in BEFORE:
            rest = rest[1:]
            while rest[0].startswith("-") and len(rest) > 1:
                rest = rest[1:]
        if not any(word.startswith("/") and set(word) & set("*?[") for word in rest[1:]):
            return rest
        files = self.files
        named = [[word] if not set(word) & set("*?[") else fnmatch.filter(files, word) or [word] for word in rest[1:]]
        return [rest[0], *(path for paths in named for path in sorted(paths, key=_natural))]

    def _write(self, path: str, text: str, who: str) -> None:
        if path == "/dev/null":
            return
        file = self._file(path, who if who in ("tee", "sysctl") else "sh")
        if file.write is None:
            raise CommandFailed(f"sh: {path}: Permission denied")
        try:
            file.write(text)
        except OSError as error:
            raise CommandFailed(f"{who}: write error: {error.strerror}") from None
        self.machine.vm.run_work()

    def _file(self, path: str, who: str) -> File:
        files = self.files
        if path in files:
            return files[path]
        folder = any(name.startswith(path.rstrip("/") + "/") for name in files)
        raise CommandFailed(f"{who}: {path}: {'Is a directory' if folder else 'No such file or directory'}")

    # --- commands ---

    def _read(self, path: str, who: str) -> str:
        """What a file says. Raises CommandFailed."""
        file = self._file(path, who)
        if file.read is None:
            raise CommandFailed(f"{who}: {path}: Permission denied")
        return file.read()

    def _tee(self, words: Sequence[str], given: str) -> str:
        for path in (word for word in words if not word.startswith("-")):
            self._write(path, given, "tee")
        return given

    def _sysctl(self, words: Sequence[str], given: str) -> str:
        """Read settings by their dotted names, or write them (NAME=VALUE)."""
        output = ""
        for word in (word for word in words if not word.startswith("-")):
            name, is_set, value = word.partition("=")
            path = "/proc/sys/" + name.strip().replace(".", "/")
            if path not in self.files:
                raise CommandFailed(f"sysctl: cannot stat {path}: No such file or directory", output)
            if is_set:
                self._write(path, value.strip() + "\n", "sysctl")
            output += f"{name} = {value.strip() if is_set else self._read(path, 'sysctl').strip()}\n"
        return output

    def _free(self, words: Sequence[str], given: str) -> str:
        """Memory in all, in use and free, in KiB, or in MiB with -m."""
        lines = (line.split() for line in self._read("/proc/meminfo", "free").splitlines())
        values = {line[0].rstrip(":"): int(line[1]) for line in lines}
        total, left = (values[name] >> (10 if "-m" in words else 0) for name in ("MemTotal", "MemFree"))
        return f"{'total':>19}{'used':>12}{'free':>12}\nMem:{total:>15}{total - left:>12}{left:>12}\n"

    def _uname(self, words: Sequence[str], given: str) -> str:
        """The kernel whose rules the machine plays."""
        name = f"{self.machine.vm.era.name}.0-model"
        return f"{name}\n" if words == ["-r"] else f"Linux movable {name}\n"

    def _cat(self, words: Sequence[str], given: str) -> str:
        output = given if not words else ""
        for path in words:
            try:
                output += self._read(path, "cat")
            except CommandFailed as error:
                raise CommandFailed(str(error), output) from None
        return output

    def _echo(self, words: Sequence[str], given: str) -> str:
        newline = "\n"
        if words and words[0] == "-n":
            words, newline = words[1:], ""
        return " ".join(words) + newline

    def _ls(self, words: Sequence[str], given: str) -> str:
        output = ""
        for path in [word for word in words if not word.startswith("-")] or ["/"]:
            if path in self.files:
                output += f"{path}\n"
                continue
            names = sorted(entries(self.files, path), key=_natural)
            if not names:
                raise CommandFailed(f"ls: cannot access '{path}': No such file or directory", output)
            output += "".join(f"{name}\n" for name in names)
        return output

    def _tool(self, name: str, words: Sequence[str], given: str) -> str:
        try:
            return self.numa.run(name, words)
        except ToolFailed as error:
            raise CommandFailed(str(error)) from None

    def _help(self, words: Sequence[str], given: str) -> str:
        return HELP

    def _history(self, words: Sequence[str], given: str) -> str:
        return "".join(f"{number:5d}  {line}\n" for number, line in enumerate(self.history, 1))

    def _obstacles(self, words: Sequence[str], given: str) -> str:
        failure, found = self.machine.vm.last_failure, self.machine.vm.obstacles
        if failure is None:
            return "nothing has failed\n"
        if not found:
            return f"{failure.what}: nothing is in the way any more\n"
        lines = [f"{failure.what}: {many(len(found), 'frame')} in the way"]
        lines += [str(obstacle) for obstacle in found[:MAX_OBSTACLES]]
        if len(found) > MAX_OBSTACLES:
            lines.append(f"and {len(found) - MAX_OBSTACLES} more")
        return "\n".join(lines) + "\n"

    def _balloon(self, words: Sequence[str], given: str) -> str:
        found = [driver.instance for driver in self.machine.run.drivers if callable(getattr(driver.instance, "set_target", None))]
        if not found:
            raise CommandFailed("balloon: no driver of this machine is a balloon")
        if words:
            try:
                size = parse_size(words[0], "balloon:")
            except UsageError as error:
                raise CommandFailed(str(error)) from None
            found[0].set_target(size >> PAGE_SHIFT)
            self.machine.vm.run_work()
        return f"balloon: {readable(found[0].num_pages << PAGE_SHIFT)}\n"

    def _verify(self, words: Sequence[str], given: str) -> str:
        """Read everything back that was stored, and count the machine again."""
        run = self.machine.run
        wrong = run.compare()
        validate_vm(self.machine.vm, quiescent=False)
        if wrong:
            raise CommandFailed(f"verify: {len(wrong)} of {run.nr_stored} stored pages are not what was written")
        return f"verify: {run.nr_stored - run.nr_discarded} stored pages are byte for byte as they were written\n"

    def _map(self, words: Sequence[str], given: str) -> str:
        drawn = self.machine.run.map("now")
        lines = [f"{label}  {letters}" for label, letters in map_lines(drawn)]
        return "\n".join([*lines, *(f"  {line}" for line in legend_lines(drawn))]) + "\n"


def entries(files: dict[str, File], path: str) -> set[str]:
    """What lies in a folder."""
    folder = path.rstrip("/") + "/"
    return {name[len(folder) :].partition("/")[0] for name in files if name.startswith(folder)}


def _natural(name: str) -> list[tuple[int, str]]:
    """memory2 before memory10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]


HELP = """\
cat FILE...              read files below /proc and /sys; 'ls FOLDER' lists them
echo WORD > FILE         write one, such as echo 1 > /proc/sys/vm/compact_memory
                         echo offline > /sys/devices/system/memory/memory3/state
                         echo 20 > /proc/sys/vm/nr_hugepages
COMMAND | grep PATTERN   also head, tail, wc and tee, behind a pipe or with files; /sys/devices/system/memory/*/state means each
sysctl vm.nr_hugepages   settings by their dotted names; sysctl vm.compact_memory=1 writes one
balloon SIZE             what the host asks the balloon for; alone: its size
obstacles                which frames were in the way of what failed last, and whose they are
dmesg                    what a kernel's log would say of that; movable explain reads it
verify                   read everything back that was stored, and count the machine again
map                      draw the machine's frames
numactl -H               nodes; numactl --membind=1 -- touch 16M starts a process with its memory there
numastat [-p PID]        counters of nodes, or where a process has its memory; cat /proc/PID/numa_maps
migratepages PID 0 1     move a process's pages; move_pages PID PAGES to NODE moves some, why PID PAGE says why one stays
mkdir /sys/fs/cgroup/A   a cpuset; echo 1 > /sys/fs/cgroup/A/cpuset.mems, echo PID > /sys/fs/cgroup/A/cgroup.procs
                         also fork, kill, mlock, pin, unpin, read, write, share, file, balance, setuid
history, help            the lines so far; this list
"""

__all__ = ["HELP", "Shell", "entries"]
