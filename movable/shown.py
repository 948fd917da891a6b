"""What comes from outside (names, messages, lines of files), as a terminal or a page may show it.

Control characters, format characters (bidirectional marks among them), line separators and surrogates are written as escapes, so
that nothing can move the cursor, turn text around or forge a line. JSON does not come through here: it escapes by itself, and
keeps everything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from movable.errors import passes

NAME_CHARACTERS = 100
"""Characters of a name that are shown."""
LINE_CHARACTERS = 400
"""Characters of a message or of a line of a file that are shown."""

SHORT, AROUND = 40, 12
"""Characters of values that are shown whole, and items shown of longer ones from where they begin to differ."""

PAGE_CHARACTERS = 4000
"""Characters of one piece of text of a page."""

_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_UNSEEN}]")
_IN_LINE = re.compile(f"[{_UNSEEN}\t\n]")
_ADDRESS = re.compile(" at 0x[0-9a-f]+")


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    short = {9: r"\t", 10: r"\n", 13: r"\r", 127: r"\u007f"}.get(number)  # the last, because JSON does not escape it
    return short or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")


def visible(text: str) -> str:
    """A text of several lines: everything but line ends and tabs that cannot be seen is escaped."""
    return text if text.isascii() and text.isprintable() else _IN_TEXT.sub(_escape, text)


def shown(what: object, most: int = LINE_CHARACTERS) -> str:
    """One line of at most about ``most`` characters; what is cut off is counted."""
    text = what if type(what) is str else said(what)
    cut = len(text) - most
    line = _IN_LINE.sub(_escape, text[:most])
    return line if cut <= 0 else f"{line}... ({cut} more characters)"


def name(what: object) -> str:
    """A name as part of a line."""
    return shown(what, NAME_CHARACTERS)


def said(what: object) -> str:
    """``str(what)``, also of things that cannot say what they are."""
    try:
        text = str(what)
        return text if type(text) is str else str.__getitem__(text, slice(None))  # without what a class of its own says of it
    except BaseException as error:
        if passes(error):
            raise
        return f"({type(what).__name__} that cannot be shown: its __str__ raises {type(error).__name__})"


def many(count: int, what: str) -> str:
    """"1 page", "2 pages"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def first_line(what: object) -> str:
    """The first line of what an error says, "" where it says nothing."""
    return next(iter(said(what).splitlines()), "")


def literal(what: object, most: int = NAME_CHARACTERS) -> str:
    """``repr(what)`` in a line, also of things whose ``repr`` raises; without addresses of objects, which differ each time."""
    try:
        text = repr(what)
        return shown(text if type(what) in (str, bytes) else _ADDRESS.sub("", text), most)
    except BaseException as error:
        if passes(error):
            raise
        return f"a {type(what).__name__} whose __repr__ raises {type(error).__name__}"


def common_prefix(one: object, two: object) -> int:
    """How many items, bytes or characters two values begin with that are the same."""
    try:
        pairs: Any = zip(one, two, strict=False)  # type: ignore[call-overload]
    except TypeError:
        return 0
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def apart(found: object, expected: object) -> tuple[str, str]:
    """Two values that are not equal, in words: whole where both are short, else from where they begin to differ."""
    one, two = literal(found, PAGE_CHARACTERS), literal(expected, PAGE_CHARACTERS)
    sized = type(found) is type(expected) and isinstance(found, bytes | str | tuple | list)
    if max(len(one), len(two)) <= SHORT or not sized:
        return one, two
    at = common_prefix(found, expected)
    where = "byte" if isinstance(found, bytes) else "character" if isinstance(found, str) else "item"
    parts: list[Any] = [found, expected]
    shown_parts = [literal(part[at : at + AROUND]) + ("..." if len(part) > at + AROUND else "") for part in parts]
    lengths = "" if len(parts[0]) == len(parts[1]) else f" ({len(parts[0])} and not {len(parts[1])} long)"
    return f"{shown_parts[0]} from {where} {at} on{lengths}", f"{shown_parts[1]} there"


def in_html(what: object, most: int = PAGE_CHARACTERS) -> str:
    """What may stand in an HTML or SVG page as text or as an attribute; line ends stay."""
    import html  # here: it is for pages only, and its table of names takes its time

    text = what if isinstance(what, str) else said(what)
    cut = len(text) - most
    return html.escape(visible(text[:most])) + (f"... ({cut} more characters)" if cut > 0 else "")


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --paper: #fff; --ink: #1a1d21; --soft: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e8eaed; --soft: #1e2327; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
"""


def html_page(title: str, body: str, style: str = "") -> str:
    """A whole page, which needs no network and fits a phone; ``title`` is plain text, ``body`` HTML, ``style`` more CSS."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{in_html(title)}</title><style>{_STYLE}{style}</style></head>\n<body>{body}</body></html>\n"
    )


STANDARD_OUTPUT = "standard output"
"""The name of the file in errors of that stream."""


class VisibleStream:
    """A stream to people: text that is written to it is made visible. ``stream`` is the one below; its errors have a ``name``."""

    def __init__(self, stream: Any, name: str = "") -> None:
        self.stream = stream
        self._name = name or None

    def write(self, text: str) -> int:
        """As of any stream."""
        try:
            self.stream.write(visible(text))
        except OSError as error:
            error.filename = self._name
            raise
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        try:
            self.stream.flush()
        except OSError as error:
            error.filename = self._name
            raise

    def writelines(self, lines: Iterable[str]) -> None:
        """As of any stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def below(stream: Any) -> Any:
    """The stream itself, for who draws on a terminal and puts nothing on it that came from outside."""
    return stream.stream if isinstance(stream, VisibleStream) else stream


@contextmanager
def visible_streams() -> Iterator[None]:
    """Standard output and standard error show what they are given; as they were afterwards."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = VisibleStream(below(before[0]), STANDARD_OUTPUT), VisibleStream(below(before[1]), "standard error")
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
