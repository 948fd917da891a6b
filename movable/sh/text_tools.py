"""Tools of text that scripts are made with: sort, uniq, cut, tr, seq, diff, printf, and forms of awk and sed that people paste."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from movable.sh.failure import CommandFailed
from movable.sh.filters import Read, basic

MAX_NUMBERS = 100_000  # of one seq
Tool = Callable[..., str]
_LEADING = re.compile(r"\s*[-+]?\d+(?:\.\d+)?")
_AWK = re.compile(
    r"\s*(?:/((?:[^/\\]|\\.)*)/|NR\s*(==|>=|<=|!=|>|<)\s*(\d+)|"
    r"\$(\d+)\s*(==|!=|>=|<=|>|<|~)\s*(\"[^\"]*\"|/[^/]*/|-?\d+))?\s*"
    r"(?:\{\s*(?:print|(\w+)\s*\+=\s*\$(\d+))\s*(.*?)\s*;?\s*\})?\s*"
    r"(?:END\s*\{\s*print\s+(.*?)\s*;?\s*\})?\s*"
)
_ITEM = re.compile(r"\s*(\"(?:[^\"\\]|\\.)*\"|\$NF|\$\d+|NF|NR|\w+|,)")
_SUBSTITUTE = re.compile(r"s([/|#,@])(.*?)(?<!\\)\1(.*?)(?<!\\)\1([gip]*)")
_LINES = re.compile(r"(?:(\d+|\$)(?:,(\d+|\$))?|/(.*)/)([pd])")
_FORMAT = re.compile(r"%(-?0?\d*(?:\.\d+)?)([sdxciuf%])")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\", "\\r": "\r", '\\"': '"'}


def _input(paths: Sequence[str], given: str, read: Read, who: str) -> list[str]:
    texts = [given if path == "-" else read(path, who) for path in paths] or [given]
    return [line for text in texts for line in text.splitlines()]


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _options(words: Sequence[str], valued: str) -> tuple[dict[str, str], list[str]]:
    """Options by letter, those in ``valued`` with their value, and the other words."""
    found: dict[str, str] = {}
    rest, left = list(words), list[str]()
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or len(word) < 2 or (word[1].isdecimal() and "1" not in valued):
            left.append(word)
            continue
        for at, letter in enumerate(word[1:], 1):
            if letter in valued:
                found[letter] = word[at + 1 :] or (rest.pop(0) if rest else "")
                break
            found[letter] = ""
    return found, left


def sort(words: Sequence[str], given: str, read: Read) -> str:
    """Lines in order; -n by number, -h by size, -r backwards, -u once, -k N by the Nth word, -t C with C between words."""
    options, paths = _options(words, "kt")
    field = re.match(r"\d+", options.get("k", ""))

    def key(line: str) -> tuple[float, str]:
        words = line.split(options.get("t"))
        word = line if field is None else words[int(field[0]) - 1] if int(field[0]) <= len(words) else ""
        numeric = set(options) & set("nhg") or "n" in options.get("k", "")
        number = _LEADING.match(word) if numeric else None
        power = " KMGT".find(word.strip()[-1:].upper()) if "h" in options else 0
        return (float(number[0]) * 1024.0 ** max(power, 0) if number else 0.0, word)

    lines = sorted(_input(paths, given, read, "sort"), key=key, reverse="r" in options or "r" in options.get("k", ""))
    return _text(list(dict.fromkeys(lines)) if "u" in options else lines)


def uniq(words: Sequence[str], given: str, read: Read) -> str:
    """Lines that follow each other and are the same once; -c with how often, -d those that are there more than once."""
    options, paths = _options(words, "")
    found = [(line, len(list(same))) for line, same in groupby(_input(paths, given, read, "uniq"))]
    return _text([f"{count:7d} {line}" if "c" in options else line for line, count in found if count > 1 or "d" not in options])


def cut(words: Sequence[str], given: str, read: Read) -> str:
    """Fields (-f, with -d between them) or characters (-c) of each line."""
    options, paths = _options(words, "fdc")
    parts = (options.get("f") or options.get("c") or "").split(",")
    spans = [part.partition("-") for part in parts]
    if not all(re.fullmatch(r"[1-9]\d{0,8}(?:-\d{0,9})?|-\d{1,9}", part) for part in parts):
        raise CommandFailed("cut: give fields (-f 2 or -f 1-3, and -d) or characters (-c)")
    mark, lines = options.get("d", "\t") or "\t", list[str]()
    for line in _input(paths, given, read, "cut"):
        parts = line.split(mark) if "f" in options else list(line)
        if "f" in options and len(parts) == 1:
            lines.append(line)
            continue
        chosen = {
            at for first, dash, last in spans
            for at in range(int(first or 1), min(int(last) if last else len(parts) if dash else int(first), len(parts)) + 1)
        }  # fmt: skip
        lines.append((mark if "f" in options else "").join(part for at, part in enumerate(parts, 1) if at in chosen))
    return _text(lines)


def tr(words: Sequence[str], given: str, read: Read) -> str:
    """Characters for others; -d takes some away, -s leaves one of those that follow each other."""
    options, sets = _options(words, "")
    known = {
        "[:space:]": " \t\n", "[:digit:]": string.digits, "[:upper:]": string.ascii_uppercase, "[:lower:]": string.ascii_lowercase,
    }  # fmt: skip
    chars = [known.get(one) or _ranges(_unescaped(one)) for one in sets]
    if not chars:
        raise CommandFailed("tr: give the characters")
    if "d" in options:
        return "".join(letter for letter in given if letter not in chars[0])
    text = given
    if len(chars) > 1:
        wide = chars[1].ljust(len(chars[0]), chars[1][-1:] or " ")
        text = given.translate(str.maketrans(chars[0], wide[: len(chars[0])]))
    if "s" in options:
        text = "".join(letter if letter in chars[-1] else "".join(same) for letter, same in groupby(text))
    return text


def _ranges(text: str) -> str:
    return re.sub(r"(\w)-(\w)", lambda found: "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))), text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text)


def seq(words: Sequence[str], given: str, read: Read) -> str:
    """Numbers from one to another: LAST, FIRST LAST, or FIRST STEP LAST."""
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        raise CommandFailed("seq: give LAST, FIRST LAST, or FIRST STEP LAST, whole numbers")
    numbers = list(map(int, words))
    first, step, last = numbers[0] if len(numbers) > 1 else 1, numbers[1] if len(numbers) == 3 else 1, numbers[-1]
    if step == 0:
        raise CommandFailed("seq: a step of 0 never ends")
    found = range(first, last + (1 if step > 0 else -1), step)
    if len(found) > MAX_NUMBERS:
        raise CommandFailed(f"seq: {len(found)} numbers; {MAX_NUMBERS} are the most")
    return _text(list(map(str, found)))


def diff(words: Sequence[str], given: str, read: Read) -> str:
    """What differs between two files; -u with what stands around. Fails where they differ, as a real one does."""
    options, paths = _options(words, "")
    if len(paths) != 2:
        raise CommandFailed("diff: give two files")
    before, after = (given.splitlines() if path == "-" else read(path, "diff").splitlines() for path in paths)
    if before == after:
        return ""
    if "u" in options:
        raise CommandFailed("", _text(list(difflib.unified_diff(before, after, paths[0], paths[1], lineterm=""))))
    lines: list[str] = []
    for what, first, last, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what != "equal":
            letter = {"replace": "c", "delete": "d", "insert": "a"}[what]
            lines.append(_span(first, last) + letter + _span(start, end))
            lines += [f"< {line}" for line in before[first:last]] + ["---"] * (what == "replace")
            lines += [f"> {line}" for line in after[start:end]]
    raise CommandFailed("", _text(lines))


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{last}" if last == first + 1 else f"{first + 1},{last}"


def printf(words: Sequence[str], given: str, read: Read) -> str:
    """A format with its values; %s, %d, %x, %f and %c are known."""
    if not words:
        raise CommandFailed("printf: give a format")
    text, values, output = _unescaped(words[0]), list(words[1:]), ""
    while True:
        left = len(values)
        output += _FORMAT.sub(lambda found: _formatted(found, values), text)
        if not values or len(values) == left:
            return output


def _formatted(found: re.Match[str], values: list[str]) -> str:
    if found[2] == "%":
        return "%"
    word, width = (values.pop(0) if values else ""), found[1]
    if any(number.lstrip("0")[3:] for number in re.findall(r"\d+", width)):
        raise CommandFailed(f"printf: {found[0]}: too wide")
    if found[2] in "sc":
        return f"%{width}s" % (word if found[2] == "s" else word[:1])
    try:
        number = float(word or "0") if found[2] == "f" else int(word or "0", 0)
    except ValueError:
        raise CommandFailed(f"printf: {word}: invalid number") from None
    return f"%{width}{found[2].replace('u', 'd').replace('i', 'd')}" % number


def awk(words: Sequence[str], given: str, read: Read) -> str:
    """The forms that people paste: /PATTERN/ {print $1, $NF}, a condition on NR or a field, and sums printed at the END."""
    options, rest = _options(words, "Fv")
    program = _AWK.fullmatch(rest[0]) if rest else None
    if program is None or not rest[0].strip():
        raise CommandFailed("awk: of its language only [CONDITION] {print WORDS} and {s += $N} END {print s} are known here")
    pattern, sums, lines = program[1], {name: 0.0 for name in [program[7]] if name}, list[str]()
    rows = _input(rest[1:], given, read, "awk")
    for number, line in enumerate(rows, 1):
        fields = [line, *line.split(options.get("F") or None)]
        if pattern is not None and re.search(pattern, line) is None:
            continue
        if not _holds(program, number, fields):
            continue
        if program[7]:
            word = fields[int(program[8])] if int(program[8]) < len(fields) else ""
            leading = _LEADING.match(word)
            sums[program[7]] += float(leading[0]) if leading else 0.0
        elif "{" in rest[0].partition("END")[0] or not program[10]:
            lines.append(_printed(program[9] or "", fields, number, {}))
    if program[10]:
        ends = {name: f"{value:g}" if value % 1 else f"{value:.0f}" for name, value in sums.items()}
        lines.append(_printed(program[10], [""], len(rows), ends))
    return _text(lines)


def _holds(program: re.Match[str], number: int, fields: Sequence[str]) -> bool:
    if program[2]:
        return _compared(number, program[2], int(program[3]))
    if program[5]:
        word, wanted = (fields[int(program[4])] if int(program[4]) < len(fields) else ""), program[6].strip('"')
        if program[5] == "~":
            return re.search(wanted.strip("/"), word) is not None
        leading = _LEADING.fullmatch(word)
        if leading is not None and _LEADING.fullmatch(wanted) is not None:
            return _compared(float(word), program[5], float(wanted))
        return _compared(word, program[5], wanted)
    return True


def _compared(one: float | str, mark: str, two: float | str) -> bool:
    order = (one > two) - (one < two)  # type: ignore[operator]
    return {"==": order == 0, "!=": order != 0, ">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}[mark]


def _printed(items: str, fields: Sequence[str], number: int, sums: Mapping[str, str]) -> str:
    """What ``print`` prints: words side by side, with a space where a comma stood."""
    if not items.strip():
        return fields[0]
    output, at = "", 0
    while at < len(items.rstrip()):
        item = _ITEM.match(items, at)
        if item is None:
            raise CommandFailed(f"awk: {items[at:].strip()}: is not known here")
        word, at = item[1], item.end()
        place = int(word[1:]) if word[0] == "$" and word != "$NF" else len(fields) - 1
        output += (
            " " if word == "," else _unescaped(word[1:-1]) if word[0] == '"' else
            (fields[place] if place < len(fields) else "") if word[0] == "$" else
            str(len(fields) - 1) if word == "NF" else str(number) if word == "NR" else
            word if word.isdecimal() else sums.get(word, "")
        )  # fmt: skip
    return output


def sed(words: Sequence[str], given: str, read: Read) -> str:
    """s/PATTERN/TEXT/, and lines by number or pattern with p or d; -n prints only what p says."""
    options, rest = _options(words, "e")
    script = options.get("e") or (rest.pop(0) if rest else "")
    quiet, lines = "n" in options, _input(rest, given, read, "sed")
    change, chosen = _SUBSTITUTE.fullmatch(script), _LINES.fullmatch(script)
    if change is None and chosen is None:
        raise CommandFailed("sed: s/PATTERN/TEXT/, Np, N,Mp, /PATTERN/p and the same with d are known here")
    output: list[str] = []
    for number, line in enumerate(lines, 1):
        if change is not None:
            flags = re.IGNORECASE if "i" in change[4] else 0
            pattern, text = re.compile(_pattern(change[2], options), flags), change[3].replace("&", r"\g<0>")
            new, count = pattern.subn(text, line, count=0 if "g" in change[4] else 1)
            output += [new] * (not quiet) + [new] * bool(count and "p" in change[4])
        elif chosen is not None:
            ends = [len(lines) if end == "$" else int(end or 0) for end in (chosen[1], chosen[2] or chosen[1])]
            hit = ends[0] <= number <= ends[1] if chosen[3] is None else bool(re.search(_pattern(chosen[3], options), line))
            output += [line] * (not quiet and not (hit and chosen[4] == "d")) + [line] * (hit and chosen[4] == "p")
    return _text(output)


def _pattern(text: str, options: Mapping[str, str]) -> str:
    return text if set(options) & set("Er") else basic(text)


def _guarded(tool: Tool, who: str) -> Tool:
    def run(words: Sequence[str], given: str, read: Read) -> str:
        try:
            return tool(words, given, read)
        except (re.error, IndexError, OverflowError) as error:
            raise CommandFailed(f"{who}: {error}") from None

    return run


TOOLS: Mapping[str, Tool] = {
    "sort": sort, "uniq": uniq, "cut": cut, "tr": tr, "seq": seq, "diff": diff, "printf": printf,
    "awk": _guarded(awk, "awk"), "gawk": _guarded(awk, "awk"), "sed": _guarded(sed, "sed"),
    "column": lambda words, given, read: given,
    "basename": lambda words, given, read: _text([word.rstrip("/").rpartition("/")[2] for word in words[:1]]),
    "dirname": lambda words, given, read: _text([word.rstrip("/").rpartition("/")[0] or "/" for word in words[:1]]),
}  # fmt: skip
