"""The commands of the prompt. Each gets its words and its input, and returns its output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from movable.errors import UsageError
from movable.lab.draw import legend_lines, map_lines
from movable.mm.memparse import parse_size, readable
from movable.mm.page import PAGE_SHIFT
from movable.mm.validate import validate_vm
from movable.sh import filters, text_tools
from movable.sh.dmesg import dmesg
from movable.sh.expand import natural
from movable.sh.failure import CommandFailed
from movable.sh.files import File, tree
from movable.sh.interpret import DURATION, Interpreter
from movable.sh.machine import Machine
from movable.sh.numa import TOOLS, NumaTools, ToolFailed
from movable.shown import many

if TYPE_CHECKING:
    from movable.mm.obstacles import Failure

MAX_OBSTACLES = 10
MAX_OWN = 1 << 24
"""Characters in files of one's own."""


class Shell:
    """Runs lines on a machine. ``history`` are the lines so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.history: list[str] = []
        self.seconds = 0.0
        """Of the machine's clock."""
        self.status = 0
        """Of ``exit``."""
        self._cleared: Failure | None = None
        self.own: dict[str, str] = {}
        """Files of one's own by path, which are kept in memory and nowhere else."""
        self.commands: dict[str, Callable[[Sequence[str], str], str]] = {
            "cat": self._cat, "echo": self._echo, "ls": self._ls, "tee": self._tee, "sysctl": self._sysctl,
            "help": self._help, "history": self._history, "obstacles": self._obstacles, "balloon": self._balloon,
            "verify": self._verify, "map": self._map, "rm": self._rm, "cp": self._cp,
            "sleep": self._sleep, "date": self._date, "uname": self._uname, "free": self._free, "dmesg": self._dmesg,
            "getconf": self._getconf, **{name: lambda words, given: "" for name in ("sync", "wait", "clear")},
            "nproc": lambda words, given: "1\n", "id": lambda words, given: "0\n", "whoami": lambda words, given: "root\n",
        }  # fmt: skip
        self.commands |= {name: partial(tool, read=self.read) for name, tool in filters.TOOLS.items()}
        self.commands |= {"less": self._cat, "more": self._cat}
        self.commands |= {name: partial(tool, read=self.read) for name, tool in text_tools.TOOLS.items()}
        self.numa = NumaTools(machine.vm)
        self.interpreter = Interpreter(self)
        self.commands |= {name: partial(self._tool, name) for name in TOOLS}

    @property
    def files(self) -> dict[str, File]:
        """The files as they are now: a block that went offline keeps its files, a driver may bring more."""
        own = {path: File(partial(self.own.__getitem__, path)) for path in self.own}
        return tree(self.machine) | self.numa.files() | own

    def run(self, text: str) -> str:
        """Run one line, or several that belong together, and return the output.

        Raises UsageError for what is no command, CommandFailed where the last command of it failed, Exit where the script ends.
        """
        if not text.strip() or text.lstrip().startswith("#"):
            return ""
        self.history.append(text.strip())
        output, status = self.interpreter.run(text)
        if status:
            raise CommandFailed(self.interpreter.said, output)
        return output

    def call(self, words: Sequence[str], given: str) -> str:
        """The output of one command. Raises UsageError where there is none of that name."""
        command = self.commands.get(words[0])
        if command is None:
            raise UsageError(f"there is no command {words[0]!r}; 'help' lists those that there are")
        return command(words[1:], given)

    def paths(self) -> Iterable[str]:
        """The path of every file."""
        return self.files

    def write(self, path: str, text: str, who: str, append: bool = False) -> None:
        """Write a file of the machine, or one of one's own, which is kept in memory. Raises CommandFailed."""
        if path in ("/dev/null", "/dev/stderr", "/dev/stdout", "/dev/kmsg"):
            return
        if path in self.own or (not path.startswith(("/proc", "/sys")) and path not in self.files):
            before = self.own.get(path, "")
            now = before + text if append else text
            if path.endswith("/") or sum(map(len, self.own.values())) - len(before) + len(now) > MAX_OWN:
                raise CommandFailed(f"sh: {path}: {'Is a directory' if path.endswith('/') else 'No space left on device'}")
            self.own[path] = now
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

    def read(self, path: str, who: str) -> str:
        """What a file says. Raises CommandFailed."""
        if path == "/dev/null":
            return ""
        file = self._file(path, who)
        if file.read is None:
            raise CommandFailed(f"{who}: {path}: Permission denied")
        return file.read()

    def _tee(self, words: Sequence[str], given: str) -> str:
        for path in (word for word in words if not word.startswith("-")):
            self.write(path, given, "tee", "-a" in words)
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
                self.write(path, value.strip() + "\n", "sysctl")
            output += f"{name} = {value.strip() if is_set else self.read(path, 'sysctl').strip()}\n"
        return output

    def _free(self, words: Sequence[str], given: str) -> str:
        """Memory in all, in use and free, in KiB, or in MiB with -m."""
        lines = (line.split() for line in self.read("/proc/meminfo", "free").splitlines())
        values = {line[0].rstrip(":"): int(line[1]) for line in lines}
        total, left = (values[name] >> (10 if "-m" in words else 0) for name in ("MemTotal", "MemFree"))
        return f"{'total':>19}{'used':>12}{'free':>12}\nMem:{total:>15}{total - left:>12}{left:>12}\n"

    def _rm(self, words: Sequence[str], given: str) -> str:
        for path in (word for word in words if not word.startswith("-")):
            if self.own.pop(path, None) is None and not any(word.startswith("-") and "f" in word for word in words):
                what = "Operation not permitted" if path in self.files else "No such file or directory"
                raise CommandFailed(f"rm: cannot remove '{path}': {what}")
        return ""

    def _cp(self, words: Sequence[str], given: str) -> str:
        paths = [word for word in words if not word.startswith("-")]
        if len(paths) < 2:
            raise CommandFailed("cp: give a file, and where it goes")
        for path in paths[:-1]:
            folder = paths[-1].endswith("/") or len(paths) > 2 or paths[-1] == "."
            target = f"{paths[-1].rstrip('/')}/{path.rpartition('/')[2]}" if folder else paths[-1]
            self.write(target, self.read(path, "cp"), "cp")
        return ""

    def _dmesg(self, words: Sequence[str], given: str) -> str:
        """What a kernel's log would say of the last failure; -c and -C clear it."""
        failure = self.machine.vm.last_failure
        text = "" if failure is self._cleared else dmesg(self.machine.vm)
        if any(word in ("-c", "-C", "--clear", "--read-clear") for word in words):
            self._cleared = failure
        return "" if "-C" in words or "--clear" in words else text

    def _sleep(self, words: Sequence[str], given: str) -> str:
        """Nothing waits; the machine's clock goes on."""
        for word in words:
            if DURATION.fullmatch(word) is None:
                raise CommandFailed(f"sleep: invalid time interval '{word}'")
            self.seconds += float(word.rstrip("smh")) * {"m": 60, "h": 3600}.get(word[-1], 1)
        return ""

    def _date(self, words: Sequence[str], given: str) -> str:
        """The machine's clock, which begins at 0 when it boots and goes on where something sleeps; +%s gives the seconds."""
        try:
            now, seconds = datetime.fromtimestamp(min(self.seconds, 1e11), UTC), str(int(self.seconds))
        except (OverflowError, ValueError):
            raise CommandFailed("date: the clock is beyond its end") from None
        form = next((word[1:] for word in words if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
        return f"{now.strftime(form.replace('%s', seconds))}\n"

    def _getconf(self, words: Sequence[str], given: str) -> str:
        known = {"PAGESIZE": 1 << PAGE_SHIFT, "PAGE_SIZE": 1 << PAGE_SHIFT, "_NPROCESSORS_ONLN": 1, "LONG_BIT": 64}
        if len(words) != 1 or words[0] not in known:
            raise CommandFailed(f"getconf: give one of {', '.join(known)}")
        return f"{known[words[0]]}\n"

    def _uname(self, words: Sequence[str], given: str) -> str:
        """The kernel whose rules the machine plays."""
        name = f"{self.machine.vm.era.name}.0-model"
        return f"{name}\n" if words == ["-r"] else f"Linux movable {name}\n"

    def _cat(self, words: Sequence[str], given: str) -> str:
        output = given if not words else ""
        for path in words:
            try:
                output += self.read(path, "cat")
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
            names = sorted(entries(self.files, path), key=natural)
            if not names:
                raise CommandFailed(f"ls: cannot access '{path}': No such file or directory", output)
            output += "".join(f"{name}\n" for name in names)
        return output

    def _tool(self, name: str, words: Sequence[str], given: str) -> str:
        try:
            return self.numa.run(name, words)
        except ToolFailed as error:
            raise CommandFailed(str(error)) from None
        finally:
            self.interpreter.variables["!"] = str(self.numa.shell.last_pid or "")

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


HELP = """\
cat FILE...              read files below /proc and /sys; 'ls FOLDER' lists them
echo WORD > FILE         write one, such as echo 1 > /proc/sys/vm/compact_memory
                         echo offline > /sys/devices/system/memory/memory3/state
                         echo 20 > /proc/sys/vm/nr_hugepages
COMMAND | grep PATTERN   also head, tail, wc, tee, sort, uniq, cut, tr, sed, awk and diff
                         /sys/devices/system/memory/*/state means each
for N in 1 2 3; do COMMAND; done
                         also while, until, if, case, functions, variables, $(COMMAND), $((1 + 2)), &&, 2>&1, read, set -e
COMMAND > before.txt     a file of your own, kept in the machine: diff before.txt /proc/vmstat
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
sleep, date, sync        the machine's own clock; echo 3 > /proc/sys/vm/drop_caches lets clean pages of files go
history, help            the lines so far; this list
"""

__all__ = ["HELP", "Shell", "entries"]
