"""The table of ``free``, in any language, with its header or without, in each unit that it can be asked for."""

from __future__ import annotations

import re

from movable.explain.material import Figure, Material
from movable.explain.paste import Line

SIZE = re.compile(r"([-+]?\d+(?:[.,]\d+)?)([KMGTP]?)i?B?", re.IGNORECASE)
_UNIT = re.compile(r"\bfree\s.*?-\w*([bmg])")
_COMMAND = re.compile(r"\bfree(?:\s+-\S+)*\s*$")
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?(?:[KMGTP]i?)?B?"
_ROW = re.compile(rf"\s*(-/\+ \S[^:\d]{{2,24}}|[^\W\d][^:\d]{{1,24}}?)\s?[:：]((?:\s+{_NUMBER})+)\s*", re.IGNORECASE)
MEM = "Mem", "Mem.", "Speicher", "Память", "Пам'ять", "Pamięć", "Paměť", "内存", "記憶體", "메모리", "Μνήμη", "Bellek"
SWAP = (
    "Swap", "Auslager", "Подкачка", "Partition d'échange", "Échange", "Inter", "Wymiana",
    "Odkládací prostor", "交换", "置換", "스왑", "Takas",
)  # fmt: skip
OTHERS = ("Total", "Low", "High")
_NEW = ["total", "used", "free", "shared", "buff/cache", "available"]
_OLD = ["total", "used", "free", "shared", "buffers", "cached"]


def kb(word: str, unit: str) -> float:
    """kB of a size as ``free`` prints it; a number without a unit has ``unit``."""
    found = SIZE.fullmatch(word)
    assert found is not None
    return float(found[1].replace(",", ".")) * 1024.0 ** ("BKMGTP".index((found[2] or unit).upper()) - 1)


def columns(line: Line) -> list[str]:
    """The columns that a header names, in the words that are known here; empty for another line."""
    words = line.text.split()
    if {"total", "used", "free"} <= set(words):
        return words
    if line.place or _COMMAND.search(line.hint) is None or not 3 <= len(words) <= 7 or any(word[-1].isdigit() for word in words):
        return []
    return _NEW if len(words) < 7 else [*_NEW[:4], "buffers", "cache", "available"]  # another language


def row(line: Line, names: list[str], material: Material) -> bool:
    """Whether the line is a row of the table; without a header (``names`` is empty) its numbers say which columns they are."""
    found = _ROW.fullmatch(line.text)
    which = "" if found is None else _which(found[1].strip())
    if found is None or not which or (not names and which in OTHERS):
        return False
    flag = _UNIT.search(line.hint)
    numbers = [kb(word, flag[1].upper() if flag is not None else "K") for word in found[2].split()]
    if not names:
        if len(numbers) not in (3, 6) or numbers[1] + numbers[2] > numbers[0] * 1.02:
            return False
        whole = abs(numbers[0] - numbers[1] - numbers[2]) * 50 <= numbers[0]  # older ones count the cache as used
        names = _OLD if whole else _NEW
    elif which[0] == "-":
        names = ["used", "free"]
    material.figures.append(Figure(line, "free", which, dict(zip(names, numbers, strict=False))))
    return True


def _which(label: str) -> str:
    if label in MEM or label in SWAP:
        return "Mem" if label in MEM else "Swap"
    return label if label in OTHERS or label == "-/+ buffers/cache" else ""
