"""Lines as people paste them: quoted, indented, numbered, with time stamps, prompts, host names and fences; made plain again.

A reader of one kind of material looks for its own words in a line, so most of what stands before them does not matter. What is
taken away here is what would stand between a reader and the beginning of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_QUOTE = re.compile(r"^\s*(?:[>|]\s?)+")
_STAMPS = re.compile(
    r"""^\s*(?:
        <\d+>                                                     # the level of a kernel message
      | \[\s*\d+\.\d+\]                                           # dmesg
      | \[[A-Z][a-z]{2}\ [A-Z][a-z]{2}\s+\d+\ [\d:]{8}\ \d{4}\]   # dmesg -T
      | \[\s*[TC]\d+\]                                            # the caller
      | [A-Z][a-z]{2}\s+\d+\ [\d:]{8}\ \S+\ kernel:               # syslog
      | \d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)?\ (?:\S+\ )?kernel(?:\[\d+\])?:   # journal, ISO
      | (?:[\w.-]+\ )?kernel:
    )\s?""",
    re.VERBOSE,
)
_COMMAND = re.compile(
    r"^\s*(?:"
    r"\[?[\w.-]+@[\w.-]+[^#$%>]{0,80}[#$%]\s*\S"  # user@host:~#, and whatever was typed
    r"|\$\s+\w[\w./-]*(?:\s|$)"  # $ command
    r"|(?:[\w.-]{0,40}:?[~/][^\s#$%]{0,80}|\([\w.-]+\)\s*)?\s*[#$%]\s*(?:sudo\s+)?(?:\S*/)?(?:cat|head|tail|grep|egrep|zgrep|dmesg|journalctl|"
    r"echo|watch|sed|awk|numactl|numastat|zramctl|sh|bash|less|more|trace-cmd|bpftrace|(?:compactsnoop|drsnoop)(?:-bpfcc)?|compsnoop|"
    r"while|for|sleep|sysctl|tee|migratepages|perf|python3?|uname|free|date|ls|cd|diff|paste|sudo|numastat)\b"
    r"|(?:sudo\s+)?(?:cat|head|tail|grep\s+\S+)\s+/(?:proc|sys)/\S+\s*$"  # no prompt at all
    r")"
)
_GREP = re.compile(r"^(/(?:proc|sys)/[\w/.-]+):(?:\d+:)?")
_FENCE = re.compile(r"^\s*(?:```|~~~)\S*\s*$")
_ELISION = re.compile(r"^[\s\[(<-]*(?:\.{2,}|…+|snip(?:ped)?|cut|many more|etc\.?)[\s\])>-]*$", re.IGNORECASE)
LONGEST_LINE = 20_000  # characters; a longer one is listed as not understood and not looked at


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``text`` is what is left of ``raw``, ``source`` and ``number`` (from 1) say where it stood.

    ``hint`` is the file that the text is of, as far as a command, a path or the source's name told.
    """

    source: str
    number: int
    text: str
    raw: str
    hint: str = ""


def lines(source: str, text: str) -> Iterator[Line]:
    """The lines of a pasted text that say something: no fences, no blank lines, no elisions. Commands become hints."""
    hint = source.rpartition("/")[2]
    for number, raw in enumerate(_split(text), 1):
        if len(raw) > LONGEST_LINE:
            yield Line(source, number, "", raw, hint)
            continue
        plain = _plain(raw)
        if not plain.strip() or _FENCE.match(plain) or _ELISION.match(plain):
            continue
        if _COMMAND.match(plain):
            hint = plain
            continue
        named = _GREP.match(plain.lstrip())
        if named is not None:
            hint, plain = named[1], plain.lstrip()[named.end() :]
        yield Line(source, number, plain.rstrip(), raw, hint)


def _split(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _plain(raw: str) -> str:
    text = _ESCAPES.sub("", raw).replace("\u00a0", " ").replace("\t", "        ").lstrip("\ufeff\u200b")
    quote = _QUOTE.match(text)
    if quote is not None:
        text = text[quote.end() :]
    for _ in range(4):  # a level, a time, a caller, a host
        stamp = _STAMPS.match(text)
        if stamp is None:
            break
        text = text[stamp.end() :]
    return text
