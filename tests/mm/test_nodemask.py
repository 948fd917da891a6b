"""Sets of nodes: positions, what a mask means elsewhere, and lists as the kernel reads and prints them."""

from __future__ import annotations

import pytest

from movable.mm.nodemask import (
    MAX_NUMNODES,
    first_node,
    format_nodelist,
    node_remap,
    nodes,
    nodes_remap,
    nth_node,
    parse_nodelist,
    position,
    relative_nodemask,
)


def test_positions_count_the_nodes_of_a_mask() -> None:
    mask = 0b101100
    assert list(nodes(mask)) == [2, 3, 5] and first_node(0) == MAX_NUMNODES
    assert [nth_node(mask, n) for n in range(4)] == [2, 3, 5, 2]
    assert [position(mask, node) for node in (2, 3, 4, 5)] == [0, 1, -1, 2]


def test_a_mask_means_the_nodes_at_the_same_positions() -> None:
    assert node_remap(3, 0b1100, 0b110000) == 5 and node_remap(7, 0b1100, 0b110000) == 7
    assert nodes_remap(0b11100, 0b1100, 0b110000) == 0b110000
    assert relative_nodemask(0b1011, 0b110000) == 0b110000 and relative_nodemask(0b1, 0) == 0


@pytest.mark.parametrize(
    ("text", "mask", "said"),
    [("0-2,5", 0b100111, "0-2,5"), ("0-7:1/2", 0b1010101, "0,2,4,6"), ("3\n", 0b1000, "3"), ("", 0, ""), (",1,,", 0b10, "1")],
)
def test_lists(text: str, mask: int, said: str) -> None:
    assert parse_nodelist(text) == mask and format_nodelist(mask) == said


def test_all_and_the_last() -> None:
    assert parse_nodelist("all") == (1 << MAX_NUMNODES) - 1 and parse_nodelist("N") == 1 << MAX_NUMNODES - 1


@pytest.mark.parametrize(
    ("text", "error"),
    [("2-1", ValueError), ("x", ValueError), ("1:1/2", ValueError), ("0-7:3/2", ValueError), ("0-7:1/0", ValueError),
     ("1024", OverflowError), ("99999999999", OverflowError)],
)  # fmt: skip
def test_what_is_no_list(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_nodelist(text)
