"""``movable explain``: reads what people paste and says what it means. Exit codes: 0 fine, 2 nothing recognised or bad usage."""

from __future__ import annotations

import argparse
import gzip
import re
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from movable.errors import UsageError

if TYPE_CHECKING:
    from movable.cli.verbs import Verbs
    from movable.explain.material import Material

MAX_BYTES = 64 << 20
MAX_LOG = 8 << 20
LOG_MARKS = ("page dumped because", "migrating pfn", "PFNs busy", "alloc failed, req-size")


def add_arguments(verbs: Verbs) -> None:
    """Add the verb ``explain`` to a parser's commands."""
    verb = verbs.add_parser(
        "explain",
        help="say what pasted tables and messages of a real machine mean",
        description="Read any mix of buddyinfo, pagetypeinfo, zoneinfo, vmstat, extfrag_index, the report of a failed allocation, "
        "page dumps, failures of CMA, numa_maps, mm_stat and tables of compaction, as people paste them, and say what they mean.",
    )
    verb.add_argument("files", nargs="*", default=["-"], metavar="FILE", help="text to read, also .gz; - or none is standard input")
    verb.add_argument("--order", type=_order, metavar="N", help="the order that is wanted (default: what failed, or a huge page)")
    verb.add_argument("--page-size", type=_page_size, metavar="SIZE", help="4K, 16K, 64K (default: as the text says, or 4K)")
    verb.add_argument("--json", metavar="FILE", help="write the answers as JSON ('-' for standard output, and nothing else)")
    verb.add_argument("--html", metavar="FILE", help="write the answers as one HTML page with a picture")
    verb.set_defaults(run=run)


def _order(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text[:4]) > 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no order; give a number from 0 to 20")
    return int(text)


def _page_size(text: str) -> int:
    """A size of pages in kB; a number without a unit is in bytes, as getconf prints it, or in kB where it is small."""
    from movable.explain.judge.page_size import SIZES

    found = re.fullmatch(r"(\d{1,7})([kK]?)(?:i?B)?", text)
    size = int(found[1]) if found else 0
    size = size >> 10 if found and not found[2] and size >= 1024 else size
    if size not in SIZES:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of a page; give 4K, 16K or 64K (getconf PAGESIZE prints it)")
    return size


def run(arguments: argparse.Namespace) -> int:
    """Read, answer, and show."""
    from movable.explain.frames import is_words
    from movable.explain.reading import LOOKED_FOR, read
    from movable.files import check_place

    check_place(arguments.json)
    check_place(arguments.html)
    texts, words = [], []
    for name in arguments.files:
        data = _bytes(name)
        if is_words(name, data):
            words.append((name, data))
        else:
            texts.append((name, _text(data)))
    material = read(texts, arguments.page_size)
    if not material.recognised and not words:
        raise UsageError(f"{', '.join(arguments.files)}: nothing was recognised; looked for {LOOKED_FOR}")
    material.frames = words
    _show(material, arguments.order, arguments.json, arguments.html)
    return 0


def explain_log(path: Path, json: str | None, page: str | None = None) -> bool:
    """Explain a kernel log that dumps pages and holds no trace. Returns whether ``path`` was one; quiet where it was not.

    Only a small, regular, readable file can be one.
    """
    from movable.explain.reading import read

    if not path.is_file() or path.stat().st_size > MAX_LOG:
        return False
    try:
        written = _text(_bytes(str(path)))
    except UsageError:
        return False
    if not any(mark in written for mark in LOG_MARKS):
        return False
    material = read([(str(path), written)])
    if material.events or not (material.pages or material.cma):
        return False
    _show(material, None, json, page)
    return True


def _show(material: Material, wanted: int | None, json: str | None, page: str | None) -> None:
    """Answer, and write the answers as text, as JSON and as a page."""
    from movable.explain.answers import answers
    from movable.explain.frames import counted, frame_answers, frames_record
    from movable.explain.record import record
    from movable.explain.show import html, text
    from movable.explain.zones import wanted_order
    from movable.files import write_json, write_text

    order, why = wanted_order(material, wanted)
    dumps = counted(material)
    found = frame_answers(dumps) + (answers(material, order, why) if material.recognised else [])
    if page:
        write_text(page, html(material, found, order))
    if json:
        write_json(json, record(material, found, order) | frames_record(dumps))
    if "-" not in (json, page):
        write_text("-", "\n".join(text(material, found)).rstrip() + "\n")


def _bytes(name: str) -> bytes:
    """A file or standard input, unpacked. Raises UsageError for what cannot be read."""
    if name == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror}; give a text file, or - for standard input") from None
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(BytesIO(data)) as packed:
                data = packed.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error):
            raise UsageError(f"{name}: is damaged gzip; unpack it by hand") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}: more than {MAX_BYTES >> 20} MiB; give the part that matters")
    return data


def _text(data: bytes) -> str:
    """What was read, as text; what is no UTF-8 is replaced."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")
