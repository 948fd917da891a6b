"""Lines taken apart: pipes, redirections, lists, loops and conditions, and what is no line."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.sh.line import MAX_CHARACTERS, Incomplete, Redirect, parse


def test_words_pipes_and_redirections() -> None:
    [one] = parse("cat /proc/vmstat | grep 'compact stall' > /dev/null 2>&1 # a remark")
    assert [command.words for command in one.commands] == [["cat", "/proc/vmstat"], ["grep", "'compact stall'"]]
    assert one.commands[1].redirects == [Redirect(1, ">", "/dev/null"), Redirect(2, "&", "1")]
    [first, second, third, fourth] = parse("echo 1 > /a; cat /b && ls || ! X=1 true")
    assert [each.after for each in (first, second, third, fourth)] == [";", ";", "&&", "||"]
    assert fourth.negated and fourth.commands[0].assigns == ["X=1"] and list(parse("   ")) == []


def test_loops_and_conditions() -> None:
    [loop] = parse("for i in 1 2\ndo\n  cat $i | wc; done > /tmp/x")
    [command] = loop.commands
    assert (command.kind, command.name, command.words, command.redirects) == ("for", "i", ["1", "2"], [Redirect(1, ">", "/tmp/x")])
    [chosen] = parse("if a; then b; elif c; then d\nelse e; fi")[0].commands
    assert [len(condition) for condition, _ in chosen.branches] == [1, 1, 0]
    for begun in (
        "a |", "case x in", "f() {", "for i in 1 2", "a &&", "while true; do", "if a; then b", "echo 'x", "echo $(", "{ a;", "for",
    ):  # fmt: skip
        with pytest.raises(Incomplete):
            parse(begun)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cat 'x", "no closing quotation"), ("cat x >", "no file after >"), ("| grep x", "a command is missing"),
        ("cat x ||", "a command is missing"), ("cat <& x", "is not known here"),
        ("cat << ; x\n;", "no word after <<"), ("cat x |& y", "is not known here"),
        ("& cat x", "a command is missing"), ("cat x & && y", "a command is missing"),
        ("done", "'done' was not expected"), ("f() echo", "is missing behind f"), ("select x in", "'select' is not known"),
        ("if; then a; fi", "a command is missing"), ("a;; b", "was not expected"),
        ("case x in a) b", "'esac' is missing"), ("for 1 in 2", "wants a name"),
        ("{ " * 40 + "a;" + "}" * 40, "loops in each other"), ("x" * (MAX_CHARACTERS + 1), "are the most"),
    ],
)  # fmt: skip
def test_what_is_no_line(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        list(parse(text))
