"""Command lines taken apart: words, redirections, pipelines, lists, loops and conditions, as the shell of POSIX has them.

Words are kept as they were written, quotes and all: `expand` makes fields of them when a command runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from movable.errors import UsageError

MAX_CHARACTERS = 4096  # of one line
MAX_DEEP = 20  # loops in loops
_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|()\n]|(?:\d?(?:<<<|<<-?|>>|[<>]&|[<>]\|?)|&>>?)|&")
_REDIRECTS = re.compile(r"(\d?)(>>|>&|>\|?|<<<|<<-?|<|&>>?)")
_HERE = re.compile(r"\d?<<-?")
_UNKNOWN = re.compile(r"\d?<&|\|&")
NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_CLOSERS = frozenset(("do", "done", "then", "elif", "else", "fi", "esac", "}", ")", ";;"))
_KNOWN = "there are | > >> < << 2> ; & && || ! ( ) { }, for, while, until, if, case and functions"


class Incomplete(UsageError):
    """A line that goes on in the next: a quote, a bracket or a loop is still open."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a stream goes: ``mode`` is <, >, >>, & (into another stream), << or <<< (text that follows); ``target`` is a word."""

    stream: int
    mode: str
    target: str


@dataclass(slots=True)
class Command:
    """One command: its words, or the lists of what ``kind`` names (for, while, until, if, case, group, subshell, function)."""

    kind: str = "simple"
    words: list[str] = field(default_factory=list)
    assigns: list[str] = field(default_factory=list)
    name: str = ""
    """The variable of a ``for``, whose values are ``words``, or what a function is called.

    Without a name a ``for`` counts: ``words`` are its three expressions.
    """
    branches: list[tuple[Block, Block]] = field(default_factory=list)
    """(condition, what is done), of an ``if`` several; the condition of a ``for``, a group and an ``else`` is empty."""
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class Pipeline:
    """Commands whose output goes into the next one. ``after`` is what stands before it in its list: ; or && or ||."""

    commands: list[Command]
    after: str = ";"
    negated: bool = False


Block = list[Pipeline]


def parse(text: str) -> Block:
    """The pipelines of one line, or of several that belong together.

    Raises Incomplete where the text goes on, UsageError for what this shell does not know.
    """
    longest = max(map(len, text.split("\n")), default=0)
    if longest > MAX_CHARACTERS:
        raise UsageError(f"a line of {longest} characters; {MAX_CHARACTERS} are the most")
    parser = _Parser(_tokens(text), text)
    block = parser.block(frozenset())
    if parser.now:
        raise UsageError(f"{parser.now!r} was not expected in {parser.where}")
    return block


def _tokens(text: str) -> list[tuple[bool, str]]:
    """(whether it is an operator, its text); the word behind << is the text that follows."""
    at = 0
    tokens: list[tuple[bool, str]] = []
    wanted: list[int] = []  # operators whose text begins in the next line
    while at < len(text):
        operator = _OPERATOR.match(text, at)
        if text[at] in " \t\r":
            at += 1
        elif text.startswith("\\\n", at):
            at += 2
        elif text.startswith("((", at) and (end := _arithmetic_end(text, at)):
            tokens.append((False, text[at:end]))
            at = end
        elif text[at] == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif operator is not None:
            wanted += [len(tokens)] if _HERE.fullmatch(operator[0]) else []
            tokens.append((True, operator[0]))
            at = operator.end()
            while operator[0] == "\n" and wanted:
                at = _here_document(text, at, tokens, wanted.pop(0))
        else:
            end = _word_end(text, at)
            tokens.append((False, text[at:end]))
            at = end
    if wanted:
        raise Incomplete(f"the text behind << is missing in {text.strip()!r}")
    return tokens


def _here_document(text: str, at: int, tokens: list[tuple[bool, str]], operator: int) -> int:
    """Put the lines at ``at``, up to the word that ends them, in its place as a word of their own; where the next line begins."""
    if operator + 1 >= len(tokens) or tokens[operator + 1][0]:
        raise UsageError(f"no word after << in {text.strip()!r}")
    word, indented = tokens[operator + 1][1], tokens[operator][1].endswith("-")
    end = re.sub(r"[\"'\\]", "", word)
    lines: list[str] = []
    while True:
        if at >= len(text):
            raise Incomplete(f"{end!r} is missing in {text.strip()!r}")
        line, _, _ = text[at:].partition("\n")
        at += len(line) + 1
        line = line.lstrip("\t") if indented else line
        if line.rstrip("\r") == end:
            break
        lines.append(f"{line}\n")
    body = "".join(lines)
    tokens[operator + 1] = (False, _literal(body) if word != end else _in_quotes(body))
    return min(at, len(text))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _in_quotes(text: str) -> str:
    """A text as a word in quotes, in which variables and commands mean something."""
    at, found = 0, ""
    while at < len(text):
        end = part_end(text, at) if text[at] in "\\$`" else at + 1
        found += '\\"' if text[at] == '"' else text[at:end]
        at = end
    return f'"{found}"'


def _arithmetic_end(text: str, at: int) -> int:
    """Behind ``((...))``; 0 where it is a group in a group."""
    end = _balanced(text, at)
    return end if text[end - 2 : end] == "))" and "\n" not in text[at:end] else 0


def _word_end(text: str, at: int) -> int:
    while at < len(text) and text[at] not in " \t\r\n;|&<>()":
        at = part_end(text, at)
    return at


def part_end(text: str, at: int) -> int:
    """Where one part of a word ends that begins at ``at``: a character, a quoted text, or what a $ means."""
    mark = text[at]
    if mark == "\\":
        return min(at + 2, len(text))
    if mark in "'`":
        return _closed(text, at, mark)
    if mark == '"':
        at += 1
        while at < len(text) and text[at] != '"':
            at = part_end(text, at) if text[at] in "\\$`" else at + 1
        if at >= len(text):
            raise Incomplete(f"no closing quotation in {text.strip()!r}")
        return at + 1
    if text.startswith("$(", at):
        return _balanced(text, at + 1)
    if text.startswith("${", at):
        return _closed(text, at + 1, "}")
    return at + 1


def _closed(text: str, at: int, mark: str) -> int:
    end = text.find(mark, at + 1)
    if end < 0:
        raise Incomplete(f"no closing quotation in {text.strip()!r}")
    return end + 1


def _balanced(text: str, at: int) -> int:
    """Behind the bracket that closes the one at ``at``."""
    deep = 0
    while at < len(text):
        if text[at] in "()":
            deep += 1 if text[at] == "(" else -1
            at += 1
            if not deep:
                return at
        else:
            at = part_end(text, at)
    raise Incomplete(f"no closing bracket in {text.strip()!r}")


class _Parser:
    def __init__(self, tokens: Sequence[tuple[bool, str]], text: str) -> None:
        self._tokens, self._at, self._deep = tokens, 0, 0
        self.where = repr(text.strip())

    @property
    def now(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _is_operator(self) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][0]

    def _take(self, *wanted: str) -> bool:
        if self.now in wanted and self.now:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            if not self.now:
                raise Incomplete(f"{word!r} is missing in {self.where}")
            raise UsageError(f"{word!r} was expected before {self.now!r} in {self.where}")

    def block(self, until: frozenset[str]) -> Block:
        """A list of pipelines up to a word that closes it."""
        found: Block = []
        after, begun = ";", True
        while True:
            while begun and self._take(";", "\n"):
                if found and after != ";":
                    continue
                if self._tokens[self._at - 1][1] == ";" and not found:
                    raise UsageError(f"a command is missing in {self.where}")
            if not self.now or self.now in _CLOSERS:
                break
            found.append(self._pipeline(after))
            begun = False
            after = self.now if self.now in ("&&", "||") else ";"
            if not self._take(";", "\n", "&&", "||", "&"):  # what is begun behind an & has done its work before the next
                break
            begun = True
            while self._take("\n"):
                pass
        if after != ";" and begun:
            raise (UsageError if self.now else Incomplete)(f"a command is missing in {self.where}")
        if until and self.now not in until:
            if not self.now:
                raise Incomplete(f"{' or '.join(sorted(until))!r} is missing in {self.where}")
            raise UsageError(f"{self.now!r} was not expected in {self.where}")
        if until and not found:
            raise UsageError(f"a command is missing in {self.where}")
        return found

    def _pipeline(self, after: str) -> Pipeline:
        negated = False
        while self._take("!"):
            negated = not negated
        commands = [self._command()]
        while self._take("|"):
            while self._take("\n"):
                pass
            commands.append(self._command())
        return Pipeline(commands, after, negated)

    def _command(self) -> Command:
        word = self.now
        if not self._is_operator() and word.startswith("((") and word.endswith("))"):
            self._at += 1
            return Command("arith", [word[2:-2]])
        compound = not self._is_operator() and word in ("for", "while", "until", "if", "{", "case", "function", "select")
        if not (compound or word == "("):
            return self._simple()
        self._deep += 1
        if self._deep > MAX_DEEP:
            raise UsageError(f"more than {MAX_DEEP} loops in each other")
        self._at += 1
        if word == "for":
            command = self._for()
        elif word in ("while", "until"):
            condition = self.block(frozenset(("do",)))
            command = Command(word, branches=[(condition, self._do())])
        elif word == "if":
            command = self._if()
        elif word in ("{", "("):
            end = "}" if word == "{" else ")"
            command = Command("group" if word == "{" else "subshell", branches=[([], self.block(frozenset((end,))))])
            self._expect(end)
        elif word == "case":
            command = self._case()
        elif word == "function" and NAME.fullmatch(self.now):
            self._at += 1
            command = self._function(self._tokens[self._at - 1][1])
        else:
            raise UsageError(f"{word!r} is not known here; {_KNOWN}")
        self._deep -= 1
        while self._redirect(command):
            pass
        return command

    def _case(self) -> Command:
        """Patterns and lists; ``words`` is the word, then the patterns of each list with bars between them."""
        if not self.now or self._is_operator():
            raise (UsageError if self.now else Incomplete)(f"case wants a word in {self.where}")
        command = Command("case", [self.now])
        self._at += 1
        while self._take("\n"):
            pass
        self._expect("in")
        while True:
            while self._take("\n"):
                pass
            if self._take("esac"):
                return command
            self._take("(")
            patterns: list[str] = []
            while self.now and (not self._is_operator() or (patterns and self._take("|"))):
                patterns.append(self.now)
                self._at += 1
            self._expect(")")
            command.words.append("|".join(patterns))
            command.branches.append(([], self.block(frozenset())))
            if not self._take(";;") and self.now != "esac":
                self._expect("esac")

    def _function(self, name: str) -> Command:
        if self._take("("):
            self._expect(")")
        while self._take("\n"):
            pass
        if self.now != "{":
            raise (UsageError if self.now else Incomplete)(f"'{{' is missing behind {name}() in {self.where}")
        return Command("function", name=name, branches=[([], [Pipeline([self._command()])])])

    def _for(self) -> Command:
        name = self.now
        if name.startswith("((") and name.count(";") == 2:
            self._at += 1
            self._take(";")
            while self._take("\n"):
                pass
            return Command("for", name[2:-2].split(";"), branches=[([], self._do())])
        if NAME.fullmatch(name) is None:
            raise UsageError(f"for wants a name and not {name!r} in {self.where}") if name else Incomplete("for wants a name")
        self._at += 1
        words: list[str] = []
        while self._take("\n"):
            pass
        if self._take("in"):
            while self.now and not self._is_operator():
                words.append(self.now)
                self._at += 1
        self._take(";")
        while self._take("\n"):
            pass
        return Command("for", words, name=name, branches=[([], self._do())])

    def _do(self) -> Block:
        self._expect("do")
        body = self.block(frozenset(("done",)))
        self._expect("done")
        return body

    def _if(self) -> Command:
        command = Command("if")
        while True:
            condition = self.block(frozenset(("then",)))
            self._expect("then")
            command.branches.append((condition, self.block(frozenset(("elif", "else", "fi")))))
            if not self._take("elif"):
                break
        if self._take("else"):
            command.branches.append(([], self.block(frozenset(("fi",)))))
        self._expect("fi")
        return command

    def _simple(self) -> Command:
        command = Command()
        while self.now:
            if self._redirect(command):
                continue
            if self._is_operator():
                break
            word = self.now
            if not command.words and _ASSIGNS.match(word):
                command.assigns.append(word)
            else:
                command.words.append(word)
            self._at += 1
        if self._is_operator() and _UNKNOWN.match(self.now):
            raise UsageError(f"{self.now!r} is not known here; {_KNOWN}")
        if self.now == "(" and self._is_operator() and len(command.words) == 1 and NAME.fullmatch(command.words[0]):
            return self._function(command.words[0])
        if not (command.words or command.assigns or command.redirects):
            raise (UsageError if self.now or not self._at else Incomplete)(f"a command is missing in {self.where}")
        return command

    def _redirect(self, command: Command) -> bool:
        found = _REDIRECTS.fullmatch(self.now) if self._is_operator() else None
        if found is None:
            return False
        self._at += 1
        if not self.now or self._is_operator():
            raise UsageError(f"no file after {found[2]} in {self.where}")
        mode, target = found[2].rstrip("|"), self.now
        self._at += 1
        if mode == ">&" and target.isdecimal():
            command.redirects.append(Redirect(int(found[1] or 1), "&", target))
        elif mode.startswith("&") or mode == ">&":
            command.redirects += [Redirect(1, ">>" if mode == "&>>" else ">", target), Redirect(2, "&", "1")]
        else:
            command.redirects.append(Redirect(int(found[1] or (0 if mode.startswith("<") else 1)), mode.rstrip("-"), target))
        return True
