"""What movable rules prints."""

from __future__ import annotations

import pytest

from movable.cli import main


def test_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    assert "D17" in capsys.readouterr().out
    assert main(["rules", "D17"]) == 0
    assert capsys.readouterr().out.startswith("D17: ")
    assert main(["rules", "D170"]) == 2
    assert "did you mean" in capsys.readouterr().err
