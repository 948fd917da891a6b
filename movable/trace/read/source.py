"""Where trace lines come from: a plain file, a gzip file, standard input, or trace.dat through trace-cmd; in blocks.

Text is decoded as latin-1, which never fails; whether it is a trace at all is for the reader to say.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from movable.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

BLOCK_BYTES = 1 << 17
"""Bytes read at once."""
LONGEST_LINE_BYTES = 1 << 16
"""A longer line is no trace line."""
FIRST_BYTES = 1 << 20
"""Bytes that are searched for the place of the page array before the first event is told."""
GZIP_MAGIC = b"\x1f\x8b"
TRACE_DAT_MAGIC = b"\x17\x08\x44tracing"
MAX_SPOOL = 4 << 30
"""Bytes that are kept of what can be read only once."""
MAX_RATIO = 250
"""Times its size that compressed text may unpack to; traces unpack to less than fifty times theirs."""
RATIO_FROM_BYTES = 64 << 20
"""Bytes unpacked from which that is looked at."""
RESUMPTION_BYTES = 1 << 20
"""After so many unpacked bytes the state of unpacking is kept, so that it can go on from there; of a large file, after more."""
MAX_PLACES = 4000
"""Lines whose place in the text is remembered."""
MAX_RESUMPTIONS = 64
"""States of unpacking that are kept; each takes up to 170 KB."""

Progress = Callable[[int, int], None]
"""Called with bytes read and bytes in total (0 where unknown)."""

RECORD_HINT = "record one with the script that 'movable trace probes DRIVER' prints"


def first_blocks(blocks: Iterator[list[str]]) -> tuple[list[list[str]], str]:
    """The first blocks, and the first line in them that is not blank. A pipe may bring a line in many small pieces."""
    first: list[list[str]] = []
    start, size = "", 0
    for block in blocks:
        first.append(block)
        size += sum(map(len, block)) + len(block)
        start = start or next((text for text in block if text.strip()), "")
        if size >= FIRST_BYTES:
            break
    return first, start


class Resumption(NamedTuple):
    """A place where unpacking can go on: bytes unpacked and packed so far, packed ones that are still to do, and the state."""

    unpacked: int
    packed: int
    data: bytes
    inflater: Any


class Source:
    """One trace, read from its beginning to its end; what was read can be looked up. A context manager.

    ``path`` is a file, or ``-`` for standard input. What can be read only once (standard input, a pipe, a file that the kernel
    makes up) is kept in a temporary file, so that the lines that prove a finding can be looked up; unless ``again`` is False.
    ``progress`` hears how far the reading has come. Raises UsageError for a file that cannot be read.
    """

    def __init__(self, path: str, progress: Progress | None = None, *, again: bool = True) -> None:
        self.path = path
        self.name = "standard input" if path == "-" else path
        self.progress = progress
        self._spool: IO[bytes] | None = None
        self._total = 0
        self._places: list[tuple[int, int]] = []
        self._resumptions: list[Resumption] = []
        self._place_bytes, self._resumption_bytes = BLOCK_BYTES, RESUMPTION_BYTES
        self._report_text: IO[bytes] | None = None
        self._again = again
        self._looking = False
        if path != "-":
            self._check_file(Path(path))
        self._streamed = not self._total
        if self._streamed and again:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115

    def _check_file(self, path: Path) -> None:
        try:
            if path.is_dir():
                raise UsageError(f"{path}: is a directory; give the trace file in it")
            about = path.stat()
            self._total = about.st_size
            empty = False
            if stat.S_ISREG(about.st_mode):
                with path.open("rb") as stream:
                    empty = not stream.read(1)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror}); give a trace file, or - for standard input") from None
        if empty:
            raise UsageError(f"{path}: the file is empty; {RECORD_HINT}")

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in (self._spool, self._report_text):
            if kept is not None:
                kept.close()

    @property
    def kept(self) -> bool:
        """Whether the file itself can be read again, even if a reading stopped half-way."""
        return self._spool is None

    def blocks(self) -> Iterator[list[str]]:
        """The lines, in lists of some thousand, without their ends. Raises UsageError for input that is no text."""
        tail = ""
        number, line, read = -1, 1, 0
        self._looking = False
        self._places.clear()
        for number, block in enumerate(self._plain()):
            if not number:
                self._check_text(block)
            if not self._places or read - self._places[-1][1] >= self._place_bytes:
                self._remember(line, read - len(tail))
            lines = (tail + block.decode("latin-1")).split("\n")
            tail = lines.pop()
            if len(tail) > LONGEST_LINE_BYTES:
                what = f"a line of more than {LONGEST_LINE_BYTES} bytes"
                raise UsageError(f"{self.name}: {what}; this is no ftrace text; {RECORD_HINT}")
            line, read = line + len(lines), read + len(block)
            yield lines
        if tail:
            yield [tail]
        if number < 0:
            raise UsageError(f"{self.name}: the trace is empty; {RECORD_HINT}")

    def _remember(self, line: int, byte: int) -> None:
        """Where a line begins; where too many are remembered, each other one is forgotten."""
        self._places.append((line, byte))
        if len(self._places) > MAX_PLACES:
            del self._places[1::2]
            self._place_bytes *= 2

    def blocks_from(self, line: int) -> Iterator[tuple[int, list[str]]]:
        """Of what ``blocks`` has read: the lines from a little before ``line`` on, each list with the number of its first line."""
        self._looking = True
        first, start = self._places[max(0, bisect_right(self._places, (line, sys.maxsize)) - 1)]
        tail = ""
        for block in self._plain_from(start):
            lines = (tail + block.decode("latin-1")).split("\n")
            tail = lines.pop()
            if lines:
                yield first, lines
            first += len(lines)
        if tail:
            yield first, [tail]

    def far(self, line: int, other: int) -> bool:
        """Whether it is better to look ``other`` up than to read on from ``line`` to it."""
        apart = bisect_right(self._places, (other, sys.maxsize)) - bisect_right(self._places, (line, sys.maxsize))
        return apart > (self._resumption_bytes // self._place_bytes if self._resumptions else 1)

    def _plain_from(self, start: int) -> Iterator[bytes]:
        """The text from a byte on."""
        if self._resumptions:
            at = max(one for one in range(len(self._resumptions)) if self._resumptions[one].unpacked <= start)
            unpacked, packed, data, inflater = self._resumptions[at]
            yield from _behind(self._inflated(inflater.copy(), data, self._raw(packed), unpacked, packed), start - unpacked)
        elif self._report_text is not None:
            self._report_text.seek(start)
            yield from iter(lambda: self._report_text.read(BLOCK_BYTES), b"")  # type: ignore[union-attr]
        else:
            yield from self._raw(start)

    def _check_text(self, block: bytes) -> None:
        if b"\0" in block[:4096]:
            raise UsageError(f"{self.name}: binary data, no ftrace text (nor gzip, nor trace.dat); {RECORD_HINT}")

    def _plain(self) -> Iterator[bytes]:
        raw = self._raw()
        first = next(raw, b"")
        while 0 < len(first) < len(TRACE_DAT_MAGIC):
            more = next(raw, b"")
            if not more:
                break
            first += more
        if first.startswith(TRACE_DAT_MAGIC):
            yield from self._noted(self._report(first, raw))
        elif first.startswith(GZIP_MAGIC):
            yield from self._inflated(zlib.decompressobj(wbits=31), first, raw, 0, len(first))
        else:
            yield first
            yield from raw

    def _raw(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from one on: of the copy, where there is one with something in it, else of the file or standard input."""
        if self._spool is not None and self._spool.seek(0, 2):
            self._spool.seek(start)
            yield from self._counted(self._spool, start)
            return
        try:
            with self._open() as stream:
                if start:
                    stream.seek(start)
                for block in self._counted(stream, start):
                    if self._spool is not None:
                        self._keep(block)
                    yield block
        except OSError as error:
            raise UsageError(f"{self.name}: cannot be read ({error.strerror})") from None

    def _keep(self, block: bytes) -> None:
        assert self._spool is not None
        if self._spool.tell() + len(block) > MAX_SPOOL:
            raise UsageError(f"{self.name}: more than {MAX_SPOOL >> 30} GiB from a pipe; write it to a file, and give that")
        self._spool.write(block)

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        if self.path != "-":
            return open(self.path, "rb")
        if sys.stdin is None:
            raise UsageError("standard input is closed; give a trace file, or a trace on standard input")
        return nullcontext(sys.stdin.buffer)

    def _counted(self, stream: IO[bytes], done: int) -> Iterator[bytes]:
        read = getattr(stream, "read1", stream.read)
        while block := read(BLOCK_BYTES):
            done += len(block)
            if self.progress is not None and not self._looking:
                self.progress(done, self._total)
            yield block

    def _inflated(self, inflater: Any, data: bytes, raw: Iterator[bytes], unpacked: int, packed: int) -> Iterator[bytes]:
        """Uncompressed blocks of bounded size; several gzip members in a row are one text. The numbers are of bytes before."""
        try:
            while data:
                if not self._resumptions or unpacked - self._resumptions[-1].unpacked >= self._resumption_bytes:
                    self._keep_state(Resumption(unpacked, packed, data, inflater.copy()))
                out = inflater.decompress(data, BLOCK_BYTES)
                unpacked += len(out)
                if unpacked > RATIO_FROM_BYTES and unpacked > MAX_RATIO * packed:
                    raise UsageError(f"{self.name}: gzip data that unpacks to {unpacked // packed} times its size; no trace does")
                if out:
                    yield out
                data = inflater.unconsumed_tail
                if inflater.eof:
                    data = inflater.unused_data.lstrip(b"\0")
                    if not data:
                        more = next(raw, b"")
                        packed, data = packed + len(more), more.lstrip(b"\0")
                    if data:
                        inflater = zlib.decompressobj(wbits=31)
                elif not data:
                    data = next(raw, b"")
                    packed += len(data)
        except zlib.error as error:
            raise UsageError(
                f"{self.name}: corrupt gzip data ({error}); compress the recording again, or copy it once more"
            ) from None
        if not inflater.eof:
            raise UsageError(f"{self.name}: the gzip data ends too early; copy the recording once more, whole")

    def _keep_state(self, state: Resumption) -> None:
        """A place where unpacking can go on; where there are too many, each other one is forgotten."""
        self._resumptions.append(state)
        if len(self._resumptions) > MAX_RESUMPTIONS:
            del self._resumptions[1::2]
            self._resumption_bytes *= 2

    def _noted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks, which are kept in a temporary file: what was read is looked up there."""
        if self._report_text is not None:
            self._report_text.close()
        self._report_text = tempfile.TemporaryFile() if self._again else None  # noqa: SIM115
        for block in blocks:
            if self._report_text is not None:
                self._report_text.write(block)
            yield block

    def _report(self, first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
        """What ``trace-cmd report`` says about a trace.dat."""
        program = shutil.which("trace-cmd")
        if program is None:
            raise UsageError(
                f"{self.name}: a trace.dat, and trace-cmd is not installed; install it, or give the output of 'trace-cmd report'"
            )
        with tempfile.NamedTemporaryFile(suffix=".dat") as copy, tempfile.TemporaryFile() as errors:
            path = self.path
            if self._streamed:
                copy.write(first)
                for block in raw:
                    copy.write(block)
                copy.flush()
                path = copy.name
            command = [program, "report", "-i", path]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
                assert process.stdout is not None
                yield from iter(lambda: process.stdout.read(BLOCK_BYTES), b"")  # type: ignore[union-attr]
            if process.returncode:
                errors.seek(0)
                words = errors.read(200).decode("latin-1").split("\n")[0]
                raise UsageError(f"{self.name}: trace-cmd report failed ({words}); is the file whole?")


def _behind(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """What comes after the first ``count`` bytes."""
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(0, count - len(block))
