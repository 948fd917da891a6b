"""Where a page may come back to."""

from __future__ import annotations

from movable.sequential.homes import Homes, home


def state(cold: tuple[int, ...] = (), hot: tuple[int, ...] = (), isolated: int = 0) -> object:
    """A snapshot of a driver with two lists and a count."""
    return ("ring", (("list", "cold", cold), ("list", "hot", hot), ("isolated", isolated)))


def restored(homes: Homes, was: object, now: object, pfn: int = 1) -> bool:
    answer = homes.restores(was, now, pfn)
    homes.put_back(pfn)
    return answer


def test_a_page_comes_back_to_the_list_that_it_was_on() -> None:
    assert home(state(cold=(1,)), 1) == [("ring", "cold"), ("ring", "isolated", "0")]
    homes = Homes()
    homes.look(state(cold=(1, 2)))
    assert restored(homes, state(cold=(1, 2)), state(cold=(2, 1)))
    assert not restored(homes, state(cold=(1, 2)), state(cold=(2,)))
    assert not restored(homes, state(cold=(1,)), state(cold=(1,), hot=(1,)))
    assert not restored(homes, state(cold=(1,)), state(cold=(1,), isolated=1))


def test_a_list_of_pages_that_came_back_is_home_too() -> None:
    homes = Homes()
    homes.look(state(cold=(1, 2)))
    assert restored(homes, state(cold=(1, 2)), state(cold=(2,), hot=(1,)))
    homes.look(state(cold=(2,), hot=(1,)))
    assert restored(homes, state(cold=(2,), hot=(1,)), state(hot=(1, 2)), pfn=2)


def test_a_list_of_other_pages_is_none() -> None:
    homes = Homes()
    homes.look(state(cold=(1,), hot=(2,)))
    assert not restored(homes, state(cold=(1,), hot=(2,)), state(hot=(2, 1)))


def test_lists_between_which_pages_move_anyway_stand_for_each_other() -> None:
    homes = Homes()
    homes.look(state(cold=(1, 2)))
    homes.look(state(cold=(2,), hot=(1,)))
    assert restored(homes, state(cold=(2,), hot=(1,)), state(cold=(2, 1)))
    assert restored(homes, state(cold=(2, 1)), state(cold=(1,), hot=(2,)), pfn=2)
