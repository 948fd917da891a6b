"""JSON of tools that carries a kernel's text: the output of ansible, of containers' logs, of the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

TEXTS = ("MESSAGE", "stdout", "stdout_lines", "stderr", "msg", "message", "log", "output", "line", "text", "data", "content")
"""Keys whose values are text of their own; where an object has one of them, its other keys say whence it came."""
_STRING = re.compile(r'\s*(?:"([^"\\]{0,80})"\s*:\s*)?("(?:[^"\\]|\\.)*")\s*,?\s*')
_NUMBER = re.compile(r'\s*"([^"\\]{1,80})"\s*:\s*(-?\d[\d.eE+-]*)\s*,?\s*')
_OPENS = re.compile(r'\s*"[^"\\]{0,80}"\s*:\s*[\[{]\s*')
_STAMPED = re.compile(r"[^{\n]{1,200}?[\s:](?=\{\s*\"[^\"]{1,80}\"\s*:)")
_TORN = re.compile(rf'"(?:{"|".join(TEXTS)})"\s*:\s*"((?:[^"\\]|\\.)*)')
MOST_DEEP = 12
LEAST_TIME = 10  # digits of a time in seconds, or in parts of it


def without_metadata(lines: Sequence[str]) -> list[str]:
    """The lines, where single words under other keys are empty in an object over many lines that has a text of its own."""
    pairs = [_STRING.fullmatch(line) if '": "' in line else None for line in lines]
    if not any(pair is not None and pair[1] in TEXTS for pair in pairs):
        return list(lines)
    return [
        "" if pair is not None and pair[1] and pair[1] not in TEXTS and " " not in pair[2] else line
        for line, pair in zip(lines, pairs, strict=True)
    ]


def texts(line: str) -> list[str] | None:
    """The texts in a line of JSON: a string, a key with its value, or a whole object. None where the line is no JSON."""
    bare = line.strip()
    stamped = _STAMPED.match(bare) if '{"' in bare or '{ "' in bare else None
    if stamped is not None:  # a logger's own stamp
        return texts(bare[stamped.end() :])
    bare = bare[2:] if bare.startswith('- "') else bare  # an item of YAML
    if bare[:1] not in ('"', "{", "[") or len(bare) < 2:
        return None
    if bare[0] == '"':
        return _part(bare)
    if '"' not in bare:
        return None
    if bare.rstrip(",")[-1:] in ("}", "]"):
        try:
            return list(_walk(json.loads(bare.rstrip(",")), "", MOST_DEEP)) or None
        except (ValueError, RecursionError):
            pass
    return _torn(bare) if bare[0] == "{" else None


def _torn(bare: str) -> list[str] | None:
    """The texts of an object whose end was cut off, as far as they go."""
    found: list[str] = []
    for text in _TORN.findall(bare):
        try:
            found += str(json.loads(f'"{text}"', strict=False)).split("\n")
        except ValueError:
            return None
    return found or None


def _part(bare: str) -> list[str] | None:
    """A line of an object that was printed over many lines."""
    if _OPENS.fullmatch(bare):
        return []
    number, string = _NUMBER.fullmatch(bare), _STRING.fullmatch(bare)
    if number is not None:
        return [f"{number[1]}: {number[2]}"]
    if string is None:
        return None
    try:
        value = str(json.loads(string[2], strict=False))
    except ValueError:
        return None
    return _keyed(string[1] or "", value)


def _keyed(key: str, value: str) -> list[str]:
    found = value.split("\n")
    return found if not key or key in TEXTS or len(found) > 1 else [f"{key}: {value}"]


def _walk(value: object, key: str, deep: int) -> Iterator[str]:
    if deep == 0:
        return
    if isinstance(value, dict):
        carried = [name for name in value if name in TEXTS and isinstance(value[name], str | list)]
        carried = carried or [name for name in value if _carries(value[name], deep - 1)]
        for name in carried or value:
            if not (name == "stdout_lines" and "stdout" in carried):  # the same twice
                yield from _walk(value[name], str(name), deep - 1)
    elif isinstance(value, list):
        if value and all(_is_timed(one) for one in value):
            value = [text for _, text in sorted(value, key=lambda one: int(one[0]))]
        for one in value:
            yield from _walk(one, "" if isinstance(one, str) else key, deep - 1)
    elif isinstance(value, str):
        inner = texts(value) if value[:1] == "{" and key in TEXTS else None  # one shipper put it into another's
        yield from _keyed(key, value) if inner is None else inner
    elif isinstance(value, int | float) and not isinstance(value, bool) and key:
        yield f"{key}: {value}"


def _is_timed(value: object) -> bool:
    """Whether a list is a time and a text, as services give what they found."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)
    return is_pair and value[0].isdecimal() and LEAST_TIME <= len(value[0]) < 2 * LEAST_TIME  # type: ignore[index]


def _carries(value: object, deep: int) -> bool:
    """Whether a text of its own is somewhere in a value."""
    if deep == 0 or not isinstance(value, dict | list):
        return False
    if isinstance(value, list):
        return _is_timed(value) or any(_carries(one, deep - 1) for one in value)
    return any(
        (name in TEXTS and isinstance(one, str)) or _carries(one, deep - 1) for name, one in value.items()
    )  # fmt: skip
