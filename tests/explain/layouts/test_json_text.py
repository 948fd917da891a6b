"""JSON of tools that carries a kernel's text."""

from __future__ import annotations

import json

from movable.explain.layouts.json_text import texts


def test_a_message_is_the_text_and_other_keys_are_named() -> None:
    assert texts(json.dumps({"MESSAGE": "pgmigrate_success 5"})) == ["pgmigrate_success 5"]
    assert texts('"compact_stall": 12,') == ["compact_stall: 12"]


def test_what_is_no_json_is_none() -> None:
    assert texts("Node 0, zone Normal 1 2 3") is None
