"""Scripts as people write them: loops, variables, conditions, files of their own, and how they end."""

from __future__ import annotations

import pytest

from movable.errors import UsageError
from movable.sh import interpret
from movable.sh.commands import MAX_OWN, Shell
from movable.sh.failure import CommandFailed
from movable.sh.interpret import NoCommand
from movable.sh.machine import boot
from movable.sh.session import goes_on, play

SCRIPT = r"""
for m in /sys/devices/system/memory/memory[0-9]*; do   # each block
    [ -f $m/state ] || continue
    s=$(cat $m/state)
    if [ "$s" = online ]; then n=$((n + 1)); else echo "$m: $s"; fi
done > /tmp/seen; echo "$n blocks are online"
"""


@pytest.fixture(scope="module")
def shell() -> Shell:
    return Shell(boot("16M", 1, "zsmalloc,balloon", 0, empty=True))


def said(shell: Shell, text: str) -> str:
    try:
        return shell.run(text)
    except CommandFailed as error:
        return error.output


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("for i in 1 2 3; do echo r$i; done", "r1\nr2\nr3\n"),
        ("for i in {3..1} $(seq 2); do printf '%d,' $i; done; echo", "3,2,1,1,2,\n"),
        ("i=0; while [ $i -lt 9 ]; do i=$((i+1)); [ $i = 2 ] && continue; [ $i -gt 3 ] && break; echo $i; done", "1\n3\n"),
        ("until true; do echo no; done; echo $?", "0\n"),
        ("if grep -q nothing /proc/vmstat; then echo yes; elif [ -d /proc/sys ]; then echo folder; else echo no; fi", "folder\n"),
        ("X='a  b'; echo $X \"$X\" '$X' \\$X ${Y:-none} ${#}", "a b a  b $X $X none 0\n"),
        ("cat /nope 2>/dev/null || echo failed $?", "failed 1\n"),
        ("cat /nope 2>&1 | tr a-z A-Z", "CAT: /NOPE: NO SUCH FILE OR DIRECTORY\n"),
        ("echo b > /tmp/f; echo a >> /tmp/f; sort /tmp/f; wc -l < /tmp/f", "a\nb\n2\n"),
        ("cat /tmp/f | while read word; do echo [$word]; done", "[b]\n[a]\n"),
        ("echo x > /sys/devices/system/memory/memory0/state 2> /tmp/e; cat /tmp/e", "echo: write error: Invalid argument\n"),
        ("diff /tmp/f /tmp/f && echo same; rm /tmp/f; cat /tmp/f 2>/dev/null; ! true; echo $?", "same\n1\n"),
        ("echo $((7/2)) $((-7/2)) $((-7%3)) $((1<<4|3)) $((2>1&&!0)) $((0x10))", "3 -3 -1 19 1 16\n"),
        ("echo 'Node 0, zone Normal 7 9' | awk '{print $4, $NF}'", "Normal 9\n"),
        ("printf '1\\n10\\n9\\n' | sort -rn | head -1; echo a:b:c | cut -d: -f2-", "10\nb:c\n"),
        ("printf 'a 1\\nb 2\\n' | awk '{s += $2} END {print s}'; echo aXb | sed 's/x/-/i'", "3\na-b\n"),
        ("printf 'a\\nb\\n' | sed -n 2p; printf 'a\\n(b)\\nc\\n' | grep 'a\\|(b' -c; echo aab | grep -o 'a*'", "b\n2\naa\n"),
        ("printf 'a\\na\\nb\\n' | uniq -c; (echo in; echo group) | tail -1", "      2 a\n      1 b\ngroup\n"),
        ("sleep 90; date +%s; basename /proc/vmstat; echo 3 > /proc/sys/vm/drop_caches; echo {a,b}c", "90\nvmstat\nac bc\n"),
        ("for ((i=0; i<3; i++)); do echo -n $i; done; ((i += 2, i--)) && echo _$i; ((0)) || echo zero", "012_4\nzero\n"),
        ("f() { local a=$1; echo $a $# \"$@\"; return 3; }; f x y; echo $?; f2() { f $1 z; }; f2 q; (exit 4); echo $?",
         "x 2 x y\n3\nq 2 q z\n4\n"),
        ("case abc in b*) echo no ;; x|a*) echo yes; echo two ;; *) echo rest; esac", "yes\ntwo\n"),
        ("sudo sh -c 'echo a; false' || eval \"echo b $((1 + $(echo 2)))\"; time sleep 0; let k=3*4; echo $k; echo ab | wc -c",
         "a\nb 3\n12\n3\n"),
        ("x=1; y=$(x=2; echo $x; exit 3); echo $? $x $y; sh -c 'x=9; set -e; exit 4'; echo $? $x; (set -e); false; echo on",
         "3 1 2\n4 1\non\n"),
        ("printf '%3%' a; printf '%%%s,' a b; echo", "%%a,%b,\n"),
        ("f() { echo $1px \"${1}\" $2s; }; f a b; eval echo -n c; bash -x -c 'echo d'", "apx a bs\ncd\n"),
        ("grep -c nothing /proc/vmstat || echo $?; echo a | grep -c a; echo a | grep -qc b || echo none", "0\n1\n1\nnone\n"),
        ("x=5; cat << END | tr a-z A-Z\na $x \"b\" $((x+1)) \\$x\n  $(echo \"c d\")\nEND\necho after",
         'A 5 "B" 6 $X\n  C D\nafter\n'),
        ("cat << 'E' <<-F > /tmp/here\n$x\nE\n\tb\n\tF\ncat /tmp/here; wc -c <<< ab; echo $(</tmp/here)", "b\n3\nb\n"),
        ("while read a b; do echo $b; done << END\n1 2\n3 4\nEND", "2\n4\n"),
        ("f() { f; }; f() { echo ok; }; f; read v <<< 'a b'; echo $v", "ok\na b\n"),
        (SCRIPT, "8 blocks are online\n"),
        ("cat /tmp/seen; cat < /dev/null", ""),
    ],
)  # fmt: skip
def test_lines_of_scripts(shell: Shell, line: str, output: str) -> None:
    assert said(shell, line.strip()) == output


def test_a_script_over_several_lines_and_how_it_ends(shell: Shell) -> None:
    lines = ["# begin", "for i in 1 2", "do", "  echo $i \\", "    end", "done", "set -e", "false || true", "if false; then x; fi",
             "cat /nope", "echo never"]  # fmt: skip
    output = "".join(play(shell, lines, "script"))
    assert output.startswith("# begin\n# for i in 1 2\n> do\n>   echo $i \\\n>     end\n> done\n1 end\n2 end\n# set -e\n")
    assert output.endswith("cat: /nope: No such file or directory\n") and shell.status == 1
    shell.run("set +e")
    pasted = ["$ echo a", "root@box:~# echo b", "[root@box ~]# echo c"]
    assert "".join(play(shell, pasted, "script")) == "# echo a\na\n# echo b\nb\n# echo c\nc\n"
    assert "".join(play(shell, ["echo a; exit 3", "echo b"], "script")).endswith("\na\n") and shell.status == 3
    assert goes_on("while true; do") and goes_on("cat a |") and goes_on("echo \\") and not goes_on("echo a")


def test_a_function_that_calls_itself_without_end_leaves_no_trace(shell: Shell) -> None:
    for _ in range(25):
        with pytest.raises(NoCommand, match="calls itself more than 20 times"):
            shell.run("deep() { deep; }; deep")
    assert said(shell, "echo $(echo $(echo a))") == "a\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("while true; do true; done", "a loop that does not end"), ("echo $((1/0))", "cannot be worked out"),
        ("echo {1..999999999}", "are the most"), ("for i in 1; do nope; done", "there is no command 'nope'"),
        ("echo $((2 + ))", "cannot be worked out"), ("echo $((2 ** -1))", "cannot be worked out"),
        ("echo ${#x}", "is not known here"), ("x=ab; while true; do x=$x$x; done", "a text of more than"),
    ],
)  # fmt: skip
def test_what_a_script_may_not(shell: Shell, line: str, what: str) -> None:
    with pytest.raises(NoCommand, match=what):
        shell.run(line)
    with pytest.raises(UsageError, match="script:2: "):
        list(play(shell, ["true", "for i in 1 2"], "script"))


FAILS = (
    "seq 1 0 5", "test 1 -eq x", "[ 1 = 1", "rm /proc/vmstat", "cut -f", "cut -c x-4", "awk 'BEGIN {}'", "sed y/a/b/",
    "printf %d x", "sort -k", "diff a", "tr", "exit x", "sleep x", "grep -E '('", "echo | sed -E 's/(/a(/'", "grep -z x",
    "date +%Q", "read", "printf %10000000d 3", "printf %.9999999f 3", ": | sed y/a/b/",
)  # fmt: skip
TAKEN = ("sort -k", "date +%Q")
"""Of them, what is taken as it stands."""


@pytest.mark.parametrize("line", FAILS)
def test_tools_fail_in_one_line(shell: Shell, line: str) -> None:
    output = said(shell, line)
    assert output.count("\n") <= 2 and "Traceback" not in output
    assert (shell.interpreter.variables["?"] == "0") is (line in TAKEN)


def test_what_has_an_end(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Shell(shell.machine)
    own.run(f"sleep {'9' * 400}")
    assert "beyond its end" in said(own, "date +%s")
    own.own["/tmp/f"] = "x" * (MAX_OWN - 2)
    assert said(own, "echo a >> /tmp/f") == "" and "No space left on device" in said(own, "echo b >> /tmp/f")
    assert said(own, "echo c > /tmp/f; cat /tmp/f") == "c\n"
    monkeypatch.setattr(interpret, "MAX_PRINTED", 1000)
    with pytest.raises(NoCommand, match="characters were printed"):
        own.run("while true; do seq 99; done")
    assert len(own.run("seq 99; seq 99")) < 1000
