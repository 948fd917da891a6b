"""The machine behind the prompt: as ``movable run`` leaves it before compaction, or with nothing in it but its drivers."""

from __future__ import annotations

from movable.eras import DEFAULT
from movable.lab.options import Options, check
from movable.lab.state import Run, load_drivers, plan
from movable.lab.steps import fill_memory, free_part
from movable.lab.terminal import Terminal
from movable.lab.workloads import hands_out_stores
from movable.mm.compaction_proactive import PROACTIVENESS
from movable.mm.page import Page


class Machine:
    """A booted machine. ``run`` has its drivers and its data; ``huge`` are the huge pages of the pool (nr_hugepages).

    ``proactiveness`` is how eagerly memory is compacted before anybody asks (vm.compaction_proactiveness).
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.vm = run.vm
        self.huge: list[Page] = []
        self.proactiveness = PROACTIVENESS


def boot(memory: str, nodes: int, drivers: str, seed: int, *, empty: bool, era: str = DEFAULT) -> Machine:
    """Boot, load drivers and, unless ``empty``, fill memory and break it up. Raises UsageError for bad options."""
    run = Run(check(Options(memory=memory, nodes=nodes, drivers=drivers, seed=seed, era=era)))
    load_drivers(run)
    if empty:
        for driver in run.drivers:
            if hands_out_stores(driver.instance):
                driver.instance.open_store(run.vm.nr_frames // 4)
        return Machine(run)
    plan(run)
    quiet = Terminal(2, quiet=True)
    fill_memory(run, quiet)
    free_part(run, quiet)
    return Machine(run)
