"""Values from Hypothesis strategies, drawn by a seeded generator of our own.

Hypothesis itself draws other values when another version of it is installed, or other modules are loaded (it mixes in the constants
of their code). A certificate must not depend on either. So the strategies that Hypothesis documents are read here by the arguments
they were made with, and drawn from ``random.Random``, which is the same in every Python. What is not known here is drawn by
Hypothesis, with its constants of modules left out.
"""

from __future__ import annotations

import random
import string
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from movable.boundary import place_of
from movable.errors import UsageError
from movable.shown import said

MAX_TRIES = 200
"""How often a value is drawn again because a filter, or ``assume``, refused it."""
HYPOTHESIS_DRAWS = 50
"""Values that Hypothesis draws of a strategy that is not known here; more are not made."""
MAX_ELEMENTS = 16
"""Elements, bytes or characters of the longest value where the strategy sets no limit."""
WIDE_RANGE = 1 << 16
"""Whole numbers are mostly below this where the strategy sets no limit."""
LETTERS = string.ascii_letters + string.digits + " .-_/\n\x00\u00e9\u03bb\u4e2d\U0001f600"


class Refused(Exception):
    """A filter refused what was drawn."""


class Unknown(Exception):
    """A strategy that is not known here."""


class Values:
    """Draws values. ``simplest`` gives the smallest value of each strategy in place of a random one."""

    def __init__(self, seed: int | str, simplest: bool = False) -> None:
        self.random = random.Random(seed)
        self.simplest = simplest
        self._seed = seed
        self._by_hypothesis: dict[int, tuple[Any, list[Any]]] = {}

    def draw(self, strategy: Any) -> Any:
        """One value. Raises UsageError for a strategy that gives none."""
        simplest = self.simplest
        try:
            for _ in range(MAX_TRIES):
                try:
                    return self._draw(strategy)
                except Refused:
                    self.simplest = False  # the smallest is refused; any that is not will do
        except Unknown:
            return self._from_hypothesis(strategy)
        finally:
            self.simplest = simplest
        raise UsageError(f"{said(strategy)[:100]} gave no value in {MAX_TRIES} tries; its filters leave next to nothing")

    def _draw(self, strategy: Any) -> Any:
        kind = type(strategy).__name__
        if kind == "LazyStrategy":
            value = self._draw_lazy(strategy)
        elif kind in _DIRECT:
            value = _DIRECT[kind](self, strategy)
        else:
            raise Unknown
        for method, function, *_ in getattr(strategy, "_transformations", ()):
            if method == "map":
                value = function(value)
            elif not function(value):
                raise Refused
        return value

    def _draw_lazy(self, strategy: Any) -> Any:
        function = strategy.function
        arguments = strategy._LazyStrategy__args
        options = strategy._LazyStrategy__kwargs
        draw = _LAZY.get(function.__name__) if function.__module__.startswith("hypothesis.") else None
        if draw is not None:
            return draw(self, *arguments, **options)
        wrapped = strategy.wrapped_strategy
        if type(wrapped).__name__ == "CompositeStrategy":
            return self._composite(wrapped)
        raise Unknown

    # --- pieces ---

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``: the ends and small numbers more often than others."""
        if self.simplest:
            return min(max(low, 0), high) if low <= 0 <= high or low > 0 else high
        place = self.random.random()
        if place < 0.1:
            return low
        if place < 0.2:
            return high
        if place < 0.3:
            return min(high, max(low, self.random.choice((0, 1, 2)) + low))
        if place < 0.4 and high - low > 64:
            bits = self.random.randrange((high - low).bit_length())
            return min(high, max(low, low + (1 << bits) + self.random.choice((-1, 0, 1))))
        return self.random.randint(low, high)

    def size(self, least: int, most: int | None) -> int:
        """How many elements: few of them more often than many."""
        end = max(least, MAX_ELEMENTS) if most is None else int(most)
        if self.simplest or least == end:
            return least
        place = self.random.random()
        if place < 0.15:
            return least
        if place < 0.3:
            return end
        if place < 0.6:
            return self.random.randint(least, min(end, least + 4))
        return self.random.randint(least, end)

    def one(self, elements: Sequence[Any]) -> Any:
        """One of several."""
        if not elements:
            raise Refused
        return elements[0] if self.simplest else elements[self.random.randrange(len(elements))]

    def several(self, element: Any, least: int, most: int | None, key: Callable[[Any], Any] | None) -> list[Any]:
        """A list, without two elements that ``key`` cannot tell apart."""
        wanted = self.size(least, most)
        found: list[Any] = []
        seen: list[Any] = []
        for _ in range(wanted * 10 + 10):
            if len(found) >= wanted:
                break
            value = self.draw(element)
            if key is not None:
                if key(value) in seen:
                    continue
                seen.append(key(value))
            found.append(value)
        if len(found) < least:
            raise Refused
        return found

    def _composite(self, strategy: Any) -> Any:
        from hypothesis.errors import HypothesisWarning, UnsatisfiedAssumption

        def draw(inner: Any, label: object = None) -> Any:
            return self.draw(inner)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # assume() is at home in tests
            try:
                return strategy.definition(draw, *strategy.args, **strategy.kwargs)
            except UnsatisfiedAssumption:
                raise Refused from None

    def _from_hypothesis(self, strategy: Any) -> Any:
        kept = self._by_hypothesis.get(id(strategy))
        if kept is None:
            kept = self._by_hypothesis[id(strategy)] = (strategy, by_hypothesis(strategy, self._seed))
        if not kept[1]:
            raise Refused
        return self.one(kept[1])


def by_hypothesis(strategy: Any, seed: int | str, draws: int = HYPOTHESIS_DRAWS) -> list[Any]:
    """Values that Hypothesis draws, its simplest first."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import HypothesisWarning

    drawn: list[Any] = []

    @seeded(str(seed))
    @settings(max_examples=draws, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def note(value: Any) -> None:
        drawn.append(value)

    with warnings.catch_warnings(), _no_constants_of_modules():
        warnings.simplefilter("ignore", HypothesisWarning)
        note()
    return drawn


@contextmanager
def _no_constants_of_modules() -> Iterator[None]:
    """Hypothesis mixes in constants of the modules that are loaded, from version 6.131 on; not here."""
    try:
        from hypothesis.internal.conjecture import providers as internal

        providers: Any = internal
        constants = providers.Constants
        kept = providers._get_local_constants
    except (ImportError, AttributeError):
        yield
        return
    providers._get_local_constants = lambda: constants()
    try:
        yield
    finally:
        providers._get_local_constants = kept


# --- strategies by the function that makes them, with its own arguments ---


def _integers(values: Values, min_value: int | None = None, max_value: int | None = None) -> int:
    if min_value is not None and max_value is not None:
        return values.whole(int(min_value), int(max_value))
    if min_value is not None:
        return values.whole(int(min_value), int(min_value) + WIDE_RANGE)
    if max_value is not None:
        return values.whole(int(max_value) - WIDE_RANGE, int(max_value))
    number = values.whole(0, WIDE_RANGE)
    return number if values.simplest or values.random.random() < 0.5 else -number


def _booleans(values: Values) -> bool:
    return False if values.simplest else values.random.random() < 0.5


def _binary(values: Values, min_size: int = 0, max_size: int | None = None) -> bytes:
    size = values.size(min_size, max_size)
    if values.simplest:
        return bytes(size)
    place = values.random.random()
    if place < 0.1:
        return bytes([values.random.choice((0, 0xFF))]) * size
    if place < 0.25:
        return bytes([values.random.randrange(1, 256)]) * size
    return bytes(values.random.randrange(256) for _ in range(size))


def _text(values: Values, alphabet: Any = None, min_size: int = 0, max_size: int | None = None) -> str:
    size = values.size(min_size, max_size)
    if alphabet is None or (isinstance(alphabet, Sequence) and not hasattr(alphabet, "validate")):
        letters = alphabet or ("0" if values.simplest else LETTERS)
        return "".join(values.one(letters) for _ in range(size))
    return "".join(values.draw(alphabet) for _ in range(size))


def _characters(values: Values, **limits: Any) -> str:
    if any(value is not None for name, value in limits.items() if name != "codec") or limits.get("codec") not in (None, "utf-8"):
        raise Unknown
    return "0" if values.simplest else str(values.one(LETTERS))


def _floats(values: Values, min_value: float | None = None, max_value: float | None = None, **limits: Any) -> float:
    if limits.get("width", 64) != 64 or limits.get("exclude_min") or limits.get("exclude_max"):
        raise Unknown
    low = -1e3 if min_value is None and (max_value is None or max_value > -1e3) else min_value
    low = float(max_value or 0) * 2 if low is None else float(low)
    high = float(max(low, 1e3) if max_value is None else max_value)
    if values.simplest:
        return min(max(low, 0.0), high)
    place = values.random.random()
    if place < 0.25:
        return float(values.one([low, high, *(value for value in (0.0, 0.5, 1.0) if low <= value <= high)]))
    return low + (high - low) * values.random.random()


def _sampled_from(values: Values, elements: Any) -> Any:
    return values.one(list(elements))


def _lists(
    values: Values, elements: Any, *, min_size: int = 0, max_size: int | None = None, unique_by: Any = None, unique: bool = False
) -> list[Any]:
    if isinstance(unique_by, tuple):
        raise Unknown
    return values.several(elements, min_size, max_size, unique_by or ((lambda value: value) if unique else None))


def _sets(values: Values, elements: Any, *, min_size: int = 0, max_size: int | None = None) -> set[Any]:
    return set(values.several(elements, min_size, max_size, lambda value: value))


def _dictionaries(values: Values, keys: Any, strategy: Any, **limits: Any) -> Any:
    if limits.get("dict_class", dict) is not dict:
        raise Unknown
    found = values.several(keys, limits.get("min_size", 0), limits.get("max_size"), lambda value: value)
    return {key: values.draw(strategy) for key in found}


def _fixed_dictionaries(values: Values, mapping: Mapping[Any, Any], *, optional: Mapping[Any, Any] | None = None) -> dict[Any, Any]:
    found = {key: values.draw(strategy) for key, strategy in mapping.items()}
    for key, strategy in (optional or {}).items():
        if not values.simplest and values.random.random() < 0.5:
            found[key] = values.draw(strategy)
    return found


def _builds(values: Values, target: Any, *arguments: Any, **options: Any) -> Any:
    if any(not hasattr(strategy, "validate") for strategy in (*arguments, *options.values())):
        raise Unknown  # arguments that Hypothesis works out from annotations
    if not arguments and not options:
        raise Unknown
    return target(*(values.draw(one) for one in arguments), **{name: values.draw(one) for name, one in options.items()})


def _permutations(values: Values, value: Any) -> list[Any]:
    found = list(value)
    if not values.simplest:
        values.random.shuffle(found)
    return found


_LAZY: dict[str, Callable[..., Any]] = {
    "integers": _integers, "booleans": _booleans, "binary": _binary, "text": _text, "characters": _characters, "floats": _floats,
    "sampled_from": _sampled_from, "lists": _lists, "sets": _sets, "dictionaries": _dictionaries, "builds": _builds,
    "fixed_dictionaries": _fixed_dictionaries, "permutations": _permutations,
    "frozensets": lambda values, *arguments, **options: frozenset(_sets(values, *arguments, **options)),
    "just": lambda values, value: value,
    "none": lambda values: None,
    "tuples": lambda values, *parts: tuple(values.draw(part) for part in parts),
    "one_of": lambda values, *parts: values.draw(values.one(parts)),
}  # fmt: skip


def _mapped(values: Values, strategy: Any) -> Any:
    return strategy.pack(values.draw(strategy.mapped_strategy))


def _filtered(values: Values, strategy: Any) -> Any:
    value = values.draw(strategy.filtered_strategy)
    if not all(condition(value) for condition in strategy.flat_conditions):
        raise Refused
    return value


def _flat_mapped(values: Values, strategy: Any) -> Any:
    base = strategy.base if hasattr(strategy, "base") else strategy.flatmapped_strategy
    return values.draw(strategy.expand(values.draw(base)))


def _recursive(values: Values, strategy: Any) -> Any:
    inner = strategy.base
    for _ in range(0 if values.simplest else values.random.randrange(4)):
        inner = strategy.base | strategy.extend(inner)
    return values.draw(inner)


_DIRECT: dict[str, Callable[[Values, Any], Any]] = {
    "SampledFromStrategy": lambda values, strategy: values.one(strategy.elements),
    "JustStrategy": lambda values, strategy: strategy.elements[0],
    "OneOfStrategy": lambda values, strategy: values.draw(values.one(strategy.original_strategies)),
    "MappedStrategy": _mapped,
    "FilteredStrategy": _filtered,
    "FlatMapStrategy": _flat_mapped,
    "DeferredStrategy": lambda values, strategy: values.draw(strategy.wrapped_strategy),
    "RecursiveStrategy": _recursive,
    "SharedStrategy": lambda values, strategy: values.draw(strategy.base),
    "CompositeStrategy": lambda values, strategy: values._composite(strategy),
}


def drawing(what: str, draw: Callable[[], Any]) -> Any:
    """``draw()``; what goes wrong in a strategy is told with its place. Raises UsageError."""
    try:
        return draw()
    except UsageError as error:
        raise UsageError(f"{what} cannot be drawn: {error}") from None
    except Exception as error:
        raise UsageError(f"{what} raises {type(error).__name__}: {said(error)}, raised at {place_of(error)}") from error
