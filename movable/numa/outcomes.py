"""Which answers a caller can see when commands run at the same time: every interleaving is played, and its answers are counted.

The script is one for ``movable numa run``, with a line ``together:``. What is above it sets the scene; each line below is a task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from movable.errors import UsageError
from movable.explore import Scene, explore
from movable.explore.engine import Scheduler
from movable.mm.move_pages import page_status
from movable.mm.seam import Seam
from movable.mm.validate import validate_vm
from movable.mm.vm import VM
from movable.numa.shapes import DATA
from movable.numa.shell import NoProcess, Shell

TOGETHER = "together:"
SHOWN_PAGES = 16
"""How many pages of a process's data an outcome shows."""
Outcome = tuple[str, ...]
"""What each task printed, and where the pages of each process are then."""


@dataclass
class Outcomes:
    """What a search found. ``counts`` by outcome; ``complete`` that every interleaving was played; ``failure`` what went wrong."""

    commands: list[str]
    counts: Counter[Outcome] = field(default_factory=Counter)
    executions: int = 0
    complete: bool = False
    failure: str = ""


def split(lines: list[str], path: str) -> tuple[list[str], list[tuple[int, str]]]:
    """The lines above ``together:``, and the numbered tasks below. Raises UsageError where there are not two tasks."""
    marks = [number for number, line in enumerate(lines) if line.strip() == TOGETHER]
    if len(marks) != 1:
        line = marks[1] + 1 if marks else len(lines) or 1
        what = f"'{TOGETHER}' a second time" if marks else f"no '{TOGETHER}' up to the end"
        raise UsageError(f"{path}, line {line}: {what}; one line must be it: above is what sets the scene, below one task a line")
    tasks = [
        (number, line.strip())
        for number, line in enumerate(lines[marks[0] + 1 :], marks[0] + 2)
        if line.strip() and not line.strip().startswith("#")
    ]
    if len(tasks) < 2:
        raise UsageError(f"{path}, line {marks[0] + 1}: below '{TOGETHER}' there must be two commands or more")
    return lines[: marks[0]], tasks


class Search:
    """One script, played again and again on machines like the first."""

    def __init__(self, lines: list[str], path: str, memory: int, nodes: int, era: str) -> None:
        self.setup, self.tasks = split(lines, path)
        self.path = path
        self.machine = (memory, nodes, era)
        self.found = Outcomes([command for _, command in self.tasks])
        self.seen: list[Outcome] = []
        self.misuse: UsageError | None = None

    def run(self, executions: int) -> Outcomes:
        """Play interleavings systematically; where the limit comes first, random ones too.

        Raises UsageError for a command that cannot be played, alone or beside the others.
        """
        self.rehearse()
        for strategy in ("dpor", "pos"):
            self.seen = []
            report = explore(self.program, strategy=strategy, executions=executions, shrink=False)
            if self.misuse is not None:
                raise self.misuse
            whole = report.executions - report.redundant
            self.found.executions += whole
            self.found.counts.update(self.seen[-whole:])  # the first one is played twice, to see that it repeats
            if report.failure is not None:
                self.found.failure = str(report.failure)
                return self.found
            if report.complete:
                self.found.complete = True
                return self.found
        return self.found

    def rehearse(self) -> None:
        """Play each command alone: errors of the script are told here."""
        for number, command in self.tasks:
            for _ in self.shell().run(iter([""] * (number - 1) + [command]), self.path):
                pass

    def shell(self) -> Shell:
        """A machine with the scene set."""
        memory, nodes, era = self.machine
        made = Shell(VM(memory, nodes=nodes, era=era))
        for _ in made.run(iter(self.setup), self.path):
            pass
        made.user.lru_add_drain_all()
        return made

    def program(self, scheduler: Scheduler) -> Scene:
        """One execution."""
        shell = self.shell()
        shell.vm.install(Seam(scheduler))
        printed: dict[str, str] = {}

        def task(number: int, command: str) -> None:
            lines = shell.run(iter([""] * (number - 1) + [command]), self.path)
            try:
                answer = " | ".join(short(line) for line in lines if not line.startswith("$ "))
            except NoProcess:
                answer = "no such process"
            except UsageError as error:
                self.misuse = error
                raise
            printed[f"{number}"] = answer or "-"

        def check() -> None:
            shell.vm.install(None)
            validate_vm(shell.vm)
            answers = [printed[f"{number}"] for number, _ in self.tasks]
            self.seen.append((*answers, " ".join(places(shell))))

        tasks = [(f"line {number}", lambda number=number, command=command: task(number, command)) for number, command in self.tasks]
        return Scene(tasks, check)


def short(line: str) -> str:
    """A line of output; of a page's address and status only the status."""
    address, _, status = line.partition(" ")
    return status if address.startswith("0x") and status else line


def places(shell: Shell) -> Iterator[str]:
    """Where the data of each process is: its pid, and a character a page as recordings have it."""
    for pid, task in sorted(shell.user.tasks.items()):
        vma = None if task.mm is None else task.mm.vma_lookup(DATA >> 12)
        if vma is None or task.mm is None:
            continue
        pages = range(vma.start, min(vma.end, vma.start + SHOWN_PAGES))
        states = [page_status(task.mm, vpn << 12) for vpn in pages]
        yield f"{pid}:{''.join({-14: '-', -2: '.'}.get(state, str(state)) for state in states)}"


def table(found: Outcomes) -> Iterator[str]:
    """The outcomes as a table, the most frequent first."""
    heads = [*found.commands, "pages then", "times"]
    rows = [[*outcome, str(count)] for outcome, count in found.counts.most_common()]
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    for row in [heads, ["-" * width for width in widths], *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    what = "all interleavings" if found.complete else "some interleavings, the limit came first"
    yield f"{len(found.counts)} outcomes in {found.executions} executions: {what}"
