"""A loaded driver: where its functions and variables are, and which line an instruction belongs to."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple

from movable.c.build import toolchain
from movable.c.build.recipe import Built, Recipe, build
from movable.errors import UsageError

ADDR2LINE_SECONDS = 60.0
"""How long the name of a line is waited for."""


class Line(NamedTuple):
    """A line of source, as reports show it."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{PurePath(self.file).name}:{self.line} {self.function}"


class Image:
    """A driver in memory; one for each build, for as long as the process runs."""

    def __init__(self, built: Built) -> None:
        from movable.c.bridge.runtime import runtime

        self.built = built
        self.runtime = runtime()
        self.base = self.runtime.load(str(built.library))
        self.kept = self.runtime.take(str(built.library))
        self.symbols = built.symbols
        self._sorted = sorted((at, name) for name, (at, _) in built.symbols.items())
        self._lines: dict[int, Line] = {}
        self.keys: dict[int, object] = {}

    def has(self, name: str) -> bool:
        """Whether the driver has a function or variable of this name."""
        return name in self.symbols

    def at(self, name: str) -> int:
        """The address of a function or variable. Raises UsageError for an unknown one."""
        try:
            return self.base + self.symbols[name][0]
        except KeyError:
            raise UsageError(f"the driver has no {name!r}{near(name, list(self.symbols))}") from None

    def size(self, name: str) -> int:
        """The bytes of a variable."""
        return self.symbols[name][1]

    def name(self, address: int) -> str:
        """A name for an address: a symbol, or a symbol and an offset."""
        place = bisect_right(self._sorted, (address - self.base, "\uffff")) - 1
        if place < 0:
            return hex(address)
        start, name = self._sorted[place]
        offset = address - self.base - start
        return name if not offset else f"{name}+{offset}"

    def holds(self, address: int) -> bool:
        """Whether an address is one of the driver's own functions or variables."""
        start, name = self._sorted[-1]
        return 0 <= address - self.base < start + max(1, self.symbols[name][1])

    def variables(self, address: int, size: int) -> list[tuple[int, int, str]]:
        """Variables in some bytes: (start, stop, name), counted from the address."""
        start = address - self.base
        found = []
        for at, name in self._sorted[max(0, bisect_right(self._sorted, (start, "")) - 1) :]:
            if at >= start + size:
                break
            if start < at + self.symbols[name][1]:
                found.append((max(at - start, 0), min(at + self.symbols[name][1] - start, size), name))
        return found

    def line(self, pc: int) -> Line:
        """The line of the user's that a return address belongs to; calls of the headers' own functions are looked through."""
        found = self._lines.get(pc)
        if found is None:
            found = self._lines[pc] = self._look_up(pc)
        return found

    def _look_up(self, pc: int) -> Line:
        if not 0 < pc - self.base < self._sorted[-1][0] + (1 << 24):
            return Line("?", 0, hex(pc))
        command = [toolchain.tool("addr2line"), "-i", "-f", "-e", str(self.built.library), hex(pc - self.base - 1)]
        words = toolchain.run(command, seconds=ADDR2LINE_SECONDS).stdout.splitlines()
        frames = []
        for function, place in zip(words[::2], words[1::2], strict=False):
            file, _, number = place.partition(" ")[0].rpartition(":")
            frames.append(Line(file, int(number) if number.isdigit() else 0, function))
        users = [frame for frame in frames if not toolchain.is_ours(frame.file) and frame.file != "??"]
        return users[0] if users else frames[-1] if frames else Line("?", 0, hex(pc))


def near(name: str, known: list[str]) -> str:
    """Names that are nearly this one, in words."""
    import difflib

    found = difflib.get_close_matches(name, known, 3)
    return f"; did you mean {', '.join(found)}?" if found else ""


@lru_cache(maxsize=64)
def _image(recipe: Recipe, state: tuple[tuple[int, int], ...]) -> Image:
    return _loaded(build(recipe))


_images: dict[str, Image] = {}


def _loaded(built: Built) -> Image:
    if built.name not in _images:
        _images[built.name] = Image(built)
    return _images[built.name]


def image(recipe: Recipe) -> Image:
    """The image of a recipe, built and loaded where that has not been done since its sources changed."""
    states = []
    for path in recipe.sources:
        try:
            found = path.stat()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        states.append((found.st_mtime_ns, found.st_size))
    return _image(recipe, tuple(states))
