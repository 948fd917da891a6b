"""What stands before a kernel's line in a log: levels, times, callers, hosts, quote marks, numbers of lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from movable.explain.layouts.typed import as_printed

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()*+][0-9A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|"
    r"\^\[\[[0-9;]*[A-Za-z]|\[[0-9]{1,2}(?:;[0-9]{1,2})*m"  # as less shows them, and where the escape itself was lost
)
_CHAT = re.compile(
    r"""^\s*(?:
        (?:[\[(]?(?:\d[\d./-]{5,9},?\s+)?\d{1,2}:\d\d(?::\d\d)?(?:\s?[APap]\.?[Mm]\.?)?[\])]?\s+)?
        <(?!/?(?:TASK|IRQ|NMI|SOFTIRQ|EO[IE]|\#DF|ENTRY_TRAMPOLINE)>)[@+%~& ]?[^\W\d][^<>\s]{0,31}>\s            # <nick>
      | [\[(]?(?:\d[\d./-]{5,9},?\s+)?\d{1,2}:\d\d(?::\d\d)?(?:\s?[APap]\.?[Mm]\.?)?[\])]?\s+(?:-\s+)?
        [^\W\d][\w.+-]{0,30}(?:\s[\w.+-]{1,30}){0,2}(?::|\s+[|\u2502])\s
        (?=[a-z][a-z\d_]+[\s:=]+\d+\s*$|[A-Z]\w+(?:\(\w+\))?:\s+\d+(?:\s+kB)?\s*$|Node\s+\d|\[\s*\d+\.\d+\]|\w+\s+invoked\ oom|
           \d+(?:\s+\d+){6,8}\s*$)
    )""",
    re.VERBOSE,
)
"""Who said it, in a chat: after the hour a nick in brackets, or a name before what has to begin a line."""
_QUOTE = re.compile(r"^\s*(?:[>|](?:\s{1,8}(?=[>|])|\s?))+")
_CITED = re.compile(r"^\s*(?:>(?:\s{1,8}(?=>)|\s?))+")  # what ends with a bar is a row of a table
_STAMPS = re.compile(
    r"""^\s*(?:
        <\d+>                                                     # the level of a kernel message
      | [a-z]{4,8}\s*:[a-z]{3,6}\s*:(?=\s)                        # facility and level: dmesg -x
      | \[\s*(?:\d+\.\d*|[+-]\s*\d+\.\d+)(?:\s*<\s*[+-]?\d+\.\d+>)?(?:,\d+)?\]   # dmesg, of one CPU, -d, -e
      | \[\w{1,9}\.?,?\ \w{1,9}\.?\s+\w{1,9}\.?\ [\d:]{8}(?:\ [AP]M)?\ \d{4}\]   # dmesg -T, in any language
      | \[[^\W\d]{1,9}\.?\s{0,2}\d+\ \d\d:\d\d\]                  # dmesg -e
      | \[\s*\d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)?\]   # a terminal's log
      | [a-z]+:\s+[a-z]+:\s+\[\d{4}-[^\]]{10,40}\]:               # talos
      | \[\s*[TC]\d+\]                                            # the caller
      | \(\d\)\[\d+:[^\]]{1,40}\]                                 # CPU and task, on telephones
      | \d\d-\d\d\ [\d:.]{12}\s+\d+\s+\d+\ [VDIWEF]\s+(?:\S+\s*)?:  # logcat
      | (?:(?:[^\W\d]{1,9}\.?|\d+[^\W\d]{1,2})\s+\d+|\d+\.?\s[^\W\d]{1,9}\.?)\ [\d:]{8}(?:[.,]\d+)?\ \S+\ kernel: # syslog
      | \d{1,3},\d+,\d+,[^;\s]{1,60};                             # /dev/kmsg, netconsole
      | (?:\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z][\w.-]{1,60}):?\s(?=\[\s*\d+\.\d{6}\]\s)   # a host, and no more
      | [A-Z][a-z]{2}\ \d{4}-\d\d-\d\d\ [\d:.]{8,}\ \S+\ \S+\ kernel:   # journal, full
      | \[?\s*\d+\.\d{6}\]?\ \S+\ kernel:                         # journal, monotonic and unix
      | \d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)?\ (?:\S+\ )?kernel(?:\[\d+\])?:   # journal, ISO
      | \d{4}-\d\d-\d\d[T ][\d:.,]{8,}(?:Z|[+-]\d\d:?\d\d)?(?=\s) # dmesg --time-format iso, logs of containers
      | (?:stdout|stderr)\ [FP](?=\s)                              # logs of containers
      | (?:[\w.-]+\ )?kernel:
      | [\w.-]{1,40}\s{1,9}\|\ (?=[A-Za-z\[])(?!CHANGED|SUCCESS|FAILED|UNREACHABLE|rc=)                   # docker compose
    )\s?""",
    re.VERBOSE,
)
_GAP = " " * 200
_GAPS = re.compile(_GAP + "+")
"""More space than stands between columns: what is longer says no more, and costs each pattern that looks for its end."""
MOST_MARGINS = 8  # quoted quotes
_NUMBER = re.compile(r"\s*(\d{1,6})(?:[:|.)]\s?|\s+(?=[^\d\s.(]|\.\.))")


def without_escapes(text: str) -> str:
    """A text without what colours it on a terminal."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def plain(raw: str, number: str = "") -> str:
    """A line without what a terminal, a mail program and a log put before it; ``number`` is how far its own number reaches."""
    text = as_printed(_ESCAPES.sub("", raw)).replace("\t", "        ").lstrip("\ufeff\u200b")
    text = _GAPS.sub(_GAP, text) if _GAP in text else text
    if number and text.startswith(number):
        text = text[len(number) :]
    quote = (_CITED if text.rstrip().endswith("|") else _QUOTE).match(text)
    if quote is not None:
        text = text[quote.end() :]
    chat = _CHAT.match(text) if ":" in text[:24] or text.lstrip()[:1] == "<" else None
    if chat is not None:
        text = text[chat.end() :]
    for _ in range(4):  # a level, a time, a caller, a host
        stamp = _STAMPS.match(text)
        if stamp is None:
            break
        text = text[stamp.end() :]
    return text


def without_margin(lines: Sequence[str]) -> list[str]:
    """The lines without what stands before each of them: spaces, and the quote marks of mails."""
    found = list(lines)
    for _ in range(MOST_MARGINS):
        said = [line for line in found if line.strip()]
        cited, indented = all(line[0] == ">" for line in said), all(line[0].isspace() for line in said)
        if not said or not (cited or indented):
            break
        if cited:
            found = [line[2:] if line[1:2] == " " else line[1:] for line in found]
            continue
        wide = min(len(line) - len(line.lstrip()) for line in said)
        found = [line[wide:] for line in found]
    return found


def numbered(lines: Sequence[str], at: int) -> str:
    """What of a line is its own number: digits at its beginning, one less than those of the next line or one more than the last."""
    mine = _NUMBER.match(lines[at])
    if mine is None:
        return ""
    for beside, step in ((at + 1, 1), (at - 1, -1)):
        other = _NUMBER.match(lines[beside]) if 0 <= beside < len(lines) else None
        if other is not None and int(other[1]) == int(mine[1]) + step:
            return mine[0].replace("\t", "        ")
    return ""
