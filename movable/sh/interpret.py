"""Runs what a line was taken apart into: pipelines, lists, loops and conditions, with variables and redirections."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol

from movable.errors import UsageError
from movable.sh.conditions import test
from movable.sh.expand import Expander
from movable.sh.failure import CommandFailed
from movable.sh.line import NAME, Block, Command, Pipeline, parse

BEFORE = ("sudo", "watch", "time", "nice", "nohup", "env", "command", "exec", "stdbuf", "timeout")
"""Words before a command that change nothing here; ``watch`` looks once."""
DURATION = re.compile(r"\d+(?:\.\d+)?[smh]?")

_FILE_ONLY = re.compile(r"\s*<\s*[^\s;|&<>()]+\s*")  # $(<FILE) is what the file says
MAX_COMMANDS = 20_000  # of one line, or of one loop
MAX_PRINTED = 1 << 28  # characters that the commands of one line may print
MAX_DEEP = 20  # commands in the words of commands


class Machine(Protocol):
    """What runs the commands, and has the files."""

    def call(self, words: Sequence[str], given: str) -> str:
        """The output of one command."""

    def read(self, path: str, who: str) -> str:
        """What a file says."""

    def write(self, path: str, text: str, who: str, append: bool) -> None:
        """Write a file."""

    def paths(self) -> Iterable[str]:
        """Every file."""


@dataclass(slots=True)
class Input:
    """What a command may read; ``read`` takes one line of it."""

    text: str = ""

    def line(self) -> str | None:
        """The next line; None at the end."""
        if not self.text:
            return None
        line, _, self.text = self.text.partition("\n")
        return line


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a command reads, and the lists that what it prints is put into. On a terminal both are the same list."""

    given: Input
    out: list[str]
    err: list[str]


class Leave(Exception):
    """break, continue and exit: ``times`` loops are left, or the whole script with that status."""

    def __init__(self, what: str, times: int) -> None:
        self.what, self.times = what, times


class Exit(Exception):
    """The script has ended: what its last line printed, and the status."""

    def __init__(self, output: str, status: int) -> None:
        self.output, self.status = output, status


class NoCommand(UsageError):
    """What is no command, with what its line had printed before."""

    def __init__(self, message: str, output: str) -> None:
        self.output = output
        super().__init__(message)


class Interpreter:
    """Runs lines on a machine. ``variables`` are those of the shell; "?" is the status of the last command."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.variables = {"?": "0", "#": "0", "HOME": "/root", "USER": "root", "PWD": "/", "$": "1"}
        self.stops_at_failure = False
        self._functions: dict[str, Block] = {}
        self._ran, self._printed, self._deep, self._asking = 0, 0, 0, 0
        self.said = ""
        """What the last command that failed said."""
        self._errors: list[str] = []  # what the line that runs has printed so far
        self._expander = Expander(self.variables, self._output_of, self.machine.paths)
        self._kinds = {
            "simple": self._simple, "if": self._if, "case": self._case, "group": self._group, "subshell": self._subshell,
            "arith": self._arith, "function": self._define,
        }  # fmt: skip
        self._builtins: dict[str, Callable[[list[str], Streams], int]] = {
            "read": self._read, "exit": self._leave, "break": self._leave, "continue": self._leave, "set": self._set,
            "export": self._export, "unset": self._unset, "test": self._test, "[": self._test, "[[": self._test,
            "return": self._leave, "let": self._let, "local": self._export, "declare": self._export,
            "eval": self._again, "sh": self._again, "bash": self._again, "source": self._again, ".": self._again,
            "shift": self._shift,
            ":": lambda words, streams: 0, "true": lambda words, streams: 0, "false": lambda words, streams: 1,
        }  # fmt: skip

    @property
    def builtins(self) -> Iterable[str]:
        """Commands of the shell itself."""
        return self._builtins

    def run(self, text: str) -> tuple[str, int]:
        """A whole line: what it prints, and its status. Raises UsageError for what is no command, Leave for ``exit``."""
        block, printed = parse(text), list[str]()
        self._ran, self._printed, self._errors, self.said = 0, 0, printed, ""
        try:
            status = self._block(block, Streams(Input(), printed, printed))
        except Leave as leave:
            if leave.what == "exit":
                raise Exit("".join(printed), leave.times) from None
            status = 0
        except UsageError as error:
            raise NoCommand(str(error), "".join(printed)) from None
        return "".join(printed), status

    def _block(self, block: Block, streams: Streams) -> int:
        status = 0
        for at, pipeline in enumerate(block):
            if (pipeline.after == "&&" and status) or (pipeline.after == "||" and not status):
                continue
            status = self._pipeline(pipeline, streams)
            self.variables["?"] = str(status)
            asked = at + 1 < len(block) and block[at + 1].after != ";"
            if status and self.stops_at_failure and not (asked or self._asking or pipeline.negated):
                raise Leave("exit", status)
        return status

    def _pipeline(self, pipeline: Pipeline, streams: Streams) -> int:
        status, given = 0, streams.given
        for at, command in enumerate(pipeline.commands):
            last = at + 1 == len(pipeline.commands)
            out = streams.out if last else []
            status = self._command(command, Streams(given, out, streams.err))
            given = Input("".join(out)) if not last else given
        return int(not status) if pipeline.negated else status

    def _command(self, command: Command, streams: Streams) -> int:
        """One command with its redirections; what they refuse is its failure."""
        self._ran += 1
        if self._ran > MAX_COMMANDS:
            raise UsageError(f"more than {MAX_COMMANDS} commands: a loop that does not end?")
        targets: list[tuple[int, str, bool, list[str]]] = []
        try:
            for redirect in command.redirects:
                if redirect.mode.startswith("<<"):
                    end = "\n" if redirect.mode == "<<<" else ""
                    streams = replace(streams, given=Input(self._expander.text(redirect.target) + end))
                    continue
                [target] = self._expander.fields(redirect.target)[:1] or [""]
                if redirect.mode == "<":
                    streams = replace(streams, given=Input(self.machine.read(target, "sh")))
                elif redirect.mode == "&":
                    other = streams.err if target == "2" else streams.out
                    streams = replace(streams, err=other) if redirect.stream == 2 else replace(streams, out=other)
                else:
                    sink: list[str] = []
                    targets.append((redirect.stream, target, redirect.mode == ">>", sink))
                    streams = replace(streams, err=sink) if redirect.stream == 2 else replace(streams, out=sink)
            status = self._one(command, streams)
        except CommandFailed as error:
            self._print(error.output, streams)
            self._tell(error, streams)
            status = 1
        for _, path, append, sink in sorted(targets, key=lambda one: one[0] == 2):  # what a write says may go into the last
            try:
                self.machine.write(path, "".join(sink), command.words[0] if command.words else "sh", append)
            except CommandFailed as error:
                self._tell(error, streams)
                status = 1
        return status

    def _one(self, command: Command, streams: Streams) -> int:
        return self._kinds.get(command.kind, self._loop)(command, streams)

    def _if(self, command: Command, streams: Streams) -> int:
        for condition, body in command.branches:
            if not condition or self._asked(condition, streams):
                return self._block(body, streams)
        return 0

    def _case(self, command: Command, streams: Streams) -> int:
        word = self._expander.text(command.words[0])
        for patterns, (_, body) in zip(command.words[1:], command.branches, strict=True):
            if any(fnmatch.fnmatchcase(word, self._expander.text(one)) for one in patterns.split("|")):
                return self._block(body, streams)
        return 0

    def _group(self, command: Command, streams: Streams) -> int:
        return self._block(command.branches[0][1], streams)

    def _subshell(self, command: Command, streams: Streams) -> int:
        return self._apart(command.branches[0][1], streams)

    def _apart(self, block: Block, streams: Streams) -> int:
        """A list that keeps its variables, what is set, and the end of its script, to itself."""
        before, stops = dict(self.variables), self.stops_at_failure
        try:
            return self._block(block, streams)
        except Leave as leave:
            if leave.what != "exit":
                raise
            return leave.times
        finally:
            self.variables.clear()
            self.variables.update(before)
            self.stops_at_failure = stops

    def _arith(self, command: Command, streams: Streams) -> int:
        return int(self._expander.number(command.words[0]) == 0)

    def _define(self, command: Command, streams: Streams) -> int:
        self._functions[command.name] = command.branches[0][1]
        return 0

    def _asked(self, condition: Block, streams: Streams) -> bool:
        self._asking += 1
        try:
            return self._block(condition, streams) == 0
        finally:
            self._asking -= 1

    def _loop(self, command: Command, streams: Streams) -> int:
        status = 0
        for _ in self._turns(command, streams):
            try:
                status = self._block(command.branches[0][1], streams)
            except Leave as leave:
                if leave.what in ("exit", "return"):
                    raise
                if leave.times > 1:
                    raise Leave(leave.what, leave.times - 1) from None
                if leave.what == "break":
                    break
        return status

    def _turns(self, command: Command, streams: Streams) -> Iterator[None]:
        """The turns of a loop, as long as it goes on."""
        if command.kind == "for" and command.name:
            for value in [field for word in command.words for field in self._expander.fields(word)]:
                self.variables[command.name] = value
                yield
        elif command.kind == "for":
            first, condition, step = command.words
            self._expander.number(first)
            while not condition.strip() or self._expander.number(condition):
                yield
                self._expander.number(step)
        else:
            while self._asked(command.branches[0][0], streams) == (command.kind == "while"):
                yield

    def _simple(self, command: Command, streams: Streams) -> int:
        for assign in command.assigns:
            name, _, value = assign.partition("=")
            self.variables[name] = self._expander.text(value)
        words = without_prefix([field for word in command.words for field in self._expander.fields(word)])
        function = self._functions.get(words[0]) if words else None
        if function is not None:
            return self._function(function, words, streams)
        if not words:
            return int(self.variables["?"]) if command.assigns and "$(" in "".join(command.assigns) else 0
        builtin = self._builtins.get(words[0])
        if builtin is not None and not (words[0] == "read" and words[1:2] and words[1].isdecimal()):
            return builtin(words, streams)
        self._print(self.machine.call(words, streams.given.text), streams)
        return 0

    def _print(self, text: str, streams: Streams) -> None:
        self._printed += len(text)
        if self._printed > MAX_PRINTED:
            raise UsageError(f"more than {MAX_PRINTED} characters were printed: a loop that does not end?")
        streams.out.append(text)

    def _function(self, body: Block, words: list[str], streams: Streams) -> int:
        """Run a function; its words are $1 and so on while it runs."""
        before = {name: value for name, value in self.variables.items() if name.isdecimal() or name in ("@", "*", "#")}
        if self._deep >= MAX_DEEP:
            raise UsageError(f"{words[0]}() calls itself more than {MAX_DEEP} times")
        self._deep += 1
        try:
            self._positional(words[1:])
            return self._block(body, streams)
        except Leave as leave:
            if leave.what != "return":
                raise
            return leave.times
        finally:
            self._deep -= 1
            self._positional([])
            self.variables.update(before)

    def _positional(self, words: Sequence[str]) -> None:
        for name in [name for name in self.variables if name.isdecimal()]:
            del self.variables[name]
        self.variables.update({str(at): word for at, word in enumerate(words, 1)})
        self.variables.update({"#": str(len(words)), "@": " ".join(words), "*": " ".join(words)})

    def _output_of(self, text: str) -> str:
        """The output of a command that stands in a word."""
        if self._deep >= MAX_DEEP:
            raise UsageError(f"more than {MAX_DEEP} commands in the words of commands")
        self._deep += 1
        text = f"cat {text}" if _FILE_ONLY.fullmatch(text) else text
        out: list[str] = []
        try:
            self.variables["?"] = str(self._apart(parse(text), Streams(Input(), out, self._errors)))
        finally:
            self._deep -= 1
        return "".join(out)

    # --- commands of the shell itself ---

    def _read(self, words: list[str], streams: Streams) -> int:
        names = [word for word in words[1:] if not word.startswith("-")] or ["REPLY"]
        line = streams.given.line()
        parts = (line or "").split(None, len(names) - 1)
        for at, name in enumerate(names):
            self.variables[name] = parts[at].strip() if at < len(parts) else ""
        return int(line is None)

    def _leave(self, words: list[str], streams: Streams) -> int:
        loop = words[0] in ("break", "continue")
        number = words[1] if words[1:] else "1" if loop else self.variables["?"]
        if not number.isdecimal() or (loop and int(number) == 0):
            raise CommandFailed(f"{words[0]}: {number}: numeric argument required")
        raise Leave(words[0], int(number[:9]) if loop else int(number[:9]) & 255)

    def _let(self, words: list[str], streams: Streams) -> int:
        return int([self._expander.number(word) for word in words[1:] or ["0"]][-1] == 0)

    def _shift(self, words: list[str], streams: Streams) -> int:
        found = [self.variables[str(at)] for at in range(1, int(self.variables["#"]) + 1)]
        self._positional(found[1:])
        return int(not found)

    def _again(self, words: list[str], streams: Streams) -> int:
        """Lines that a word has (eval, sh -c), or a file of one's own."""
        options = [] if words[0] == "eval" else list(takewhile(lambda word: word.startswith("-") and len(word) > 1, words[1:]))
        rest = words[1 + len(options) :]
        if not rest:
            return 0
        if self._deep >= MAX_DEEP:
            raise UsageError(f"more than {MAX_DEEP} scripts in scripts")
        self._deep += 1
        given = any(word.endswith("c") for word in options)
        try:
            text = " ".join(rest) if words[0] == "eval" else rest[0] if given else self.machine.read(rest[0], words[0])
            run = self._apart if words[0] in ("sh", "bash") else self._block
            return run(parse(text), streams)
        finally:
            self._deep -= 1

    def _set(self, words: list[str], streams: Streams) -> int:
        """-e stops a script at the first failure; what else a shell can be set to changes nothing here."""
        for word in words[1:]:
            if word[:1] in "-+" and "e" in word[1:] and word[1:] != "pipefail":
                self.stops_at_failure = word[0] == "-"
        return 0

    def _export(self, words: list[str], streams: Streams) -> int:
        for word in words[1:]:
            name, is_set, value = word.partition("=")
            if is_set and NAME.fullmatch(name):
                self.variables[name] = value
        return 0

    def _unset(self, words: list[str], streams: Streams) -> int:
        for word in words[1:]:
            self.variables.pop(word, None)
        return 0

    def _test(self, words: list[str], streams: Streams) -> int:
        closing = {"[": "]", "[[": "]]"}.get(words[0])
        if closing is not None and words[-1] != closing:
            raise CommandFailed(f"{words[0]}: missing '{closing}'")
        return int(not test(words[1:] if closing is None else words[1:-1], self._kind))

    def _kind(self, path: str) -> str:
        """Whether a path is a file, a folder, or nothing."""
        paths = list(self.machine.paths())
        if path in paths:
            return "file"
        return "folder" if any(name.startswith(path.rstrip("/") + "/") for name in paths) else ""

    def _tell(self, error: CommandFailed, streams: Streams) -> None:
        self.said = str(error)
        if self.said:
            streams.err.append(f"{self.said}\n")


def without_prefix(words: list[str]) -> list[str]:
    """A command without what only says how it is run (sudo, watch -n 1, timeout 5)."""
    rest = words
    while len(rest) > 1 and rest[0] in BEFORE:
        who, rest = rest[0], rest[1:]
        while len(rest) > 1 and (rest[0].startswith("-") or (who in ("timeout", "watch", "nice") and DURATION.fullmatch(rest[0]))):
            rest = rest[1:]
    return rest
