"""Campaigns: one search spread over processes or machines, with the same verdict however many there are.

The work is cut into numbered chunks before anything runs: subtrees for the systematic strategies, ranges of samples for the
random ones, each with its own fixed budget. The verdict is that of the lowest chunk that fails, so a fast worker cannot
change it. Finished chunks go to a file, one JSON line each; a campaign that was killed goes on from there.
"""

import gc
import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from movable.explore import failure as kinds
from movable.explore.failure import Failure
from movable.explore.program import Counts, Named, Program
from movable.explore.record_file import RecordFile
from movable.explore.runner import Options, execute, tidy
from movable.explore.schedulers.dfs import covered
from movable.explore.schedulers.dpor import Dpor
from movable.explore.schedulers.portfolio import BOUND_SHARE, DPOR_SHARE
from movable.explore.schedulers.pos import Pos
from movable.explore.schedulers.preemption_bounded import Bounded
from movable.explore.schedulers.strategy import Strategy
from movable.explore.schedulers.surw import Surw
from movable.explore.schedulers.urw import Urw
from movable.explore.search import Report, explain
from movable.supervise import board
from movable.supervise.crew import Crew, Ended, alone
from movable.supervise.schema import Misfit, from_record, to_record
from movable.supervise.supervisor import HUNG, STILL, Ending

VERSION = 2
_CHANGED = "the source of the program, or of movable, was changed since"
MAX_SHOWN = 8
"""Numbers of refused lines that are shown."""
_OTHER = "program, its source, budget, seed or options differ"
EXPLORING = "exploring"
"""The phase on the board of a process that does a chunk; the place is how many executions it has done."""
MIN_EXECUTIONS = 10
"""Executions of a subtree at least."""
LOOK_SECONDS = 0.5
"""Seconds between two signs of life while others work."""
_AHEAD = 64  # chunks handed out before the first of them is back
_RANDOM: dict[str, Callable[[int, int], Strategy]] = {"surw": Surw, "urw": Urw, "pos": Pos}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A fixed piece of work: ``executions`` at most, of the strategy ``kind``, below ``root`` or from sample ``first`` on."""

    number: int
    kind: str
    executions: int
    bound: int = -1
    root: tuple[int, ...] = ()
    seed: int = 0
    first: int = 0

    def strategy(self) -> Strategy:
        """Make the strategy that does it."""
        if self.kind == "bounded":
            return Bounded(self.bound, self.root)
        if self.kind == "dpor":
            return Dpor(self.root)
        return _RANDOM[self.kind](self.seed, self.first)


@dataclass(slots=True)
class Done:
    """What came of a chunk."""

    number: int
    executions: int = 0
    redundant: int = 0
    steps: int = 0
    complete: bool = False
    refused: bool = False
    failure: dict[str, Any] | None = None
    exercised: dict[str, int] = field(default_factory=dict)


def roots(program: Program, strategy: Callable[[tuple[int, ...]], Dpor], pieces: int, options: Options) -> list[tuple[int, ...]]:
    """Cut the tree of schedules into about ``pieces`` subtrees that together are the whole; return their roots."""
    open_: list[tuple[int, ...]] = [()]
    closed: list[tuple[int, ...]] = []
    while open_ and len(open_) + len(closed) < pieces:
        root = open_.pop(0)
        search = strategy(root)
        run = execute(program, search, options)
        depth = len(root)
        if run is None or len(search.nodes) <= depth:
            closed.append(root)
            continue
        node = search.nodes[depth]
        open_.extend((*root, task) for task in node.enabled if task not in node.sleep)
    return sorted(closed + open_)


def plan(program: Program, executions: int, seed: int, options: Options, size: int = 250, pieces: int = 8) -> list[Chunk]:
    """Cut a budget into chunks. The result depends on the arguments alone.

    A small budget leaves some subtrees with none, so that nothing is claimed of them.
    """
    chunks: list[Chunk] = []
    left = executions

    def tree(kind: str, share: float, bound: int, cut: list[tuple[int, ...]]) -> None:
        nonlocal left
        budget = max(MIN_EXECUTIONS, int(executions * share) // len(cut))
        for root in cut:
            chunks.append(Chunk(len(chunks), kind, min(budget, left), bound, root))
            left -= chunks[-1].executions

    pieces = max(1, min(pieces, executions // (2 * MIN_EXECUTIONS * len(BOUND_SHARE))))
    for bound, share in enumerate(BOUND_SHARE):

        def bounded(root: tuple[int, ...], bound: int = bound) -> Dpor:
            return Bounded(bound, root)

        tree("bounded", share, bound, roots(program, bounded, pieces, options) if bound > 1 else [()])
    tree("dpor", DPOR_SHARE, -1, roots(program, Dpor, pieces, options))
    kinds = list(_RANDOM)
    turn = 0
    while left > 0:
        kind, first = kinds[turn % len(kinds)], turn // len(kinds) * size
        chunks.append(Chunk(len(chunks), kind, min(size, left), seed=seed, first=first))
        left -= size
        turn += 1
    return chunks


_LAST: dict[str, Program] = {}


def _loaded(program: Named) -> Program:
    """The program; that of the chunk before, with the machine that it keeps, where it is the same."""
    key = repr(program)
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = program.load()
    return _LAST[key]


def planned(program: Named, executions: int, seed: int, options: Options) -> list[dict[str, Any]]:
    """The chunks of a program as plain dicts. Runs in a worker, for some schedules are run for it."""
    board.enter(EXPLORING, "0")
    return [asdict(chunk) for chunk in plan(_loaded(program), executions, seed, options)]


def work(program: Named, chunk: Chunk, options: Options) -> dict[str, Any]:
    """Do one chunk; return a `Done` as a plain dict. Runs in a worker."""
    done = Done(chunk.number)
    strategy = chunk.strategy()
    loaded = _loaded(program)
    if isinstance(loaded, Counts):
        loaded.count_anew()
    with tidy():
        while done.executions < chunk.executions:
            board.enter(EXPLORING, str(done.executions))
            run = execute(loaded, strategy, options)
            if run is None:
                break
            done.executions += 1
            done.redundant += run.pruned
            done.steps += len(run.steps)
            if run.failure is not None:
                failure = run.failure
                done.failure = {name: getattr(failure, name) for name in ("kind", "message", "cause")}
                done.failure["choices"] = list(failure.choices)
                break
            gc.collect(1)
    done.complete = strategy.complete and not getattr(strategy, "cut", False)
    done.refused = bool(getattr(strategy, "refused", False))
    if isinstance(loaded, Counts):
        done.exercised = dict(loaded.exercised())
    return asdict(done)


def apart_from(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of this module in a process of its own, for what may end that; a `Done` if it does."""
    try:
        return alone(function, *arguments)
    except Ended as error:
        return asdict(_ended(-1, error.ending))


def _ended(number: int, ending: Ending) -> Done:
    """What comes of a chunk that ended its process: a failure, with the schedule as far as it went."""
    place = ending.place
    before = int(place.where) if place.phase == EXPLORING and place.where.isdecimal() else 0
    kind = kinds.HUNG if ending.how in (HUNG, STILL) else kinds.ENDED
    choices = [task for task, _ in place.trail]
    return Done(number, before + 1, failure={"kind": kind, "message": ending.words, "cause": "", "choices": choices})


class _Log:
    """The campaign file, if there is one, and what of it is done."""

    def __init__(self, path: Path | None, head: dict[str, Any]) -> None:
        self.done: dict[int, Done] = {}
        self._file = None if path is None else RecordFile(path, head, _OTHER, _CHANGED)
        for record in () if self._file is None else self._file.records:
            try:
                done = from_record(Done, record)
            except Misfit:
                continue
            self.done[done.number] = done

    @property
    def note(self) -> str:
        """Which lines of the file were refused, in words, or ""."""
        if self._file is None or not self._file.refused:
            return ""
        lines = ", ".join(map(str, self._file.refused[:MAX_SHOWN])) + (", ..." if len(self._file.refused) > MAX_SHOWN else "")
        many = "lines" if len(self._file.refused) > 1 else "line"
        return f"{self._file.path}: {many} {lines}: cut, changed, or of another campaign; that work is done again"

    def add(self, done: Done) -> None:
        """Keep a finished chunk."""
        self.done[done.number] = done
        if self._file is not None:
            self._file.add(asdict(done))


def campaign(  # one search from its plan to its claim; the parts are functions, and the arguments many
    program: Named,
    executor: Executor,
    *,
    executions: int = 100_000,
    seed: int = 0,
    options: Options | None = None,
    file: str | Path | None = None,
    shrink: bool = True,
    code: str = "",
    apart: bool = False,
) -> Report:
    """Explore ``program`` on an executor; the budget is in ``executions``.

    On a Crew of movable.supervise, and with ``apart`` on any executor, a piece of work that ends its process is a failure.

    ``file`` keeps finished chunks; an existing one is gone on with. ``code`` stands for the source that the program's arguments
    lead to, see `code_of`; that of the program's own module counts anyway, for a verdict on an older source is none on this one.
    Raises ExploreError when the file belongs to another campaign.
    """
    options = options or Options()
    _LAST.clear()
    loaded = program.load()
    head = {
        "campaign": program.name, "args": list(program.args), "executions": executions, "seed": seed, "version": VERSION,
        "options": asdict(options), "code": f"{code_of([loaded])}{code}",
    }  # fmt: skip
    log = _Log(Path(file) if file is not None else None, head)
    report = Report("campaign")
    report.note = log.note
    pool = _Pool(executor, apart)
    chunks = pool.plan(program, executions, seed, options)
    if isinstance(chunks, Done):
        report.executions = chunks.executions
        report.failures.append(_explained(loaded, chunks.failure or {}, options, shrink))
        return report
    verdict = _Verdict(chunks)
    for done in _results(program, pool, chunks, options, log):
        _add(report, done)
        if done.failure is not None:
            report.failures.append(_explained(loaded, done.failure, options, shrink))
        if verdict.take(done):
            break
    report.covered, report.complete = verdict.claim, verdict.complete
    return report


def _add(report: Report, done: Done) -> None:
    report.executions += done.executions
    report.redundant += done.redundant
    report.steps += done.steps
    report.exercised.update(done.exercised)


def code_of(things: Iterable[Any]) -> str:
    """A hash of the source that ``things`` (functions, classes, objects) come from, and of this package's.

    The source of a module is its own, and that of every module its names come from; the standard library and what is installed
    beside it are left out, unless a thing itself comes from there.
    """
    found = {module.__name__: module for thing in things for module in _modules(thing)}
    todo = list(found.values())
    tops = {name.partition(".")[0] for name in found} - {"movable", "builtins"}
    while todo:
        for value in list(vars(todo.pop()).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            module = sys.modules.get(name) if isinstance(name, str) else None
            if module is None or module.__name__ in found:
                continue
            if is_local(module) or module.__name__.partition(".")[0] in tops:
                found[module.__name__] = module
                todo.append(module)
    digest = hashlib.sha256(_own_code().encode())
    for file in sorted(str(module.__file__) for module in found.values() if getattr(module, "__file__", None)):
        digest.update(Path(file).name.encode() + b"\0" + _bytes(file))
    return digest.hexdigest()[:32]


def _modules(thing: Any) -> list[ModuleType]:
    """The modules of a thing's class and those it is made from."""
    if isinstance(thing, ModuleType):
        return [thing]
    classes = thing.__mro__ if isinstance(thing, type) else (thing, *type(thing).__mro__)
    names = [getattr(one, "__module__", None) for one in classes]
    return [sys.modules[name] for name in names if isinstance(name, str) and name in sys.modules]


_INSTALLED = tuple(
    str(Path(sysconfig.get_path(kind)).resolve()) + "/" for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PACKAGE = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1024)
def is_local(module: ModuleType) -> bool:
    """Whether a module is somebody's own: not the standard library, not installed beside it, and not this package."""
    file = getattr(module, "__file__", None)
    return file is not None and not str(Path(file).resolve()).startswith((*_INSTALLED, str(_PACKAGE)))


@lru_cache(maxsize=1)
def _own_code() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + _bytes(path))
    return digest.hexdigest()


def _bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it was imported from an archive, or is gone
        return b""


def _explained(program: Program, record: dict[str, Any], options: Options, shrink: bool) -> Failure:
    failure = Failure(record["kind"], record["message"], tuple(record["choices"]), cause=record["cause"])
    if failure.kind in (kinds.ENDED, kinds.HUNG):  # it would end this process, too
        return failure
    return explain(program, failure, options, shrink=shrink)


class _Verdict:
    """Reads finished chunks in order: what has been covered, and whether to go on."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks
        self._parts: dict[tuple[str, int], list[Done]] = {}
        self._samples = 0
        self._claim = ""
        self.complete = False

    @property
    def claim(self) -> str:
        """In words."""
        samples = f"{self._samples} samples" if self._samples else ""
        return " and ".join(part for part in (self._claim, samples) if part) or "some interleavings"

    def take(self, done: Done) -> bool:
        """Take the next chunk in order; True when nothing after it matters."""
        chunk = self._chunks[done.number]
        if done.failure is not None:
            return True
        if chunk.kind in _RANDOM:
            self._samples += done.executions
            return False
        stage = (chunk.kind, chunk.bound)
        parts = self._parts.setdefault(stage, [])
        parts.append(done)
        if len(parts) == sum((other.kind, other.bound) == stage for other in self._chunks) and all(p.complete for p in parts):
            refused = any(part.refused for part in parts)
            self._claim = covered(True, chunk.bound if refused else None)
            self.complete = not refused
        return self.complete


class _Pool:
    """Those that do the work: an executor, and with ``apart`` a process for each piece on it."""

    def __init__(self, executor: Executor, apart: bool) -> None:
        self._executor = executor
        self._apart = apart

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have one of this module's functions called."""
        if self._apart:
            return self._executor.submit(apart_from, function, *arguments)
        return self._executor.submit(function, *arguments)

    def finished(self, waiting: Iterable[Future[Any]]) -> Iterable[Future[Any]]:
        """Wait until something is done; what is."""
        if isinstance(self._executor, Crew):
            return self._executor.wait(list(waiting))
        while not (found := wait(waiting, LOOK_SECONDS, FIRST_COMPLETED).done):
            board.tick()
        return found

    def outcome(self, number: int, future: Future[Any]) -> Done:
        """What came of a chunk."""
        try:
            return replace(from_record(Done, to_record(future.result())), number=number)
        except Ended as error:
            return _ended(number, error.ending)

    def plan(self, program: Named, executions: int, seed: int, options: Options) -> list[Chunk] | Done:
        """The chunks; what came of it instead, where a schedule that is run for the plan ends its process."""
        future = self.submit(planned, program, executions, seed, options)
        self.finished([future])
        try:
            found = future.result()
        except Ended as error:
            return _ended(-1, error.ending)
        return from_record(Done, found) if isinstance(found, dict) else [from_record(Chunk, to_record(one)) for one in found]


def _results(program: Named, pool: _Pool, chunks: list[Chunk], options: Options, log: _Log) -> Iterator[Done]:
    """Yield the finished chunks in order, keeping everybody busy."""
    waiting: dict[Future[dict[str, Any]], int] = {}
    todo = [chunk for chunk in chunks if chunk.number not in log.done]
    try:
        for chunk in chunks:
            while chunk.number not in log.done:
                while todo and len(waiting) < _AHEAD:
                    following = todo.pop(0)
                    waiting[pool.submit(work, program, following, options)] = following.number
                for future in pool.finished(waiting):
                    log.add(pool.outcome(waiting.pop(future), future))
            yield log.done[chunk.number]
    finally:
        for future in waiting:
            future.cancel()
