"""The recording script: what it says, sets, refuses, and cleans up."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from movable.trace.record.probes import FILTERS
from movable.trace.record.script import recording_script
from tests.processes import started
from tests.trace.record.test_probes import BAD, recorded

MKDIR = """#!/bin/sh
# makes the files that a new tracing instance has
case $1 in */instances/movable) ;; *) exec /bin/mkdir "$@";; esac
[ -e "$1" ] && exit 1
/bin/mkdir -p "$1/per_cpu/cpu0" "$1/per_cpu/cpu1" "$1/events/migrate/mm_migrate_pages"
sed -n 's/^[pr][0-9]*:kp.\\([a-z0-9_]*\\) .*/\\1/p' "$TRACEFS/kprobe_events" |
  while read -r e; do /bin/mkdir -p "$1/events/kp/$e"; done
echo 0 > "$1/events/migrate/mm_migrate_pages/enable"
for c in 0 1; do
  printf 'entries: 5\\noverrun: %s\\ncommit overrun: 0\\ndropped events: 0\\n' "$OVERRUN" > "$1/per_cpu/cpu$c/stats"
done
cp "$TRACEFS/../recorded" "$1/trace"
"""

RMDIR = """#!/bin/sh
case $1 in */instances/movable) cp -r "$1" "$TRACEFS/../was"; rm -r "$1";; *) exec /bin/rmdir "$@";; esac
"""


def heed_signals() -> None:
    """A shell cannot trap what was ignored when it began, as under nohup."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Pretended:
    """A folder that looks like tracefs as far as the script looks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tracefs = folder / "tracefs"
        (self.tracefs / "instances").mkdir(parents=True)
        (self.tracefs / "kprobe_events").write_text("")
        (folder / "recorded").write_text("# tracer: nop\n  sh-1 [000] ..... 1.0: folio_unlock: (x) page=0x0\n")
        tools = folder / "tools"
        tools.mkdir()
        for name, text in (("mkdir", MKDIR), ("rmdir", RMDIR), ("getconf", "#!/bin/sh\necho 2\n")):
            (tools / name).write_text(text)
            (tools / name).chmod((tools / name).stat().st_mode | stat.S_IXUSR)
        self.script = folder / "record.sh"
        self.script.write_text(recording_script(BAD, "bad"))
        self.environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TRACEFS": str(self.tracefs),
            "OVERRUN": "0",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self.script), *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=heed_signals,
        )

    def probes(self) -> list[str]:
        return (self.tracefs / "kprobe_events").read_text().splitlines()


@pytest.fixture
def pretended(tmp_path: Path) -> Pretended:
    if shutil.which("awk") is None:
        pytest.skip("needs awk")
    return Pretended(tmp_path)


def test_script_is_valid_shell(pretended: Pretended) -> None:
    subprocess.run(["sh", "-n", str(pretended.script)], check=True)
    assert "@" not in pretended.script.read_text().replace('"$@"', "")


def test_script_records_and_cleans_up(pretended: Pretended) -> None:
    done = pretended.run("-o", "out.txt", "--", "sh", "-c", "echo worked > did")
    assert done.returncode == 0, done.stderr
    assert (pretended.folder / "did").read_text() == "worked\n"
    lines = pretended.probes()
    set_, removed = [line for line in lines if line[0] != "-"], [line for line in lines if line[0] == "-"]
    assert set_ == recorded("bad")
    assert removed == [f"-:kp/{line.split()[0].split('/')[1]}" for line in set_]
    assert not (pretended.tracefs / "instances" / "movable").exists()
    was = pretended.folder / "was"
    assert (was / "events/kp/folio_unlock/filter").read_text().strip() == FILTERS["folio_unlock"]
    assert not (was / "events/kp/set_page_movable/filter").exists()
    assert (was / "events/kp/bad_migrate_ret/enable").read_text() == "1\n"
    assert (was / "events/migrate/mm_migrate_pages/enable").read_text() == "1\n"
    assert (was / "trace_clock").read_text() == "global\n"
    text = (pretended.folder / "out.txt").read_text()
    assert text.startswith("# movable: driver=bad era=6.1 lost=0 missed=0 refused=\n# tracer: nop\n")
    assert "1 events, 0 lost, 0 missed" in done.stderr


def test_script_tells_of_lost_events(pretended: Pretended) -> None:
    pretended.environment["OVERRUN"] = "7"
    (pretended.tracefs / "kprobe_profile").write_text("  bad_migrate_ret     10     3\n  other  1  99\n")
    done = pretended.run("-o", "out.gz", "-t", "0")
    assert done.returncode == 0, done.stderr
    assert "14 lost, 3 missed" in done.stderr and "record again" in done.stderr
    assert not (pretended.folder / "out.gz.part").exists()
    unpacked = subprocess.run(["gzip", "-dc", str(pretended.folder / "out.gz")], capture_output=True, text=True, check=True)
    assert "lost=14 missed=3" in unpacked.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_script_cleans_up_when_interrupted(number: int, code: int, pretended: Pretended) -> None:
    with started(
        ["sh", str(pretended.script), "-t", "60"],
        env=pretended.environment,
        cwd=pretended.folder,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_signals,
    ) as running:
        instance = pretended.tracefs / "instances" / "movable"
        for _ in range(5000):
            if (instance / "trace_marker").exists():
                break
            time.sleep(0.02)
        running.send_signal(number)
        assert running.wait(timeout=100) == code
    assert not instance.exists()
    lines = pretended.probes()
    assert len([line for line in lines if line[0] == "-"]) == len(recorded("bad")) == len(lines) / 2


def left_behind(pretended: Pretended) -> set[str]:
    """Probes that were set and not removed."""
    lines = pretended.probes()
    set_ = {line.split()[0].partition(":")[2] for line in lines if line[0] != "-"}
    return set_ - {line.removeprefix("-:") for line in lines if line[0] == "-"}


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130), ("HUP", 129)])
@pytest.mark.parametrize("number", [1, 2, 17, len(recorded("bad"))])
def test_script_interrupted_right_after_it_set_a_probe(number: int, name: str, code: int, pretended: Pretended) -> None:
    """The kernel takes its time to set a probe; the signal is served when the write is done."""
    text = pretended.script.read_text()
    slow = 'SET=0\nslow() { echo "$@"; SET=$((SET + 1)); [ "$SET" -ne NUMBER ] || kill -SIGNAL $$; }\n'
    assert text.count("if echo ") == 1
    text = text.replace("set -u\n", "set -u\n" + slow.replace("NUMBER", str(number)).replace("SIGNAL", name), 1)
    pretended.script.write_text(text.replace("if echo ", "if slow "))
    done = pretended.run("-t", "0")
    assert done.returncode == code and "could not" not in done.stderr
    assert sum(line[0] != "-" for line in pretended.probes()) == number
    assert not left_behind(pretended) and not list(pretended.folder.glob("*.part"))


def test_script_interrupted_while_it_makes_its_instance(pretended: Pretended) -> None:
    tool = pretended.folder / "tools" / "mkdir"
    tool.write_text(MKDIR + "kill -TERM $PPID\n")
    done = pretended.run("-t", "60")
    assert done.returncode == 143 and "could not" not in done.stderr
    assert not (pretended.tracefs / "instances" / "movable").exists() and not left_behind(pretended)


def test_script_interrupted_before_it_makes_its_instance(pretended: Pretended) -> None:
    (pretended.folder / "tools" / "mkdir").write_text("#!/bin/sh\nkill -TERM $PPID\nexit 1\n")
    done = pretended.run("-t", "60")
    assert done.returncode == 143 and "could not" not in done.stderr and "No such" not in done.stderr
    assert not left_behind(pretended)


def test_script_refuses_to_disturb_another(pretended: Pretended) -> None:
    (pretended.tracefs / "kprobe_events").write_text("p:kp/mine do_exit\n")
    done = pretended.run("-t", "0")
    assert done.returncode == 1 and "another recording is running" in done.stderr
    assert pretended.probes() == ["p:kp/mine do_exit"]
    (pretended.tracefs / "kprobe_events").write_text("")
    (pretended.tracefs / "instances" / "movable").mkdir()
    done = pretended.run("-t", "0")
    assert done.returncode == 1 and "another recording is running" in done.stderr
    assert not pretended.probes() and (pretended.tracefs / "instances" / "movable").exists()


def test_what_the_script_says_after_a_kill_cleans_up(pretended: Pretended) -> None:
    """First the instance, in which the probes are on, then the probes of our group and no others."""
    events = pretended.tracefs / "kprobe_events"
    mine = "p:kp/one do_exit page=%di:x64\nr16:kp/two_ret do_exit\n"
    events.write_text("p:other/theirs do_exit\n" + mine)
    (pretended.tracefs / "instances" / "movable").mkdir()
    said = pretended.run("-t", "0").stderr.splitlines()[1:]
    assert said[0].split() == ["rmdir", str(pretended.tracefs / "instances" / "movable")]
    subprocess.run(["sh", "-ec", "\n".join(said)], env=pretended.environment, cwd=pretended.folder, check=True)
    assert not (pretended.tracefs / "instances" / "movable").exists()
    assert left_behind(pretended) == {"other/theirs"}
    assert [line for line in pretended.probes() if line[0] == "-"] == ["-:kp/one", "-:kp/two_ret"]


def test_script_needs_tracefs(pretended: Pretended) -> None:
    (pretended.tracefs / "kprobe_events").unlink()
    done = pretended.run()
    assert done.returncode == 1 and "run as root" in done.stderr
    assert pretended.run("--what").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "nosuch/out.txt"), "cannot write nosuch/out.txt.part"),
        (("-o", "tracefs"), "no regular file"),
        (("-t", "abc"), "'abc' is no number"),
        (("-b", "1M"), "'1M' is no number"),
    ],
)
def test_script_refuses_before_it_records(arguments: tuple[str, ...], words: str, pretended: Pretended) -> None:
    done = pretended.run(*arguments, "--", "touch", "did")
    assert done.returncode == 1 and words in done.stderr
    assert not (pretended.folder / "did").exists() and not pretended.probes()
    assert not list(pretended.folder.rglob("*.part"))
