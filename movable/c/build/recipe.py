"""Builds a driver: its own sources, unchanged, against the headers of this package, with every load and store instrumented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from movable.c.build import elf, source, toolchain
from movable.errors import UsageError

FLAGS = (
    *("-std=gnu11", "-g", "-fPIC", "-fno-plt", "-fno-builtin", "-ffreestanding", "-fno-stack-protector"),
    *("-fcf-protection=none", "-fno-omit-frame-pointer", "-fno-strict-aliasing", "-fno-delete-null-pointer-checks", "-fwrapv"),
    *("-nostdinc", "-Werror=implicit-function-declaration", "-fdiagnostics-color=never"),
)
FLAGS_OF = {
    "gcc": ("-fno-tree-loop-distribute-patterns", "-fmax-errors=40", "-fno-diagnostics-show-caret"),
    "clang": ("-ferror-limit=40", "-fno-caret-diagnostics", "-Wno-everything", "-Werror=implicit-function-declaration"),
}
"""What only one of the compilers knows."""
LINK_FLAGS = ("-shared", "-Wl,-z,now", "-nostdlib")
ALLOWED = {"memcpy", "memset", "memmove", "memcmp"}
"""What the compiler may call behind everybody's back: its accesses are told before."""
VERSIONS = {"4.19": 0x041300, "6.1": 0x060100, "6.17": 0x061100, "7.3": 0x070300}
LEVELS = ("0", "1", "2", "s")
MAX_VARIABLE = 16 << 20
"""Bytes of one variable: all of them are copied for each machine."""
Q = "['\u2018\u2019`\"]"


@dataclass(frozen=True)
class Recipe:
    """All that a driver is built from: its sources, macros (NAME=VALUE), folders of headers, a kernel's tree, an era, a level of
    optimisation."""

    sources: tuple[Path, ...]
    defines: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    kernel_tree: Path | None = None
    era: str = ""
    optimise: str = "1"

    def flags(self) -> list[str]:
        """The compiler's arguments."""
        if self.optimise not in LEVELS:
            raise UsageError(f"-O{self.optimise} is no level of optimisation; use {', '.join('-O' + one for one in LEVELS)}")
        family = toolchain.family(toolchain.compiler())
        version = VERSIONS.get(self.era, VERSIONS["6.1"])
        folders = [toolchain.INCLUDE, toolchain.generated(), *self.include, *dict.fromkeys(path.parent for path in self.sources)]
        for folder in self.include:
            if not folder.is_dir():
                raise UsageError(f"-I{folder}: there is no such folder")
        if self.kernel_tree is not None:
            if not (self.kernel_tree / "include").is_dir():
                raise UsageError(f"{self.kernel_tree} is no kernel tree: it has no folder include")
            folders += [self.kernel_tree / "include", self.kernel_tree / "include" / "uapi"]
        return [
            *FLAGS, *toolchain.INSTRUMENT[family], *FLAGS_OF[family],
            f"-O{self.optimise}", f"-DMOVABLE_VERSION={version:#x}", *(f"-D{one}" for one in self.defines),
            *(f"-I{path}" for path in folders), f"-I{toolchain.own_headers(toolchain.compiler())}", "-include", "movable/kernel.h",
        ]  # fmt: skip


@dataclass(frozen=True)
class Built:
    """A built driver: the folder in the cache, its symbols with offset and size, and a name for the build."""

    place: Path
    symbols: dict[str, tuple[int, int]]
    name: str

    @property
    def library(self) -> Path:
        """The shared object."""
        return self.place / "driver.so"


def build(recipe: Recipe) -> Built:
    """Build a driver, or take it from the cache. Raises UsageError, one line with the user's file and line, for what is wrong."""
    texts = [source.read(path) for path in recipe.sources]
    flags = recipe.flags()
    identity = toolchain.identity(toolchain.compiler())
    key = toolchain.digest(identity, toolchain.headers_digest(), *flags, *map(str, recipe.sources), *texts)
    place = _current(key)
    if place is None:
        for path, text in zip(recipe.sources, texts, strict=True):
            source.refuse(path, text)
        place = _make(recipe, flags, key)
    symbols = {name: (at, size) for name, at, size in json.loads((place / "symbols.json").read_text())}
    return Built(place, symbols, place.name)


def _current(key: str) -> Path | None:
    """What was built from this key, if the headers that it included are as they were."""
    index = toolchain.cache() / f"{key}.json"
    try:
        known = json.loads(index.read_text())
        for path, then in known["headers"].items():
            if toolchain.digest(Path(path).read_bytes()) != then:
                return None
    except (OSError, ValueError, KeyError):
        return None
    place = toolchain.cache() / known["place"]
    return place if place.is_dir() else None


def _make(recipe: Recipe, flags: list[str], key: str) -> Path:
    with toolchain.fresh_folder() as folder:
        objects = [_compile(recipe, path, flags, folder / f"{number}.o") for number, path in enumerate(recipe.sources)]
        headers: dict[str, str] = {}
        for one in objects:
            headers.update(_headers(one.with_suffix(".d")))

        def make(place: Path) -> None:
            library = place / "driver.so"
            done = toolchain.run([toolchain.compiler(), *LINK_FLAGS, *map(str, objects), "-o", str(library)])
            if done.returncode:
                raise UsageError(f"{recipe.sources[0]} cannot be linked: {_first_line(done.stderr)}")
            if not library.is_file():
                raise UsageError(f"{toolchain.compiler()} makes nothing: it is no compiler; set CC to gcc 11 or later, or clang")
            symbols = list(elf.symbols(library))
            _check_loading(recipe, library, symbols)
            known, lost = _known_and_lost(symbols)
            _check_names(recipe, lost)
            _check_own(recipe, known)
            (place / "symbols.json").write_text(json.dumps(known))

        place = toolchain.cached(f"driver-{key}-{_learned(recipe, flags, headers)}", make)
    _write_whole(toolchain.cache() / f"{key}.json", json.dumps({"headers": headers, "place": place.name}))
    return place


_headers_of: dict[str, tuple[list[str], str]] = {}
"""The headers of the user's that go into sources, by the hash of these and the flags, and the hash that the headers had."""


def _state(recipe: Recipe, flags: list[str]) -> str:
    """The hash of the headers of the user's that go in. The compiler is asked which they are, and again when one has changed."""
    key = _asked(recipe, flags)
    known, then = _headers_of.get(key, ([], ""))
    if then and all(map(_users, known)) and _hash_of(known) == then:
        return then
    done = toolchain.run([toolchain.compiler(), *flags, "-MM", "-MG", *map(str, recipe.sources)])
    words = done.stdout.replace("\\\n", " ").split()
    mine = sorted({word for word in words if _users(word)})
    found = _hash_of(mine)
    if not any(word.endswith(".h") and not Path(word).is_file() for word in words):  # one that is missing may come
        _headers_of[key] = mine, found
    return found


def _learned(recipe: Recipe, flags: list[str], headers: Iterable[str]) -> str:
    """The same where the compiler has just told which they are."""
    mine = sorted(headers)
    then = _hash_of(mine)
    _headers_of[_asked(recipe, flags)] = mine, then
    return then


def _asked(recipe: Recipe, flags: list[str]) -> str:
    return toolchain.digest(*flags, *map(str, recipe.sources), *(source.read(path) for path in recipe.sources))


def _hash_of(headers: list[str]) -> str:
    return toolchain.digest(*(Path(path).read_bytes() for path in headers))[:8]


def mark(recipe: Recipe) -> str:
    """A short name for what a recipe makes, wherever its files lie."""
    texts = [source.read(path) for path in recipe.sources]
    parts = (recipe.era, recipe.optimise, *recipe.defines, *texts, _state(recipe, recipe.flags()))
    return toolchain.digest(toolchain.identity(toolchain.compiler()), toolchain.headers_digest(), *parts)[:8]


def _users(path: str) -> bool:
    return path.endswith(".h") and Path(path).is_file() and not path.startswith((str(toolchain.HERE), str(toolchain.cache())))


def _headers(dependencies: Path) -> dict[str, str]:
    words = dependencies.read_text().replace("\\\n", " ").split() if dependencies.is_file() else []
    dependencies.unlink(missing_ok=True)
    return {path: toolchain.digest(Path(path).read_bytes()) for path in words if _users(path)}


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{toolchain.digest(text, str(id(text)))}")
    part.write_text(text)
    part.replace(path)


def _compile(recipe: Recipe, path: Path, flags: list[str], to: Path) -> Path:
    named = f'-DKBUILD_MODNAME="{path.stem}"'
    uses = ("-MMD", "-MF", str(to.with_suffix(".d")))
    done = toolchain.run([toolchain.compiler(), *flags, named, *uses, "-c", str(path), "-o", str(to)])
    if done.returncode:
        raise UsageError(complaint_of(done.stderr, path, recipe))
    return to


# --- what the compiler says ---

ERROR = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<what>.*)$", re.M)
INCLUDED = re.compile(r"^(?:In file included| +) from (?P<file>[^:\n]+):(?P<line>\d+)[,:]", re.M)
SAID = re.compile(r"(?:static assertion failed: |static_assert failed |#error )?\"(.*)\"$")
"""What the headers themselves say of a name that kernels of this version do not have."""
EXPANSION = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? note: in expansion of macro", re.M)


CLANG = (
    (r"call to undeclared function ('\w+')", r"implicit declaration of function \1"),
    (r"use of undeclared identifier ('\w+')", r"\1 undeclared"),
    (r"'(\S+\.h)' file not found", r"\1: No such file"),
    (r"no member named ('\w+') in", r"has no member named \1"),
)
"""What clang says, and what gcc says."""


FORMS = (
    (r"address_space_operations.* has no member named .(?:isolate_page|migratepage|putback_page)"
     r"|designator .(?:isolate_page|migratepage|putback_page).*address_space_operations",
     "kernels from 6.0 on have no callbacks of movable pages in struct address_space_operations; they have struct "
     "movable_operations"),
    (r"poisoned .?(?:movable_operations|identifier)",
     "kernels before 6.0 have no struct movable_operations; they have the callbacks of movable pages in struct "
     "address_space_operations"),
)  # fmt: skip
"""What only kernels of another time have, by what a compiler says of it."""


def in_words_of_gcc(stderr: str) -> str:
    """What a compiler says of names that are missing, in the words of gcc."""
    for words, instead in CLANG:
        stderr = re.sub(words, instead, stderr)
    return stderr


def complaint_of(stderr: str, path: Path, recipe: Recipe) -> str:
    """The compiler's first complaint, once, at the user's line; names that are missing all together."""
    stderr = in_words_of_gcc(stderr)
    names: dict[str, str] = {}
    first = ""
    for found in ERROR.finditer(stderr):
        file, line = users_line(stderr, found)
        place = f"{file}:{line}"
        said = SAID.match(found["what"])
        form = next((words for pattern, words in FORMS if re.search(pattern, found["what"])), said and said[1])
        if form:
            return f"{place}: {form}"
        missing = _missing(found["what"]) or lacked_by(found["what"], source.code_of(source.line_of(file, int(line))))
        if missing.endswith(".h") and f'"{missing}"' in source.line_of(file, int(line)):
            return f"{place}: {missing} was not found; -I names the folder that it is in"
        if missing:
            names.setdefault(missing, place)
        else:
            first = first or f"{place}: {found['what']}"
    if names:
        for name, place in names.items():
            header = header_of(name)
            if header:
                return f"{place}: {name} is a name of <{header}>; include that"
        listed = ", ".join(f"{name} ({_short(place)})" for name, place in list(names.items())[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        place = next(iter(names.values()))
        tree = " --kernel-tree takes headers from a kernel's sources;" if next(iter(names)).endswith(".h") else ""
        return f"{place}: the headers of movable lack {listed}{more};{tree} `movable c missing {recipe.sources[0]}` lists all"
    return first or f"{path}: the compiler failed: {_first_line(stderr)}"


def header_of(name: str) -> str:
    """The header that has a name and that no other one includes, "" where there is none: a driver names it, as in a kernel."""
    always = re.findall(r"#include <(linux/.*?)>", (toolchain.INCLUDE / "movable" / "kernel.h").read_text())
    for path in sorted((toolchain.INCLUDE / "linux").glob("*.h")):
        header = f"linux/{path.name}"
        if header not in always and re.search(rf"(?:#define |\b){name}\(", path.read_text()):
            return header
    return ""


def _missing(what: str) -> str:
    for pattern in (
        rf"implicit declaration of function {Q}(\w+)", rf"unknown type name {Q}(\w+)", rf"{Q}(\w+){Q} undeclared",
        r"^(\S+\.h): No such file",
    ):  # fmt: skip
        found = re.search(pattern, what)
        if found:
            return re.sub(r"^class_(\w+?)_(t|constructor|destructor)$", r"guard(\1)", found[1])
    return ""


MAKER = re.compile(r"(?:static |const )*([A-Z]\w*[A-Z]\w*) ?\(")


def lacked_by(what: str, line: str) -> str:
    """The structure, or the macro outside of functions, that the headers lack where a compiler says something else of a line."""
    if re.search("incomplete type|storage size", what):
        kind = re.search(r"\b(struct|union) (\w+)", line)
        return f"{kind[1]} {kind[2]}" if kind else ""
    made = MAKER.match(line) if re.search("^expected |data definition has no type|type defaults to", what) else None
    return "" if made is None or _is_macro(made[1]) else made[1]


def _is_macro(name: str) -> bool:
    return any(re.search(rf"#define {name}\b", path.read_text()) for path in (toolchain.INCLUDE / "linux").glob("*.h"))


def users_line(stderr: str, found: re.Match[str]) -> tuple[str, str]:
    """Where an error stands; one inside the headers where the macro is used, or the header named."""
    if not found["file"].startswith(str(toolchain.HERE)):
        return found["file"], found["line"]
    following = ERROR.search(stderr, found.end())
    for note in EXPANSION.finditer(stderr, found.end(), following.start() if following else len(stderr)):
        if not note["file"].startswith(str(toolchain.HERE)):
            return note["file"], note["line"]
    for place in reversed(list(INCLUDED.finditer(stderr, 0, found.start()))):
        if not place["file"].startswith(str(toolchain.HERE)):
            return place["file"], place["line"]
    return found["file"], found["line"]


def _short(place: str) -> str:
    return "line " + place.rpartition(":")[2]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it said nothing")


# --- symbols ---


def _check_names(recipe: Recipe, lost: list[str]) -> None:
    """Raise UsageError for a name that nobody defines: a function of the C library, or one of another file of the kernel's."""
    defined = set(runtime_names()) | ALLOWED
    lost = [name for name in lost if name not in defined and not name.startswith("__tsan_")]
    if not lost:
        return
    if lost[0] == "__tls_get_addr":
        place = _where_used(recipe, "_Thread_local|__thread")
        raise UsageError(f"{place}: a variable of each thread: a kernel has none; use per-CPU data")
    place = _where_used(recipe, lost[0])
    more = f" (and {', '.join(lost[1:6])})" if lost[1:] else ""
    raise UsageError(
        f"{place}: {lost[0]}{more} is declared and defined nowhere: the C library cannot be called from a driver; "
        "define it in a file of your own and name that as a second source"
    )


def _check_loading(recipe: Recipe, library: Path, symbols: list[elf.Symbol]) -> None:
    """Raise UsageError for code that would run in whoever loads the file; the instrumentation has one such function a source."""
    asked = next((one.name for one in symbols if one.asked), "")
    if asked or elf.called_by_loader(library) > len(recipe.sources):
        place = _where_used(recipe, asked) if asked else recipe.sources[0]
        raise UsageError(f"{place}: {asked or 'something'} runs as the file is loaded; {source.BEGINS}")


def _check_own(recipe: Recipe, known: list[tuple[str, int, int]]) -> None:
    """Raise UsageError for names that are the runtime's, and for variables that are too large to be kept for each machine."""
    ours = set(runtime_names())
    for name, _, size in known:
        if name in ours or name.startswith("__tsan_"):
            raise UsageError(f"{_where_used(recipe, name)}: {name} is a name of the runtime's own; call it otherwise")
        if size > MAX_VARIABLE:
            raise UsageError(f"{_where_used(recipe, name)}: {name} has {size} bytes, and a variable may have {MAX_VARIABLE}")


def _where_used(recipe: Recipe, name: str) -> str:
    for path in recipe.sources:
        lines = source.code_of(source.read(path)).splitlines()
        uses = [number for number, line in enumerate(lines, 1) if re.search(rf"\b(?:{name})\b", line)]
        if uses:
            return f"{path}:{uses[-1]}"
    return str(recipe.sources[0])


def runtime_names() -> list[str]:
    """The functions of the runtime that drivers may call."""
    text = (toolchain.INCLUDE / "movable" / "request.h").read_text()
    return [*re.findall(r"\b(k_\w+)\(", text), "k_relax"]


def _known_and_lost(symbols: list[elf.Symbol]) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Names with offset and size, and the names that others are to define."""
    known = sorted((one.name, one.at, one.size) for one in symbols if one.defined)
    return known, [one.name for one in symbols if not one.defined and not one.weak]
