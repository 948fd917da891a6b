"""Puts programs together: first a fixed matrix, then programs drawn at random in a few styles.

The matrix meets every operation, every fault and every hostile method with growth, movement and shrinking. Programs drawn at random
from all that there is visit only the middle of a driver: it is never full, never empty again, never old. So each has a style:
a mix of everything; a *swarm* (Groce et al., ISSTA 2012: a random subset of the steps, with few different arguments, so that the
same things are done again and again); filling until something is full, then emptying, then filling again; and a long life.

The same seed gives the same programs, in every Python and with every version of Hypothesis (values.py).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from movable.workload.action import FAULTS, MODES, TARGETS
from movable.workload.program import Program, Step
from movable.workload.values import Values, drawing
from movable.workload.workload import NEWEST, Handle, Workload

MAX_MIXED_STEPS = 40
"""Steps of the longest program that is a mix of everything."""
LONG_LIFE_STEPS = (100, 180)
"""Steps of a long life."""
FILL_SIZES = (4, 8, 9, 16, 24, 40, 72)
"""How often something is put in, in a program that fills: few drivers say how much fits."""
CHANCE_OF_A_TARGET = 0.75
"""How often a fault is followed by a step that it can strike."""
CHANCE_OF_A_REPEAT = 0.3
"""How often a step of a swarm is done again at once."""
STEPS_OF_A_KIND = 100
"""How many steps of each kind `steps_by_kind` draws."""
MAX_DIFFERENT_ARGUMENTS = 3
"""Different arguments of an operation in a program that repeats itself."""
MAX_ROLES = 3
"""Operations that the matrix uses for growing, and for shrinking."""
ISOLATING = ("isolate", "migrate", "migrate anyhow", "finish")
MODES_OF_ISOLATION = (0, 4, 8, 12)

CORE: dict[str, tuple[float, Callable[[random.Random], Step]]] = {
    "isolate": (1, lambda rng: ("isolate", rng.randrange(8), rng.choice(MODES_OF_ISOLATION))),
    "finish": (1, lambda rng: ("finish", rng.choice(MODES), rng.choice(TARGETS))),
    "give_back": (1, lambda rng: ("give_back",)),
    "migrate anyhow": (2, lambda rng: ("migrate", rng.randrange(8), rng.choice(MODES), rng.choice(TARGETS))),
    "migrate": (1, lambda rng: ("migrate", rng.randrange(8), 2, "any")),
    "compact": (1, lambda rng: ("compact",)),
    "contig": (1, lambda rng: ("contig", rng.randrange(8), rng.choice((0, 0, 1, 2)))),
    "offline": (1, lambda rng: ("offline", rng.randrange(8), rng.choice((0, 0, 1, 2)))),
    "fragment": (1, lambda rng: ("fragment", rng.randint(1, 24))),
    "fault": (2, lambda rng: ("fault", rng.choice(FAULTS), rng.randint(1, 3))),
    "work": (1, lambda rng: ("work", rng.choice((0, 1, 2)))),
    "leave": (0.5, lambda rng: ("leave", rng.randrange(4))),
    "strange": (0.3, lambda rng: ("strange", rng.randrange(8))),
}
"""Steps that are no operation of the driver: how often one is wanted, and what draws it."""
RARE_IN_A_LONG_LIFE = ("offline", "contig", "fragment", "strange", "leave")


@dataclass(slots=True)
class Roles:
    """What operations have done so far to the number of things that a driver holds: who runs the programs notes it here.

    ``grown`` and ``shrunk`` count how often an operation made it more, and less.
    """

    grown: Counter[str] = field(default_factory=Counter)
    shrunk: Counter[str] = field(default_factory=Counter)

    def growing(self, workload: type[Workload]) -> list[str]:
        """Operations that put something in, the one that does most often first; before any ran, those that need no handle."""
        return self._best(self.grown) or [name for name, one in workload.operations().items() if not one.needs_handle]

    def shrinking(self, workload: type[Workload]) -> list[str]:
        """Operations that take something out; before any ran, those that need a handle."""
        return self._best(self.shrunk) or [name for name, one in workload.operations().items() if one.needs_handle]

    @staticmethod
    def _best(counts: Counter[str]) -> list[str]:
        return sorted(counts, key=lambda name: (-counts[name], name))


class Steps:
    """Draws steps for one workload."""

    def __init__(self, workload: type[Workload], seed: int | str) -> None:
        self.workload = workload
        self.operations = workload.operations()
        self.values = Values(seed)
        self.rng = self.values.random
        share = sum(weight for weight, _ in CORE.values()) / max(1, len(self.operations))
        self.weights = {f"op {name}": share for name in self.operations} | {name: weight for name, (weight, _) in CORE.items()}
        """Every second step is an operation of the driver."""

    def draw(self, kind: str) -> Step:
        """A step of a kind; ``op NAME`` is an operation."""
        if kind in CORE:
            return CORE[kind][1](self.rng)
        return self.operation(kind.removeprefix("op "))

    def operation(self, name: str) -> Step:
        """An operation with drawn arguments. Raises UsageError that names the argument whose strategy cannot be drawn from."""
        drawn = {}
        for argument, strategy in self.operations[name].arguments.items():
            if isinstance(strategy, Handle):
                drawn[argument] = self.handle()
            else:
                what = f"{self.workload.__name__}.{name}: the strategy of its argument {argument}"
                drawn[argument] = drawing(what, lambda strategy=strategy: self.values.draw(strategy))  # type: ignore[misc]
        return ("op", name, drawn)

    def handle(self) -> int:
        """The number of a handle: the oldest, one of the first, or any of many."""
        place = self.rng.random()
        return 0 if place < 0.2 else self.rng.randrange(16) if place < 0.7 else self.rng.randrange(64)


def steps_by_kind(workload: type[Workload], seed: int) -> dict[str, list[Step]]:
    """Different steps of each kind for a workload, the same for the same seed."""
    steps = Steps(workload, seed)
    drawn = {kind: [steps.draw(kind) for _ in range(STEPS_OF_A_KIND)] for kind in steps.weights}
    return {kind: list({repr(step): step for step in of_kind}.values()) for kind, of_kind in drawn.items()}


def pool(workload: type[Workload], seed: int) -> list[Step]:
    """The same in one list, kind after kind."""
    return [step for steps in steps_by_kind(workload, seed).values() for step in steps]


def programs(workload: type[Workload], seed: int, roles: Roles | None = None) -> Iterator[Program]:
    """Programs without end: the matrix, then styles in turn, of which the short ones begin short.

    ``roles`` may be filled in meanwhile; without it, who grows and who shrinks is guessed. They take turns with
    the workload's variants.
    """
    for variant, program in _programs(Steps(workload, seed), roles or Roles()):
        yield (("variant", variant), *program) if variant else tuple(program)


def _programs(steps: Steps, roles: Roles) -> Iterator[tuple[int, list[Step]]]:
    """Programs with the number of their variant: the first one sees the whole matrix, the others a part each.

    What no fault strikes comes first; then programs of the matrix and others take turns, so that few programs are a mixture too.
    """
    variants = len(steps.workload.variants)
    for count, program in enumerate([*scouts(steps), *matrix(steps, roles, [None])]):
        yield count % variants, program
    yield 0, _taken(steps.workload, roles)
    count = 0
    for number, program in enumerate(_struck(steps, roles)):
        yield 0, program
        if variants > 1 and number % 2:
            yield 1 + number // 2 % (variants - 1), program
        yield count // 2 % variants, STYLES[count % len(STYLES)](steps, roles, count)
        count += 1
    while True:
        yield count // 2 % variants, STYLES[count % len(STYLES)](steps, roles, count)
        count += 1


# --- the matrix ---


def scouts(steps: Steps) -> Iterator[list[Step]]:
    """Each operation a few times, so that it is known who grows."""
    growing = Roles().growing(steps.workload)
    for name in steps.operations:
        before = [steps.operation(one) for one in growing for _ in range(2)]
        yield [*before, *(steps.operation(name) for _ in range(3)), ("migrate", 0, 2, "any"), steps.operation(name)]


def _taken(workload: type[Workload], roles: Roles) -> list[Step]:
    """Growth where somebody else has every slot of operations; the draws of other programs do not change by it."""
    steps = Steps(workload, 0)
    return [("taken",), *(steps.operation(name) for name in roles.growing(workload)[:MAX_ROLES]), ("migrate", 0, 2, "any")]


def _struck(steps: Steps, roles: Roles) -> Iterator[list[Step]]:
    """The matrix of every fault and every hostile method, those first that strike growth from nothing."""
    faults: list[Step | None] = [("fault", kind, 1) for kind in FAULTS if kind != "hostile"]
    faults += [("fault", kind, 2) for kind in ("alloc", "reenter")]
    faults += [("fault", "hostile", number + 1) for number in range(min(16, len(steps.workload.hostile)))]
    for fault in faults:  # before anything is there, growth has most to set up
        for name in roles.growing(steps.workload)[:MAX_ROLES]:
            assert fault is not None
            yield [fault, steps.operation(name), fault, steps.operation(name), ("migrate", 0, 2, "any")]
    yield from matrix(steps, roles, faults)


MOVING: tuple[tuple[Step, ...], ...] = (
    (("migrate", 0, 2, "any"),),
    (("migrate", 0, 3, "any"),),
    (("migrate", 1, 0, "node"),),
    (("migrate", 0, 2, "locked"),),
    (("migrate", 0, 2, "none"),),
    (("isolate", 0, 8), ("give_back",)),
    (("compact",),),
    (("offline", 0, 0),),
)
"""Ways to move a page, or to come back from the attempt."""


def matrix(steps: Steps, roles: Roles, faults: list[Step | None]) -> Iterator[list[Step]]:
    """Every one of ``faults`` (None: nothing strikes), times growing, moving and shrinking."""
    growing = roles.growing(steps.workload)[:MAX_ROLES]
    shrinking = roles.shrinking(steps.workload)[:MAX_ROLES]
    for fault in faults:
        operations = [] if fault is not None and fault[1] == "locked" else [*growing, *shrinking]
        for target in (*MOVING, *((steps.operation(name),) for name in operations)):
            struck = list(target) if fault is None else [fault, *target]
            before = [steps.operation(name) for name in growing for _ in range(3)]
            after = [steps.operation(name) for name in (*shrinking[:1], *growing[:1])]
            yield [*before, *struck, *struck, ("migrate", 0, 2, "any"), *after]


# --- styles ---


def mix(steps: Steps, roles: Roles, count: int) -> list[Step]:
    """Everything, with any arguments. A fault lasts for one step, so that mostly one comes next which it can strike."""
    operations = [kind for kind in steps.weights if kind.startswith("op ")]
    found: list[Step] = []
    longest = min(MAX_MIXED_STEPS, 6 + count)
    for kind in steps.rng.choices(list(steps.weights), list(steps.weights.values()), k=steps.rng.randint(1, longest)):
        found.append(steps.draw(_after_fault(steps, found, kind, operations)))
    return found


def _after_fault(steps: Steps, found: list[Step], kind: str, operations: list[str]) -> str:
    if not found or found[-1][0] != "fault" or steps.rng.random() >= CHANCE_OF_A_TARGET:
        return kind
    return steps.rng.choice(list(ISOLATING) if found[-1][1] == "locked" else operations or [kind])


class FewArguments:
    """Draws operations whose arguments repeat: MAX_DIFFERENT_ARGUMENTS different ones of each, or any at all."""

    def __init__(self, steps: Steps, narrow: bool) -> None:
        self.steps = steps
        self.narrow = narrow
        self.kept: dict[str, list[Step]] = {}

    def operation(self, name: str) -> Step:
        """One operation."""
        if not self.narrow:
            return self.steps.operation(name)
        kept = self.kept.setdefault(name, [])
        if len(kept) < MAX_DIFFERENT_ARGUMENTS:
            kept.append(self.steps.operation(name))
        name, drawn = self.steps.rng.choice(kept)[1:]
        handles = {key for key, kind in self.steps.operations[name].arguments.items() if isinstance(kind, Handle)}
        return ("op", name, {key: self.steps.handle() if key in handles else value for key, value in drawn.items()})

    def draw(self, kind: str) -> Step:
        """A step of any kind."""
        return self.operation(kind.removeprefix("op ")) if kind.startswith("op ") else self.steps.draw(kind)


def swarm(steps: Steps, roles: Roles, count: int) -> list[Step]:
    """A random subset of the steps, with few arguments, and runs of one and the same."""
    rng = steps.rng
    operations = [kind for kind in steps.weights if kind.startswith("op ")]
    grow = [f"op {name}" for name in roles.growing(steps.workload)]
    chosen = {kind for kind in operations if rng.random() < 0.5} | ({rng.choice(grow)} if grow else set())
    chosen |= {kind for kind in CORE if rng.random() < 0.4}
    weights = {kind: weight for kind, weight in steps.weights.items() if kind in chosen} or {"compact": 1.0}
    few = FewArguments(steps, rng.random() < 0.7)
    found: list[Step] = []
    length = rng.randint(4, min(MAX_MIXED_STEPS, 10 + count))
    while len(found) < length:
        kind = rng.choices(list(weights), list(weights.values()))[0]
        step = few.draw(_after_fault(steps, found, kind, [kind for kind in operations if kind in chosen]))
        found.append(step)
        while step[0] in ("op", "migrate") and len(found) < length and rng.random() < CHANCE_OF_A_REPEAT:
            found.append(step)
    return found


def fill(steps: Steps, roles: Roles, count: int) -> list[Step]:
    """Fill until something is full, empty again, and fill a second time, with moves in between."""
    rng = steps.rng
    growing, shrinking = roles.growing(steps.workload), roles.shrinking(steps.workload)
    if not growing:
        return mix(steps, roles, count)
    few = FewArguments(steps, rng.random() < 0.6)
    grow = rng.choice(growing[:MAX_ROLES])
    shrink = rng.choice(shrinking[:MAX_ROLES]) if shrinking else ""
    full = rng.choice(FILL_SIZES[: 3 + count // 16])
    order = rng.choice(("oldest", "newest", "any"))
    found: list[Step] = []
    for again in range(2):
        found += (few.operation(grow) for _ in range(full if not again else rng.choice((1, full // 2 + 1, full))))
        found += _stir(steps, few)
        if shrink:
            found += (_ordered(steps, few.operation(shrink), order) for _ in range(rng.choice((1, full - 1, full, full + 2))))
        found += _stir(steps, few)
    return found


def _ordered(steps: Steps, step: Step, order: str) -> Step:
    """The same step for the oldest or the newest handle."""
    if order == "any":
        return step
    number = 0 if order == "oldest" else NEWEST
    kinds = steps.operations[step[1]].arguments
    return ("op", step[1], {key: number if isinstance(kinds[key], Handle) else value for key, value in step[2].items()})


def _stir(steps: Steps, few: FewArguments) -> list[Step]:
    """One to four steps of moving, under a fault now and then, and of any operation."""
    found: list[Step] = []
    for _ in range(steps.rng.randint(1, 4)):
        kind = steps.rng.choice(("migrate", "migrate", "migrate anyhow", "isolate", "give_back", "compact", "fault", "op", "work"))
        found.append(few.draw(f"op {steps.rng.choice(list(steps.operations))}" if kind == "op" else kind))
    return found


def long_life(steps: Steps, roles: Roles, count: int) -> list[Step]:
    """Many steps in the life of one driver: mostly a few operations, now and then a move."""
    rng = steps.rng
    few = FewArguments(steps, rng.random() < 0.5)
    chosen = [kind for kind in steps.weights if kind.startswith("op ") and rng.random() < 0.7]
    chosen += [f"op {name}" for name in roles.growing(steps.workload)[:1]]
    quiet = [kind for kind in CORE if kind not in RARE_IN_A_LONG_LIFE]
    found: list[Step] = []
    for _ in range(rng.randint(*LONG_LIFE_STEPS)):
        kind = rng.choice(chosen) if chosen and rng.random() < 0.8 else rng.choice(quiet)
        found.append(few.draw(kind))
    return found


STYLES = (
    mix, swarm, fill, mix, swarm, mix, swarm, fill, mix, swarm, mix, swarm, fill, mix, swarm, mix, swarm, fill, mix, long_life,
)  # fmt: skip
"""The styles in turn."""


def shrink(program: Program, fails: Callable[[Program], bool], limit: int = 400) -> Program:
    """The smallest part found of ``program`` that still fails: ever smaller runs of steps go, in ``limit`` trials at most."""
    trials = 0
    size = max(1, len(program) // 2)
    while trials < limit:
        at = 0
        shorter = False
        while at < len(program) and trials < limit:
            candidate = program[:at] + program[at + size :]
            trials += 1
            if fails(candidate):
                program, shorter = candidate, True
            else:
                at += size
        if size > 1:
            size //= 2
        elif not shorter:
            break
    return program
