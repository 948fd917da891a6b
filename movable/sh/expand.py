"""Words made fields: quotes, variables, output of commands, arithmetic, braces, and patterns of files."""

from __future__ import annotations

import ast
import fnmatch
import operator
import re
from collections.abc import Callable, Iterable

from movable.errors import UsageError
from movable.sh.line import part_end

MAX_FIELDS = 10_000  # that one command may be given
MAX_TEXT = 1 << 20  # characters that one word may become
_BRACES = re.compile(r"(?<![$\\])\{([^{}\s'\"`$]*)\}")
_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*|\d|[?#@*$!])|\{([A-Za-z_]\w*|\d+|[?#@*])(?:(:?[-=+?])([^}]*))?\})")
_SPECIAL = re.compile(r"([*?\[])")
_NUMBER = re.compile(r"\b0[xX][0-9a-fA-F]{1,16}\b|\b\d{1,20}\b|\$?\{?[A-Za-z_]\w*\}?")
_ASSIGNS = re.compile(
    r"\s*(?:([A-Za-z_]\w*)\s*(<<|>>|[-+*/%&|^])?=(?!=)(.+)|([A-Za-z_]\w*)\s*(\+\+|--)\s*|(\+\+|--)\s*([A-Za-z_]\w*)\s*)"
)
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.BitXor: operator.xor, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


class Expander:
    """Expands words with ``variables``; ``run`` gives the output of a command, ``paths`` what files and folders there are."""

    def __init__(self, variables: dict[str, str], run: Callable[[str], str], paths: Callable[[], Iterable[str]]) -> None:
        self.variables, self._run, self._paths = variables, run, paths

    def fields(self, word: str) -> list[str]:
        """The fields of a word as it was written."""
        found = [field for one in _braces(word) for field in self._split(one)]
        if len(found) > MAX_FIELDS:
            raise UsageError(f"{word[:40]!r} means {len(found)} words; {MAX_FIELDS} are the most")
        return found

    def text(self, word: str) -> str:
        """A word as one text, as it stands behind an equals sign."""
        return "".join(text for text, _ in self._bounded(word))

    def _split(self, word: str) -> list[str]:
        """Fields; what a variable or a command gave is parted at white space where no quotes stand."""
        fields: list[str] = []
        text, pattern, begun = "", "", False
        for part, quoted in self._bounded(word):
            pieces = [part] if quoted is not None else re.split(r"[ \t\n]+", part)
            for at, piece in enumerate(pieces):
                if at:
                    fields += self._named(text, pattern) if begun else []
                    text, pattern, begun = "", "", False
                text += piece
                pattern += _SPECIAL.sub(r"[\1]", piece) if quoted else piece
                begun = begun or bool(piece) or quoted is True
        return fields + (self._named(text, pattern) if begun else [])

    def _named(self, text: str, pattern: str) -> list[str]:
        """The files that a pattern means; itself where it is none, or means none."""
        if not text.startswith("/") or pattern == _SPECIAL.sub(r"[\1]", text):
            return [text]
        folder = text.count("/")
        names = {"/".join(path.split("/")[: folder + 1]) for path in self._paths() if path.count("/") >= folder}
        parts = pattern.split("/")
        found = [name for name in names if all(map(fnmatch.fnmatchcase, name.split("/"), parts))]
        return sorted(found, key=natural) or [text]

    def _bounded(self, word: str) -> list[tuple[str, bool | None]]:
        parts = self._parts(word, False)
        if sum(len(text) for text, _ in parts) > MAX_TEXT:
            raise UsageError(f"{word[:40]!r} means a text of more than {MAX_TEXT} characters")
        return parts

    def _parts(self, word: str, inside: bool) -> list[tuple[str, bool | None]]:
        """(text, quoted) of each part: True in quotes, False as written, None what an expansion without quotes gave."""
        found: list[tuple[str, bool | None]] = []
        at = 0
        while at < len(word):
            end = at + 1 if inside and word[at] not in "\\$`" else part_end(word, at)
            variable = _VARIABLE.match(word, at)
            part = word[at : variable.end() if variable is not None and not word.startswith("$(", at) else end]
            end = at + len(part)
            found += self._part(part, inside, variable)
            at = end
        return found

    def _part(self, part: str, inside: bool, variable: re.Match[str] | None) -> list[tuple[str, bool | None]]:
        given = True if inside else None
        if part.startswith("$(("):
            inner = "".join(text for text, _ in self._parts(part[3:-2], True))
            return [(str(self.number(inner)), given)]
        if part.startswith("$(") or (part[0] == "`" and len(part) > 1):
            return [(self._run(part[2:-1] if part[0] == "$" else part[1:-1]).rstrip("\n"), given)]
        if variable is not None:
            return [(self._value(variable), given)]
        if part.startswith("${"):
            raise UsageError(f"{part[:40]} is not known here; ${{NAME}} and ${{NAME:-WORD}} are")
        if part[0] == "\\":
            plain = inside and part[1:] not in ("$", "`", '"', "\\", "\n")
            return [(part if plain else "" if part[1:] == "\n" else part[1:], True)]
        if inside or len(part) == 1:
            return [(part, inside)]
        if part[0] == "'":
            return [(part[1:-1], True)]
        return [("", True), *self._parts(part[1:-1], True)] if part[0] == '"' else [(part, False)]

    def _value(self, found: re.Match[str]) -> str:
        name = found[1] or found[2]
        value = self.variables.get(name, "0" if name in ("?", "#") else "")
        if found[3] is None:
            return value
        missing = name not in self.variables or (found[3][0] == ":" and not value)
        if found[3][-1] == "+":
            return "" if missing else self.text(found[4])
        return self.text(found[4]) if missing else value

    def number(self, text: str) -> int:
        """The value of an arithmetic expression, of several with commas the last; they may set variables. Raises UsageError."""
        value = 0
        for part in text.split(","):
            assigns = _ASSIGNS.fullmatch(part)
            if assigns is None:
                value = self._value_of(part)
                continue
            name, step = assigns[1] or assigns[4] or assigns[7], assigns[5] or assigns[6]
            before = self._value_of(name)
            if step:
                after = before + (1 if step[0] == "+" else -1)
            else:
                after = self._value_of(f"{before} {assigns[2]} ({assigns[3]})" if assigns[2] else assigns[3])
            self.variables[name] = str(after)
            value = before if assigns[5] else after
        return value

    def _value_of(self, text: str) -> int:
        plain = _NUMBER.sub(lambda found: self._numeral(found[0]), text)
        plain = re.sub(r"!(?!=)", " not ", plain.replace("&&", " and ").replace("||", " or "))
        try:
            return _evaluate(ast.parse(plain.strip() or "0", mode="eval").body)
        except (SyntaxError, ValueError, ArithmeticError, RecursionError, KeyError, TypeError, MemoryError):
            raise UsageError(f"$(({text[:60]})) cannot be worked out") from None

    def _numeral(self, word: str) -> str:
        if word[0].isdecimal():
            return str(int(word, 0 if word[1:2] in ("x", "X") else 10))
        value = self.variables.get(word.strip("${}"), "").strip() or "0"
        known = re.fullmatch(r"-?(?:(0[xX][0-9a-fA-F]{1,16})|\d{1,20})", value)
        return "~" if known is None else f"({int(value, 16 if known[1] else 10)})"


def _evaluate(node: ast.expr) -> int:
    """Whole numbers as C has them: division cuts off, a comparison is 0 or 1."""
    value: int
    match node:
        case ast.Constant(value=int() as number):
            value = number
        case ast.BinOp(op=ast.Div() | ast.FloorDiv() | ast.Mod() as op):
            left, right = _evaluate(node.left), _evaluate(node.right)
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            value = left - quotient * right if isinstance(op, ast.Mod) else quotient
        case ast.BinOp(op=ast.LShift() | ast.RShift() as op):
            left, right = _evaluate(node.left), _evaluate(node.right)
            value = left >> min(right, 64) if isinstance(op, ast.RShift) else left << min(right, 64)
        case ast.BinOp(op=ast.Pow()):
            value = operator.index(_evaluate(node.left) ** min(_evaluate(node.right), 64))  # a fraction is no number here
        case ast.BinOp():
            value = _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
        case ast.Compare(ops=[op], comparators=[other]):
            value = int(_OPERATORS[type(op)](_evaluate(node.left), _evaluate(other)))
        case ast.BoolOp():
            every = isinstance(node.op, ast.And)
            value = int((all if every else any)(bool(_evaluate(one)) for one in node.values))
        case ast.UnaryOp(op=ast.Not()):
            value = int(not _evaluate(node.operand))
        case ast.UnaryOp(op=ast.USub()):
            value = -_evaluate(node.operand)
        case ast.UnaryOp(op=ast.UAdd()):
            value = _evaluate(node.operand)
        case _:
            raise ValueError(node)
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _braces(word: str) -> list[str]:
    """A word once for each that stands in its braces: {a,b} and {1..9}."""
    for found in _BRACES.finditer(word):
        if word[: found.start()].count("'") % 2 or word[: found.start()].count('"') % 2:
            continue
        span = _RANGE.fullmatch(found[1])
        if span is not None:
            first, last, step = int(span[1]), int(span[2]), abs(int(span[3] or 1)) or 1
            inner = range(first, last + (1 if last >= first else -1), step if last >= first else -step)
            if len(inner) > MAX_FIELDS:
                raise UsageError(f"{found[0]} means {len(inner)} words; {MAX_FIELDS} are the most")
            choices = list(map(str, inner))
        elif "," in found[1]:
            choices = found[1].split(",")
        else:
            continue
        return [f"{word[: found.start()]}{one}{rest}" for one in choices for rest in _braces(word[found.end() :])][: MAX_FIELDS + 1]
    return [word]


def natural(name: str) -> list[tuple[int, str]]:
    """memory2 before memory10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]
