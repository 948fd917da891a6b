"""The commands of the prompt. Each gets its words and its input, and returns its output."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from movable.errors import MovableError, UsageError
from movable.lab.draw import legend_lines, map_lines
from movable.mm.memparse import parse_size, readable
from movable.mm.page import PAGE_SHIFT
from movable.mm.validate import validate_vm
from movable.sh.files import File, tree
from movable.sh.line import Pipeline, parse
from movable.sh.machine import Machine
from movable.sh.numa import TOOLS, NumaTools, ToolFailed

MAX_OBSTACLES = 10


class CommandFailed(MovableError):
    """A command that failed as one of a real shell fails; the message is what it prints, ``output`` what came before."""

    def __init__(self, message: str, output: str = "") -> None:
        self.output = output
        super().__init__(message)


class Shell:
    """Runs lines on a machine. ``history`` are the lines so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.history: list[str] = []
        self.commands: dict[str, Callable[[Sequence[str], str], str]] = {
            "cat": self._cat, "echo": self._echo, "ls": self._ls, "grep": _grep, "head": _head, "tail": _tail, "wc": _wc,
            "help": self._help, "history": self._history, "obstacles": self._obstacles, "balloon": self._balloon,
            "verify": self._verify, "map": self._map, "true": lambda words, given: "",
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
        for words in pipeline.commands:
            command = self.commands.get(words[0])
            if command is None:
                raise UsageError(f"there is no command {words[0]!r}; 'help' lists those that there are")
            given = command(words[1:], given)
        if not pipeline.target:
            return given
        self._write(pipeline.target, given, pipeline.commands[-1][0])
        return ""

    def _write(self, path: str, text: str, who: str) -> None:
        if path == "/dev/null":
            return
        file = self._file(path, "sh")
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

    def _cat(self, words: Sequence[str], given: str) -> str:
        output = given if not words else ""
        for path in words:
            try:
                file = self._file(path, "cat")
            except CommandFailed as error:
                raise CommandFailed(str(error), output) from None
            if file.read is None:
                raise CommandFailed(f"cat: {path}: Permission denied", output)
            output += file.read()
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
        lines = [f"{failure.what}: {len(found)} frame{'s' if len(found) > 1 else ''} in the way"]
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


def _grep(words: Sequence[str], given: str) -> str:
    flags = {flag for word in words if word.startswith("-") for flag in word[1:]}
    patterns = [word for word in words if not word.startswith("-")]
    if len(patterns) != 1 or flags - set("vicE"):
        raise CommandFailed("grep: give one pattern behind a pipe, with -v, -i, -c or -E")
    try:
        pattern = re.compile(patterns[0], re.IGNORECASE if "i" in flags else 0)
    except re.error as error:
        raise CommandFailed(f"grep: {error}") from None
    kept = [line for line in given.splitlines() if (pattern.search(line) is None) == ("v" in flags)]
    if "c" in flags:
        return f"{len(kept)}\n"
    if not kept:
        raise CommandFailed("")
    return "".join(f"{line}\n" for line in kept)


def _count(words: Sequence[str], who: str) -> int:
    text = "".join(words).removeprefix("-n").removeprefix("-") or "10"
    if not text.isdigit():
        raise CommandFailed(f"{who}: {text!r} is no number of lines")
    return int(text)


def _head(words: Sequence[str], given: str) -> str:
    return "".join(given.splitlines(keepends=True)[: _count(words, "head")])


def _tail(words: Sequence[str], given: str) -> str:
    count = _count(words, "tail")
    return "".join(given.splitlines(keepends=True)[-count:]) if count else ""


def _wc(words: Sequence[str], given: str) -> str:
    return f"{len(given.splitlines())}\n"


HELP = """\
cat FILE...              read files below /proc and /sys; 'ls FOLDER' lists them
echo WORD > FILE         write one, such as echo 1 > /proc/sys/vm/compact_memory
                         echo offline > /sys/devices/system/memory/memory3/state
                         echo 20 > /proc/sys/vm/nr_hugepages
COMMAND | grep PATTERN   also head, tail and wc behind a pipe
balloon SIZE             what the host asks the balloon for; alone: its size
obstacles                which frames were in the way of what failed last, and whose they are
verify                   read everything back that was stored, and count the machine again
map                      draw the machine's frames
numactl -H               nodes; numactl --membind=1 -- touch 16M starts a process with its memory there
numastat [-p PID]        counters of nodes, or where a process has its memory; cat /proc/PID/numa_maps
migratepages PID 0 1     move a process's pages; move_pages PID PAGES to NODE moves some, why PID PAGE says why one stays
mkdir /sys/fs/cgroup/A   a cpuset; echo 1 > /sys/fs/cgroup/A/cpuset.mems, echo PID > /sys/fs/cgroup/A/cgroup.procs
                         also fork, kill, mlock, pin, unpin, read, write, share, file, balance, setuid
history, help            the lines so far; this list
"""

__all__ = ["HELP", "CommandFailed", "Shell", "entries"]
