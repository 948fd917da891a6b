"""Shells complete commands and options by a script that is made from the parser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from movable.cli import main
from movable.cli.completion import SHELLS

pytest.importorskip("shtab")
ASK = """
source {script}
COMP_WORDS=(movable check --ex); COMP_CWORD=2
_shtab_movable movable --ex check
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "executions" in script and "movable" in script


def test_bash_completes_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = tmp_path / "movable.bash"
    script.write_text(capsys.readouterr().out)
    done = subprocess.run(["bash", "-c", ASK.format(script=script)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["--examples", "--executions"], done.stderr


def test_a_shell_that_is_not_known_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["completion", "tcsh"])
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
