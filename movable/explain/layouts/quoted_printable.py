"""Mail that was sent as quoted-printable: signs written as =3D, and lines that end with = and go on in the next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SIGN = re.compile(r"=([0-9A-F]{2})")


def unquoted(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Numbered lines (from 1), each whole; those of another text as they are."""
    if not any("=3D" in line or line.endswith("=20") for line in lines):
        yield from enumerate(lines, 1)
        return
    begun, first = "", 1
    for number, line in enumerate(lines, 1):
        first = first if begun else number
        if line.endswith("="):
            begun += line[:-1]
            continue
        yield first, _SIGN.sub(_sign, begun + line)
        begun = ""
    if begun:
        yield first, _SIGN.sub(_sign, begun)


def _sign(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if 32 <= code < 127 else found[0]
