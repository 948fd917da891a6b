"""``movable c missing FILE.c``: every name that a source uses and the headers lack, with lines and how often.

The compiler stops telling at what it does not understand, so it is asked again and again: each round declares what the last one has
named, until nothing new comes.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

from movable.c.build import source, toolchain
from movable.c.build.recipe import ERROR, MAKER, SAID, Q, Recipe, in_words_of_gcc, lacked_by, users_line

MAX_ROUNDS = 300
KINDS = ("headers", "types", "functions", "names", "members")


@dataclass
class Missing:
    """What one source lacks: by kind, name and lines; what is refused, with the reason; what the compiler says beside that."""

    names: dict[str, dict[str, list[int]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    refused: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.refused and not self.rest and not any(self.names.values())


def missing(recipe: Recipe) -> Missing:
    """Find it. Raises UsageError where there is no compiler, or no such file."""
    path, found = recipe.sources[0], Missing()
    code = source.code_of(source.read(path))
    for number, name, why in source.refused(code):
        lines = found.refused.setdefault(name, (why, []))[1]
        if number not in lines:
            lines.append(number)
    with tempfile.TemporaryDirectory(prefix="movable-") as folder:
        _rounds(recipe, Path(folder), code.splitlines(), found)
    for name in found.refused:
        for table in found.names.values():
            table.pop(name, None)
        found.names["types"].pop(f"struct {name}", None)
    return found


def _rounds(recipe: Recipe, folder: Path, code: list[str], found: Missing) -> None:
    declared: list[str] = []
    recipe = changed(recipe, include=(*recipe.include, folder))
    seen: set[tuple[str, str]] = set()
    compiler = toolchain.compiler()
    every = {"gcc": "-fmax-errors=0", "clang": "-ferror-limit=0"}[toolchain.family(compiler)]
    command = [compiler, *recipe.flags(), every, "-include", str(folder / "declared.h"), str(recipe.sources[0])]
    makers_too = True
    for _ in range(MAX_ROUNDS):
        (folder / "declared.h").write_text("\n".join(declared) + "\n")
        stderr = in_words_of_gcc(toolchain.run([*command, "-fsyntax-only"]).stderr)
        found.rest = []
        if makers_too and ERROR.search(stderr) and "No such file" not in stderr:  # a compiler loses its way behind them
            makers_too = False
            makers = _makers(code, toolchain.run([*command, "-E", "-dM"]).stdout)
            declared += [f"#define {name}(...)" for name in makers]
            found.names["functions"].update((name, _lines(code, name)) for name in makers)
            continue
        if not _round(stderr, recipe.sources[0], folder, code, found, seen, declared):
            return


def _round(
    stderr: str, path: Path, folder: Path, code: list[str], found: Missing, seen: set[tuple[str, str]], declared: list[str]
) -> bool:
    """Read what the compiler says; whether anything new is missing."""
    new = False
    for error in ERROR.finditer(stderr):
        place = users_line(stderr, error)
        kind, name, line = _read(error["what"], _line(code, place, path))
        if place[0].startswith(str(folder)) or (kind == "members" and _of_unknown(error["what"], found)):
            continue
        if not kind:
            said = SAID.match(error["what"])
            told = f"{':'.join(place)}: {said[1] if said else error['what']}"
            found.rest += [told] if told not in found.rest else []
        elif (kind, name) not in seen:
            new = True
            seen.add((kind, name))
            declared += line
            if kind == "headers":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text("")
            found.names[kind][name] = _lines(code, name) or [int(error["line"])]
    return new


def _of_unknown(what: str, found: Missing) -> bool:
    """Whether a member is one of a structure that is not known as a whole."""
    return bool(set(re.findall(r"(?:struct|union) \w+", what)) & found.names["types"].keys())


def _makers(code: list[str], macros: str) -> list[str]:
    """The macros that a source uses outside of functions and that nobody has defined."""
    used = dict.fromkeys(match[1] for match in map(MAKER.match, code) if match)
    known = set(re.findall(r"^#define (\w+)", macros, re.M))
    return [name for name in used if name not in known]


def _line(code: list[str], place: tuple[str, str], path: Path) -> str:
    """The user's line that an error is at, "" where it is in another file."""
    return code[int(place[1]) - 1] if place[0] == str(path) and 0 < int(place[1]) <= len(code) else ""


def _lines(code: list[str], name: str) -> list[int]:
    word = re.compile(rf"(?<![\w./]){re.escape(name)}(?!\w)")
    return [number for number, line in enumerate(code, 1) if word.search(line)]


def _read(what: str, line: str) -> tuple[str, str, list[str]]:
    """The kind and the name of what an error at a line says is missing, and how to declare it; "" for any other error."""
    name = lacked_by(what, line)
    if name:
        return ("types", name, []) if " " in name else ("functions", name, [f"#define {name}(...)"])
    for pattern, kind in (
        (r"^(\S+\.h): No such file", "headers"),
        (rf"unknown type name {Q}(\w+)", "types"),
        (rf"implicit declaration of function {Q}(\w+)", "functions"),
        (rf"{Q}(\w+){Q} undeclared", "names"),
        (rf"has no member named {Q}(\w+)", "members"),
        (rf"{Q}struct (\w+){Q}", "types"),
    ):
        match = re.search(pattern, what)
        if match:
            return kind, match[1] if "struct" not in pattern else f"struct {match[1]}", _declared(kind, match[1], pattern)
    return "", "", []


def _declared(kind: str, name: str, pattern: str) -> list[str]:
    if kind == "types" and "struct" not in pattern:
        return [f"typedef long {name};"]
    if kind == "functions":
        return [f"long {name}();"]
    if kind == "names" and "undeclared" in pattern:
        return [f"#define {name} 1" if name.isupper() else f"static long {name};"]
    return []


def text(path: Path, found: Missing) -> str:
    """The list, for people."""
    if found.complete:
        return f"{path}: the headers have every name"
    lines = []
    for kind, table in found.names.items():
        for name, at in sorted(table.items(), key=lambda item: (-len(item[1]), item[0])):
            shown = ", ".join(map(str, at[:8])) + (" ..." if len(at) > 8 else "")
            lines.append(f"{kind[:-1]:9} {name:32} {len(at):4} times  line {shown}")
    for name, (why, at) in sorted(found.refused.items()):
        lines.append(f"refused   {name:32} {len(at):4} times  line {', '.join(map(str, at[:8]))}: {why}")
    lines += [f"error     {one}" for one in found.rest[:10]]
    return "\n".join(lines)


def record(path: Path, found: Missing) -> dict[str, object]:
    """The list, for programs."""
    return {
        "schema": "movable.c.missing/1",
        "file": str(path),
        **found.names,
        "refused": {name: {"why": why, "lines": at} for name, (why, at) in found.refused.items()},
        "errors": found.rest,
    }
