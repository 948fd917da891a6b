"""``movable rules``, ``check`` and ``replay`` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from movable.cli import main
from movable.sequential.search import INTERRUPTED, Search
from movable.workload.program import Program

RING = "docs/drivers/ring.py:Ring"


def test_check_writes_what_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file, html_file = tmp_path / "c.json", tmp_path / "c.html"
    assert main(["check", RING, "--examples", "5", "--json", str(json_file), "--html", str(html_file)]) == 0
    assert "5 examples" in capsys.readouterr().out.splitlines()[-1]
    assert json.loads(json_file.read_text())["examples"] == 5
    assert html_file.read_text().endswith("</html>\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.html", "c.json"]


def test_json_on_standard_output_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, "--examples", "3", "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["passed"] is True
    assert captured.err == ""
    assert main(["check", "tests.drivers_for_tests.bad_drivers:Leaves", "--examples", "5", "--json", "-"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["passed"] is False
    assert "that is enough" in captured.err


def test_a_broken_must_rule_is_exit_code_one_and_prints_the_replay_line(capsys: pytest.CaptureFixture[str]) -> None:
    target = "tests.drivers_for_tests.bad_drivers:Half"
    assert main(["check", target, "--examples", "10"]) == 1
    out = capsys.readouterr().out
    token = next(line.split()[-1] for line in out.splitlines() if f"movable replay {target} m3." in line)
    assert main(["replay", target, token]) == 1
    assert "BROKEN D15" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", ""], "is no file to write to"),
        (["--json", "/"], "is no file to write to"),
        (["--html", "nowhere/c.html"], "there is no directory 'nowhere'"),
        (["--html", "-"], "'-' is for --json alone"),
        (["--waive", "D15=one", "--waive", "D15=two"], "D15 is waived already, for 'one'"),
        (["--dask", "tcp://127.0.0.1:1", "--jobs", "2"], "give one of the two"),
        (["--dask", "nowhere"], "no cluster answers there"),
    ],
)
def test_what_cannot_end_well_does_not_begin(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movable.supervise.cluster.CONNECT_SECONDS", 0.3)
    assert main(["check", RING, "--examples", "3", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("movable: ")
    assert message in captured.err


def test_a_workload_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "busy.py").write_text(
        "from docs.drivers.ring import RingWorkload\n"
        "class Quiet(RingWorkload):\n"
        "    def read(self, key):\n"
        "        return b'never'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "docs.drivers.ring:Ring", "--workload", "busy.py:Quiet", "--examples", "3", "--json", "c.json"]) == 1
    found = json.loads(Path("c.json").read_text())
    assert found["workload"] == "Quiet"
    assert "--workload busy.py:Quiet" in capsys.readouterr().out


def test_an_interrupted_check_prints_what_it_has_and_stops(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, runs = Search.learn, []

    def interrupted(search: Search, program: Program) -> None:
        learn(search, program)
        runs.append(program)
        if len(runs) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Search, "learn", interrupted)
    assert main(["check", "--installed", "--json", "-"]) == 130
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["examples"] == 3
    assert report["stopped"] == INTERRUPTED


def test_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, "--examples", "3", "--strict"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "name one driver to check, or give --installed"),
        (["check", RING, "--installed"], "name one driver to check, or give --installed"),
        (["check", "nonesuch"], "unknown driver 'nonesuch'"),
        (["check", "docs/drivers/none.py:X"], "no file 'docs/drivers/none.py'"),
        (["check", RING, "--waive", "D15"], "write D15=REASON"),
        (["check", RING, "--waive", "Q7=because"], "unknown rule 'Q7'"),
        (["check", RING, "--era", "2.4"], "unknown era '2.4'"),
        (["check", RING, "--workload", RING], "Ring is no workload"),
        (["check", "--installed", "--workload", "ring:W"], "leave --installed out"),
        (["replay", RING, "junk"], "does not begin with 'm3.'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("budget", ["0", "-3s", "soon", "3h", ""])
def test_a_budget_that_is_none(budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", RING, f"--budget={budget}"])
    assert caught.value.code == 2
    assert "write 30s or 2m" in capsys.readouterr().err


def test_an_unwritable_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", RING, "--examples", "2", "--json", str(tmp_path / "no" / "c.json")]) == 2
    assert "there is no directory" in capsys.readouterr().err
