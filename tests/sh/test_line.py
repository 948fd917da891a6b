"""Lines taken apart: pipes, redirections, several commands, and what is no line."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.sh.line import MAX_CHARACTERS, parse


def test_words_pipes_and_redirections() -> None:
    [one] = parse("cat /proc/vmstat | grep 'compact stall' > /dev/null")
    assert one.commands == [["cat", "/proc/vmstat"], ["grep", "compact stall"]] and one.target == "/dev/null"
    [first, second, third] = parse("echo 1 > /a; cat /b && ls")
    assert (first.target, second.commands, third.only_after_success) == ("/a", [["cat", "/b"]], True)
    assert [pipeline.target for pipeline in parse("echo 1 >> /a")] == ["/a"] and list(parse("   ")) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cat 'x", "no closing quotation"), ("cat x >", "no file after >"), ("| grep x", "a command is missing"),
        ("cat x ||", "is not known here"), ("cat < x", "is not known here"), ("cat x &", "is not known here"),
        ("x" * (MAX_CHARACTERS + 1), "are the most"),
    ],
)  # fmt: skip
def test_what_is_no_line(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        list(parse(text))
