"""The user's C compiler, and the cache of what it made.

A compiled thing is named by the hash of all that went in, and comes into the cache whole or not at all: it is made in a folder of
its own and then renamed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from movable.errors import UsageError
from movable.supervise import board

HERE = Path(__file__).parent.parent
INCLUDE = HERE / "include"
INSTRUMENT = {
    "gcc": ("-fsanitize=thread", "--param", "tsan-distinguish-volatile=1"),
    "clang": ("-fsanitize=thread", "-mllvm", "-tsan-distinguish-volatile=1"),
}
"""What makes a compiler call a hook before every load and store."""
NEW, ABANDONED = ".new-", 600.0
"""How the name of what is being made in the cache begins, and the seconds after which nobody makes it any more."""
TICK_SECONDS, TOOL_SECONDS = 0.5, 600.0
"""How often it is said that somebody waits for a tool, and how long that is waited for."""
WRAPPERS = ("ccache", "sccache", "distcc", "env")
"""Programs that people have in front of their compiler's name."""
TRIED = ("gcc", "cc", "gcc-14", "gcc-13", "gcc-12", "gcc-11", "clang")


@lru_cache(maxsize=8)
def _compiler(wanted: str) -> str:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise UsageError(
            f"C drivers need Linux on x86-64, and this is {sys.platform} on {platform.machine()}; nothing else of movable does"
        )
    words = wanted.split()
    while words and os.path.basename(words[0]) in WRAPPERS:
        words.pop(0)
    if words[1:]:
        raise UsageError(f"CC={wanted} has options; CC names a compiler, and what a driver needs stands in its movable.toml")
    names = tuple(words) or TRIED
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        what = f"CC={wanted} cannot be run" if wanted else "no C compiler was found"
        raise UsageError(f"{what}; install gcc 11 or later, or clang, or set CC. Nothing else of movable needs a compiler")
    for path in found:
        if _has_flags(path):
            return path
    flags = " ".join(INSTRUMENT[family(found[0])])
    raise UsageError(f"{found[0]} does not know {flags}; C drivers need gcc 11 or later, or clang. Set CC to one")


def family(path: str) -> str:
    """Which compiler it is, clang or gcc, by the name of the program itself."""
    return "clang" if "clang" in os.path.basename(os.path.realpath(path)) else "gcc"


def _has_flags(path: str) -> bool:
    command = [path, *INSTRUMENT[family(path)], "-x", "c", "-c", "-o", os.devnull, "-"]
    try:
        return run(command, "int x;\n").returncode == 0
    except OSError:
        return False


def compiler() -> str:
    """The path of a compiler that can build drivers. Raises UsageError, in one line, where there is none."""
    return _compiler(os.environ.get("CC", "").strip())


def available() -> str:
    """Why C drivers cannot be built here, "" where they can."""
    try:
        compiler()
    except UsageError as error:
        return str(error)
    return ""


@lru_cache(maxsize=8)
def own_headers(path: str) -> str:
    """The folder of the compiler's own headers, such as stdarg.h."""
    return run([path, "-print-file-name=include"]).stdout.strip()


def identity(path: str) -> str:
    """What tells one compiler from another, without asking it."""
    real = os.path.realpath(path)
    state = os.stat(real)
    return f"{real} {state.st_size} {state.st_mtime_ns}"


def tool(name: str) -> str:
    """The path of a tool of binutils. Raises UsageError where it is not there."""
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"{name} was not found; C drivers need binutils, which comes with the compiler")
    return found


def run(command: Iterable[str], text: str = "", seconds: float = TOOL_SECONDS, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a tool with messages in plain English and ``text`` to read; one that does not end is killed, which its code says.

    While it waits for a processor that others have, it is said that this goes on.
    """
    with open(os.memfd_create("text"), "w+", errors="replace") as given:  # a full pipe would be left alone after the first wait
        given.write(text)
        given.seek(0)
        child = subprocess.Popen(
            list(command), stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            env={**os.environ, "LC_ALL": "C", **more},
        )  # fmt: skip
    with child:
        try:
            for _ in range(int(seconds / TICK_SECONDS)):
                try:
                    out, err = child.communicate(timeout=TICK_SECONDS)
                    return subprocess.CompletedProcess(child.args, child.returncode, out, err)
                except subprocess.TimeoutExpired:
                    board.tick()
        finally:
            child.kill()  # nothing where it has ended
    return subprocess.CompletedProcess(child.args, child.returncode, "", "")


def is_ours(file: str) -> bool:
    """Whether a file that debugging information names is of this package, of whichever installation."""
    return any(f"/movable/c/{folder}/" in file for folder in ("include", "runtime"))


def digest(*parts: str | bytes) -> str:
    """A short name for everything that goes in."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little") + data)
    return sha.hexdigest()[:24]


# --- the cache ---


@lru_cache(maxsize=1)
def cache() -> Path:
    """The folder for compiled things: in the user's cache, or where that cannot be written in the folder for temporary files."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        wanted = Path(base if base.startswith("/") else Path.home() / ".cache") / "movable" / "c"
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except (OSError, RuntimeError):  # a user without an entry has no home
        return _temporary_cache()


def _temporary_cache() -> Path:
    """One for each user, so that every process finds it; one of its own where somebody else has made that."""
    wanted = Path(tempfile.gettempdir()) / f"movable-c-{os.getuid()}"
    try:
        wanted.mkdir(mode=0o700, exist_ok=True)
        found = wanted.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return wanted
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="movable-c-"))


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The folder called ``name`` in the cache, made by ``make`` in another folder first where it is not there."""
    place = cache() / name
    if place.is_dir():
        return place
    with fresh_folder() as fresh:
        make(fresh)
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():  # else somebody else was faster
                raise
    return place


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder in the cache for what is being made, which is gone afterwards."""
    sweep()
    fresh = Path(tempfile.mkdtemp(prefix=f"{_beginning()}{os.getpid()}-", dir=cache()))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _beginning() -> str:
    """How the names of folders begin that processes make whose numbers mean something to this one."""
    return f"{NEW}{os.stat('/proc/self/ns/pid').st_ino}-"


def sweep() -> None:
    """Take away what processes began to make that were killed."""
    ours = _beginning()
    for place in cache().glob(f"{NEW}*"):
        with suppress(OSError, ValueError):
            name = place.name
            gone = name.startswith(ours) and not os.path.exists(f"/proc/{int(name[len(ours) :].partition('-')[0])}")
            if gone or place.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(place, ignore_errors=True)


@lru_cache(maxsize=1)
def headers_digest() -> str:
    """The hash of all headers and of the runtime."""
    files = sorted([*INCLUDE.rglob("*"), *(HERE / "runtime").glob("*")])
    return digest(*(path.read_bytes() for path in files if path.is_file()), model_header())


@lru_cache(maxsize=1)
def model_header() -> str:
    """What headers take from the model: GFP flags and the numbers of page flags."""
    from movable.mm import gfp, page_flags

    lines = [f"#define {name} {value:#x}u" for name, value in vars(gfp).items() if "GFP_" in name and isinstance(value, int)]
    bits = [(name, value) for name, value in vars(page_flags).items() if name.startswith("PG_") and isinstance(value, int)]
    lines += [f"#define {name} {value}" for name, value in bits if name not in ("PG_buddy", "PG_balloon")]
    return "/* Taken from the model. */\n" + "\n".join(lines) + "\n"


def accepted() -> list[str]:
    """Kernel headers that a driver may include and whose names, as far as there are any, stand elsewhere."""
    return (INCLUDE / "accepted.txt").read_text().split()


def generated() -> Path:
    """A folder with the headers that are made: those of the model, and empty ones."""

    def make(place: Path) -> None:
        (place / "movable").mkdir()
        (place / "movable" / "model.h").write_text(model_header())
        for name in accepted():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("")

    return cached(f"headers-{digest(model_header(), *accepted())}", make)
