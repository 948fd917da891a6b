"""Mail that was sent as quoted-printable."""

from __future__ import annotations

from movable.explain.layouts.quoted_printable import unquoted


def test_signs_and_lines_that_go_on_are_whole_again() -> None:
    mail = ["Node 0, zone   Normal   1   2 =", " 3   4", "a=3Db and =C3 stay"]
    assert [text for _, text in unquoted(mail)] == ["Node 0, zone   Normal   1   2  3   4", "a=b and =C3 stay"]


def test_another_text_is_left_as_it_is() -> None:
    assert list(unquoted(["a = b", "c ="])) == [(1, "a = b"), (2, "c =")]
