"""Tokens with one thing changed, by a seeded generator: in their letters, in what is packed, and in what it means."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD = ["", " ", "\n", "\x00", "\x1b[31m", "\u202e", "\udc80", "é", "=", "/", "+", "%s", "🐍"]
HEADS = ["m1.", "m2.", "m3.", "m4.", "f1.", "c1.", "c2.", "M2.", "x1-", "2.", ""]
VALUES: list[Any] = [
    None, True, 0, -1, 1, 7, 255, 1 << 16, 1 << 62, -(1 << 70), 1.5, 1e308, "", "x", "op", "migrate", "__init__", "variant",
    "fault", "no such", "\x1b]0;x\x07", "x" * 5000, [], ["t"], ["l"], ["d"], ["b", "00"], ["b", "0"], ["b", 3], ["i", "0xff"],
    ["i", "z"], ["i", "f" * 20000], ["n", "nan"], ["n", "what"], ["s", ["l"]], ["d", "a"], ["d", ["l"], 1], ["q", 1],
    [1, 2], {}, {"a": 1},
]  # fmt: skip


def pack(head: str, text: str) -> str:
    """A token of any text."""
    return head + base64.urlsafe_b64encode(zlib.compress(text.encode(errors="surrogatepass"), 1)).decode().rstrip("=")


def unpack(token: str) -> Any:
    """The JSON of a token."""
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(token[3:] + "=" * (-len(token[3:]) % 4))))


def letters(token: str, rng: random.Random) -> str:
    """A token with its letters changed."""
    at, to = sorted(rng.randrange(len(token)) for _ in range(2))
    change = rng.randrange(7)
    if change == 0:
        return token[:at] + rng.choice(LETTERS) + token[at + 1 :]
    if change == 1:
        return token[:at] + token[to:]
    if change == 2:
        return token[:at] + rng.choice(ODD) + token[at:]
    if change == 3:
        return token[:at]
    if change == 4:
        return token[:at] + token[at:to] * rng.randrange(2, 300) + token[to:]
    if change == 5:
        return rng.choice(HEADS) + token[3:]
    return token[:3] + "".join(rng.choice(LETTERS) for _ in range(rng.randrange(400)))


def _spots(tree: Any) -> list[tuple[list[Any], int]]:
    found = []
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            found += [(node, at) for at in range(len(node))]
            todo += node
    return found


def meaning(token: str, rng: random.Random) -> str:
    """A token whose content has one value changed, taken out, doubled, nested or moved."""
    tree = unpack(token)
    node, at = rng.choice(_spots(tree))
    change = rng.randrange(7)
    if change <= 2:
        node[at] = rng.choice(VALUES)
    elif change == 3:
        del node[at]
    elif change == 4:
        node[at:at] = [node[at]] * rng.choice([1, 2, 100])
    elif change == 5:
        for _ in range(rng.choice([1, 5, 20, 5000])):
            node[at] = ["t", node[at]]
    elif isinstance(node[at], int):
        node[at] = node[at] + rng.choice([-1, 1, 8, 100, 1 << 20, 1 << 40])
    else:
        other, there = rng.choice(_spots(tree))
        node[at] = json.loads(json.dumps(other[there]))
    return pack(token[:3], _dumps(tree))


def _dumps(tree: Any) -> str:
    """As json.dumps, for trees of any depth."""
    if not isinstance(tree, list):
        return json.dumps(tree)
    depth, node = 0, tree
    while isinstance(node, list) and len(node) == 2 and node[0] == "t":
        depth, node = depth + 1, node[1]
    if depth > 100:
        return '["t",' * depth + _dumps(node) + "]" * depth
    return "[" + ",".join(_dumps(part) for part in tree) + "]"


def content(token: str, rng: random.Random) -> str:
    """A token of other text than JSON, or of far too much of it."""
    head = rng.choice(["m3.", "m2.", "c2.", "f1."])
    text = zlib.decompress(base64.urlsafe_b64decode(token[3:] + "=" * (-len(token[3:]) % 4))).decode()
    makers: list[Callable[[], str]] = [
        lambda: "[" * rng.choice([10, 1000, 200_000]),
        lambda: "[" * 50_000 + "]" * 50_000,
        lambda: '["t",' + ",".join(["[]"] * 80_000) + "]",
        lambda: '["l",' + ",".join(['["l"]'] * 40_000) + "]",
        lambda: '["t",0,["t"' + ',["t","compact"]' * rng.choice([10, 2000, 15_000]) + "]]",
        lambda: "9" * 200_000,
        lambda: " " * (64 << 20) + text,
        lambda: '{"a":' * 5000,
        lambda: "NaN",
        lambda: text[: rng.randrange(len(text))],
        lambda: text + text,
        lambda: text.replace('"', "'"),
        lambda: "\ud800",
        lambda: "[\"i\",\"" + "f" * 250_000 + '"]',
    ]  # fmt: skip
    return pack(head, rng.choice(makers)())


def mutants(tokens: list[str], number: int, seed: int) -> Iterator[str]:
    """So many changed tokens, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(number):
        change = rng.choices([letters, meaning, content], [35, 60, 5])[0]
        yield change(rng.choice(tokens), rng)
