"""Lines as people paste them: quoted, indented, numbered, with time stamps, prompts, host names and fences; made plain again.

A reader of one kind of material looks for its own words in a line, so most of what stands before them does not matter. What is
taken away here is what would stand between a reader and the beginning of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from movable.explain.layouts.envelopes import opened
from movable.explain.layouts.hosts import host_of, several
from movable.explain.layouts.interleaved import mended
from movable.explain.layouts.joined import lines_in
from movable.explain.layouts.json_tables import tables_in
from movable.explain.layouts.json_text import texts, without_metadata
from movable.explain.layouts.markup import says_nothing, without_cells, without_tags
from movable.explain.layouts.prefixes import without_prefixes
from movable.explain.layouts.quoted_printable import unquoted
from movable.explain.layouts.sequence import newest_first, unbroken, whole_headings
from movable.explain.layouts.stamps import numbered, plain, without_escapes, without_margin
from movable.explain.layouts.typed import with_plain_blanks

_TOOLS = (
    "cat|head|tail|grep|egrep|zgrep|zcat|dmesg|journalctl|echo|watch|sed|awk|numactl|numastat|zramctl|sh|bash|less|more|trace-cmd|"
    "bpftrace|(?:compactsnoop|drsnoop|funccount|funclatency)(?:-bpfcc)?|compsnoop|while|for|sleep|sysctl|tee|migratepages|perf|python3?|uname|free|date|"
    "ls|cd|diff|paste|sudo|kubectl|oc|docker|podman|crictl|nsenter|chroot|ssh|pdsh|clush|ansible|lsmem|lscpu|getconf|sar|vmstat|slabtop|smem|"
    "swapon|hotsos|page-types|page_owner_sort|hugeadm|tuned-adm|stress-ng|modprobe|insmod|uptime|top|ps|sort|xargs|find|tuna|chmem|virsh|xl"
)
_COMMAND = re.compile(
    r"^\s*(?:"
    r"\[?[\w.-]+@[\w.-]+[^#$%>]{0,80}[#$%]\s*\S"  # user@host:~#, and whatever was typed
    r"|\$\s+\w[\w./-]*(?:\s|$)"  # $ command
    r"|(?:crash|virsh #|gdb|\(gdb\)|drgn)>?\s+(?:kmem|freepages|nodememstats|capabilities|p |print )"  # a tool's own prompt
    r"|zramctl(?:\s+-\S+)*\s*$|lsmem(?:\s+-\S+)*\s*$|numastat(?:\s+-\S+)*\s*$|free(?:\s+-\S+)*\s*$"
    r"|virsh (?:freepages|nodememstats|capabilities)\b"
    r"|(?:ba|z|k|da|a)?sh-\d[\d.]*[#$]\s*\S"  # sh-4.4# command
    rf"|(?:[\w.-]{{0,40}}[:\s]?[~/][^\s#$%]{{0,80}}|\([\w.-]+\)\s*)?\s*[#$%]\s*(?:sudo\s+)?(?:\S*/)?(?:{_TOOLS})\b"
    r"|(?:\S.{0,60}\s)?(?:cat|head|tail|less|more|grep(?:\s+-\w+)*\s+\S+)\s+/(?:host/)?(?:proc|sys)/\S+\s*$"  # any prompt
    r"|# (?:HELP|TYPE) \w+ "  # what an exporter says of a value
    r")"
)
_GREP = re.compile(r"^(/(?:host/)?(?:proc|sys)/[\w/.,@-]+):(?:\d+:(?=.*\S))?")
_MACHINE = re.compile(
    r"\s*(?:([\w.-]+) \| (?:CHANGED|SUCCESS|FAILED|UNREACHABLE|rc=\d+)\b[^>(]*(?:>>|\(stdout\)|=>|$)|"
    r"(?:ok|changed|fatal|failed): \[([\w.-]+)\](?:: \w+!)?(?:\s*=>)?)\s*"
)
"""Where a tool that asks many machines says which one answers next (ansible)."""
_SPREAD = re.compile(r"^\s*([A-Za-z][\w.-]{0,60}):\s+(?=Node\s+\d+,\s*zone|(?:compact|thp|pgmigrate|nr)_\w+\s+\d+\s*$)")
"""pdsh, clush: the machine in front of every line."""
_OF_A_FILE = re.compile(r"^\s*(?:==> (\S+) <==|Every \d+(?:[.,]\d+)?s: (.*))\s*$")
_SEVERAL = re.compile(r"\b(?:cat|head -n1|head -1)\s+((?:/sys/\S+\s*){1,40})$")
_ASKS = re.compile(
    r"\becho\s+(\d{1,12})\s*(?:>|\|\s*(?:sudo\s+)?tee)\s*(?:/proc/sys/vm/|/sys/kernel/mm/|/sys/devices/system/)(\S*nr_hugepages)\s*$|"
    r"\bvm\.nr_hugepages=(\d{1,12})\b"
)
_TEED = re.compile(r"\becho\s+(\S+)\s*\|\s*(?:sudo\s+)?tee\b")
"""A command that prints what it writes."""
_BRACES = re.compile(r"([^{}]*)\{([^{}]*,[^{}]*)\}([^{}]*)$")
_ENDLESS = re.compile(r"\d{40}")  # longer than any number that a kernel prints
LONGEST_LINE = 20_000  # characters; a longer one is listed as not understood and not looked at
LONGEST_TEXT = 4_000_000  # of a line that is made of many


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``text`` is what is left of ``raw``, ``source`` and ``number`` (from 1) say where it stood.

    ``hint`` is the file that the text is of, as far as a command, a path or the source's name told; ``machine`` the one that a tool
    which asks many named, "" where there is one only. ``place`` counts the lines of the command's answer that came before it.
    """

    source: str
    number: int
    text: str
    raw: str
    hint: str = ""
    machine: str = ""
    place: int = 0


def lines(source: str, text: str) -> Iterator[Line]:
    """The lines of a pasted text that say something: no fences, no blank lines, no elisions. Commands become hints."""
    ended = with_plain_blanks(text).replace("\r\n", "\n").replace("\r", "\n")
    split = without_margin([without_escapes(line) for line in ended.split("\n")])
    context = _Context(source, source.rpartition("/")[2], several(split))
    document, tables = tables_in(split)
    yield from (Line(source, number, line, split[number - 1], context.hint) for number, line in tables)
    written = split if document else without_metadata(split)
    backwards = newest_first(written)
    written = unbroken(without_prefixes(opened(written[::-1] if backwards else written)))
    written = whole_headings(mended(written))
    for at, raw in unquoted(written):
        number = len(split) + 1 - at if backwards else at
        if number - 1 in document:
            continue
        if len(raw) > LONGEST_LINE and not _shorter(raw):
            yield Line(source, number, "", raw, context.hint)
            continue
        own = numbered(written, at - 1) if raw[:8].lstrip()[:1].isdecimal() else ""
        parts = _parts(context.of_a_machine(raw, split[number - 1]))
        for part in parts:
            line = context.line(number, part if len(parts) > 1 else raw, plain(part, own))
            if line is not None:
                yield line


def _shorter(raw: str) -> bool:
    """Whether a line that is too long is made of many."""
    return len(raw) <= LONGEST_TEXT and ("\\n" in raw or raw.lstrip()[:1] in "{[")


def _parts(raw: str) -> list[str]:
    """What one line was made of: strings of JSON, lines whose ends were lost, and what stood between tags of HTML."""
    found = texts(without_tags(raw) if "&quot;" in raw or raw.lstrip()[:1] == "<" else raw)
    parts = [raw] if found is None else found
    if "<" in raw or "&" in raw:
        parts = [line for part in parts for line in without_tags(part).split("\n")]
    return [line for part in parts for line in lines_in(part)]


class _Context:
    """What the lines so far said about the next: the command or path that they are of, and the machine."""

    def __init__(self, source: str, hint: str, hosts: bool) -> None:
        self.source, self.hint, self.hosts = source, hint, hosts
        self.machine = ""
        self.place = -1  # of the last line in the answer of the command that came last
        self.files: list[str] = []  # whose one line each comes next

    def of_a_machine(self, raw: str, written: str) -> str:
        """What is left of a line that may say which machine answers next, or in which log it was ``written``."""
        if self.hosts:
            self.machine = host_of(written) or self.machine
        bare = without_tags(raw) if "<" in raw or "&" in raw else raw
        machine = _MACHINE.match(bare) if "[" in bare or " | " in bare else None
        if machine is None:
            return raw
        self.machine = machine[1] or machine[2]
        return bare[machine.end() :]

    def line(self, number: int, raw: str, text: str) -> Line | None:
        """A line to be read; None for one that says nothing by itself."""
        if says_nothing(text):
            return None
        text = without_cells(text)
        if not text.strip():
            return None
        titled = _OF_A_FILE.match(text)
        if titled is not None or _COMMAND.match(text):
            self.hint = text if titled is None else titled[1] or titled[2]
            self.place = -1
            self.files = _files(text)
            asked = _ASKS.search(self.hint)
            if asked is None:
                return None
            asks = f"asked {asked[2] or 'nr_hugepages'} {asked[1] or asked[3]}"
            return Line(self.source, number, asks, raw, self.hint)
        self.place = 0 if self.files else self.place + 1
        if self.place == 0 and "tee" in self.hint:
            teed = _TEED.search(self.hint)
            if teed is not None and text.strip() == teed[1]:
                return None
        hint, place, machine_here = self.files.pop(0) if self.files else self.hint, self.place, self.machine
        named = _GREP.match(text.lstrip())
        if named is not None:
            hint, place, text = named[1], 0, text.lstrip()[named.end() :]
        spread = _SPREAD.match(text)
        if spread is not None:
            machine_here, text = spread[1], text[spread.end() :]
        read = len(text) <= LONGEST_LINE and _ENDLESS.search(text) is None
        return Line(self.source, number, text.rstrip() if read else "", raw, hint, machine_here, place)


def _files(command: str) -> list[str]:
    """The files of /sys that one ``cat`` was given, where they are several: each has one line."""
    found = _SEVERAL.search(command)
    if found is None:
        return []
    paths: list[str] = []
    for word in found[1].split():
        choice = _BRACES.match(word)
        paths += [word] if choice is None else [f"{choice[1]}{each}{choice[3]}" for each in choice[2].split(",")]
    plain_paths = all(path.startswith("/sys/") and not set(path) & set("{}*?[") for path in paths)
    return [f"cat {path}" for path in paths] if len(paths) > 1 and plain_paths else []
