"""The balloon before the contract kit, and wrong balloons that its workload must find out."""

from __future__ import annotations

import pytest

from movable import VM
from movable.contract import GenericWorkload
from movable.workload.workload import workload_for
from movable_balloon import Balloon, balloon_page_dequeue
from movable_balloon.workload import BalloonWorkload


def test_the_kit_finds_the_workload() -> None:
    assert workload_for(Balloon) is BalloonWorkload
    assert not issubclass(BalloonWorkload, GenericWorkload)
    assert set(BalloonWorkload.operations()) == {"inflate", "deflate", "set_target", "out_of_memory"}


def test_every_operation_does_something() -> None:
    vm = VM(128 << 12)
    workload = BalloonWorkload(vm)
    sizes = []
    for name, arguments in (
        ("inflate", {"count": 10}),
        ("deflate", {"count": 3}),
        ("set_target", {"pages": 20}),
        ("out_of_memory", {}),
    ):
        workload.run(name, arguments)
        vm.run_work()
        workload.invariant()
        sizes.append(workload.driver.num_pages)
    assert sizes == [10, 7, 20, 0]
    workload.teardown()
    assert not list(workload.pages())


@pytest.mark.parametrize("harm", ["lost", "taken back", "freed"])
def test_the_invariant_sees_books_that_disagree(harm: str) -> None:
    workload = BalloonWorkload(VM(128 << 12))
    workload.run("inflate", {"count": 3})
    balloon = workload.driver
    if harm == "lost":
        balloon.num_pages -= 1
    elif harm == "taken back":
        balloon.host.owned.pop()
    else:
        page = balloon_page_dequeue(balloon.vb_dev_info)
        balloon.num_pages -= 1
        assert page is not None
    with pytest.raises(AssertionError):
        workload.invariant()
