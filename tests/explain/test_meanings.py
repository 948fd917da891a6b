"""What codes and states mean."""

from __future__ import annotations

from movable.explain.meanings import of_return, of_status


def test_codes_in_words() -> None:
    assert of_return(-16).startswith("-EBUSY") and of_return(7).startswith("7 pages") and of_return(0) == "all pages moved"
    assert of_return(-9999) == "-9999: an error of the page's owner"
    assert of_status("COMPACT_DEFERRED") and not of_status("nonsense")
