"""What comes from outside is shown as escapes, and cut."""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from movable.errors import Hang
from movable.explore.engine import TaskExit
from movable.shown import VisibleStream, apart, below, in_html, literal, name, shown, visible, visible_streams


def test_every_character_that_cannot_be_seen_is_escaped() -> None:
    unseen = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    risky = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in unseen]
    assert not [hex(ord(one)) for one in risky if shown(one) == one]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m\x07", "\\x1b[31m\\x07"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("\x9b2J", "\\x9b2J"),
    ],
)
def test_a_line(text: str, line: str) -> None:
    assert shown(text) == line


def test_text_keeps_its_lines() -> None:
    assert visible("a\tb\n\x1b[0m\n") == "a\tb\n\\x1b[0m\n"


def test_what_is_long_is_cut_and_counted() -> None:
    assert shown("x" * 1000, 10) == "x" * 10 + "... (990 more characters)"
    assert len(name("\x1b" * 1_000_000)) < 500


def test_what_cannot_say_what_it_is() -> None:
    class Silent:
        def __str__(self) -> str:
            raise ValueError

    assert shown(Silent()) == "(Silent that cannot be shown: its __str__ raises ValueError)"


@pytest.mark.parametrize("ends", [Hang, TaskExit])
@pytest.mark.parametrize("show", [shown, literal])
def test_an_end_that_comes_while_something_is_shown_is_an_end(show: Callable[[object], str], ends: type[BaseException]) -> None:
    class Endless:
        def __repr__(self) -> str:
            raise ends

    with pytest.raises(ends):
        show(Endless())


def test_an_object_is_told_without_its_address_and_text_as_it_is() -> None:
    assert literal([object()]) == "[<object object>]" and literal("<a at 0x7f>") == "'<a at 0x7f>'"


def test_html() -> None:
    assert in_html("<b>\u202e&\x1b") == "&lt;b&gt;\\u202e&amp;\\x1b"


def test_streams_are_guarded_and_given_back() -> None:
    out, err = sys.stdout, sys.stderr
    with visible_streams():
        assert isinstance(sys.stdout, VisibleStream) and below(sys.stdout) is out
        with visible_streams():
            assert below(sys.stdout) is out
    assert (sys.stdout, sys.stderr) == (out, err)


def test_a_guarded_stream_writes_what_can_be_seen() -> None:
    stream = io.StringIO()
    guarded = VisibleStream(stream)
    guarded.writelines(["a\x1b[2J\n", "b\n"])
    print("c\u2066", file=guarded)
    assert guarded.getvalue() == "a\\x1b[2J\nb\nc\\u2066\n"


def test_no_page_escapes_by_itself() -> None:
    """One function makes text of pages; what escapes only what HTML means would let the rest through."""
    product = Path(__file__).parent.parent / "movable"
    pages = [path for path in product.rglob("*.py") if path.name != "shown.py"]
    assert not [str(path) for path in pages if "import escape" in path.read_text() and "rich" not in path.read_text()]


def test_names_and_messages_of_a_driver_make_no_lines_of_their_own() -> None:
    from movable.contract.report import Report, Verdict, text
    from movable.contract.verdict import BROKEN

    forged = "\x1b[2J\u202e\nBROKEN D2 (must): forged " + "x" * 1_000_000
    report = Report(forged, forged, forged, "4.19", 0)
    report.verdicts["D1"] = Verdict("D1", BROKEN, 1, what=forged, story=[forged] * 3, token="m3.abc", scenario=forged)
    shown_text = text(report)
    assert "\x1b" not in shown_text and "\u202e" not in shown_text and len(shown_text) < 20_000
    assert not [line for line in shown_text.splitlines() if line.startswith("BROKEN D2")]


def test_two_values_are_told_by_where_they_differ() -> None:
    assert apart(b"old", b"new") == ("b'old'", "b'new'")
    one, two = b"a" * 100 + b"xyz" + b"b" * 50, b"a" * 100 + b"uvw" + b"b" * 50
    assert apart(one, two) == ("b'xyzbbbbbbbbb'... from byte 100 on", "b'uvwbbbbbbbbb'... there")
    assert apart("c" * 60, "c" * 50)[0] == "'cccccccccc' from character 50 on (60 and not 50 long)"
    assert apart(None, b"d" * 60) == ("None", repr(b"d" * 60))
