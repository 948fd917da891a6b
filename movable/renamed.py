"""Modules and names that have moved, found in their old places for as long as scripts use those; each use warns once.

A module that moved to a room of its own, or that took the kernel's file name, is the same module under both names.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

MOVED = {
    "apart": "registry.apart",
    "concurrent.annotate": "concurrent.failures.annotate",
    "concurrent.derive": "concurrent.plan.derive",
    "concurrent.explain": "concurrent.failures.explain",
    "concurrent.precheck": "concurrent.plan.precheck",
    "concurrent.probe": "concurrent.plan.probe",
    "concurrent.replay": "concurrent.failures.replay",
    "concurrent.states": "concurrent.plan.states",
    "concurrent.failures.timeline": "explore.failures.timeline",
    "concurrent.timeline": "explore.failures.timeline",
    "contract.audit": "sequential.bookkeeping",
    "contract.certificate": "contract.certify",
    "contract.compare": "contract.show.compare",
    "contract.concurrent": "concurrent.execution",
    "contract.concurrent_campaign": "concurrent.campaign",
    "contract.concurrent_explain": "concurrent.failures.explain",
    "contract.concurrent_names": "explore.instrument.bytecode",
    "contract.concurrent_orders": "concurrent.linearizability",
    "contract.concurrent_points": "concurrent.seam",
    "contract.concurrent_reach": "explore.instrument.reachable",
    "contract.concurrent_replay": "concurrent.failures.replay",
    "contract.concurrent_search": "concurrent.search",
    "contract.concurrent_stage": "concurrent.stage",
    "contract.concurrent_state": "concurrent.globals",
    "contract.concurrent_tell": "concurrent.failures.annotate",
    "contract.draw": "workload.generate",
    "contract.faults": "sequential.faults",
    "contract.lanes": "explore.failures.timeline",
    "contract.machine": "sequential.harness",
    "contract.matrix": "contract.show.matrix",
    "contract.monitor": "rules.stream.monitor",
    "contract.observe": "sequential.observers",
    "contract.outside": "concurrent.plan.precheck",
    "contract.port": "contract.new.port",
    "contract.program": "workload.program",
    "contract.replay": "contract.show.replay",
    "contract.report_html": "contract.show.html",
    "contract.rule_table": "rules.rule",
    "contract.rules": "rules.table",
    "contract.scaffold": "contract.new.scaffold",
    "contract.scaffold_era": "contract.new.scaffold_era",
    "contract.scenario": "workload.scenario",
    "contract.scenario_derive": "concurrent.plan.derive",
    "contract.seeds": "contract.show.seeds",
    "contract.show_museum": "contract.show.museum",
    "contract.show_rules": "contract.show.rules",
    "contract.story": "sequential.narrate",
    "contract.workload": "workload.workload",
    "explore.audit": "explore.detect.commutativity",
    "explore.bounded": "explore.schedulers.preemption_bounded",
    "explore.buffers": "explore.instrument.buffers",
    "explore.classes": "explore.instrument.classes",
    "explore.containers": "explore.instrument.containers",
    "explore.dfs": "explore.schedulers.dfs",
    "explore.dpor": "explore.schedulers.dpor",
    "explore.heaps": "explore.instrument.heapq_calls",
    "explore.hooks": "explore.instrument.hooks",
    "explore.inplace": "explore.instrument.class_swap",
    "explore.lockorder": "explore.detect.lock_order",
    "explore.opcodes": "explore.instrument.opcodes",
    "explore.portfolio": "explore.schedulers.portfolio",
    "explore.pos": "explore.schedulers.pos",
    "explore.races": "explore.detect.data_races",
    "explore.record": "explore.failures.recorder",
    "explore.shrink": "explore.failures.shrink",
    "explore.strategy": "explore.schedulers.strategy",
    "explore.surw": "explore.schedulers.surw",
    "explore.timeline": "explore.failures.timeline",
    "explore.failures.token": "explore.failures.schedule_token",
    "explore.token": "explore.failures.schedule_token",
    "explore.tree": "explore.schedulers.tree",
    "explore.urw": "explore.schedulers.urw",
    "frames.play": "frames.imported",
    "lab.experiment": "lab.run",
    "mm.compact_control": "mm.compaction_control",
    "mm.compact_defer": "mm.compaction",
    "mm.compact_scan": "mm.compaction_scan",
    "mm.contig": "mm.page_alloc_contig",
    "mm.events": "events",
    "mm.fragmentation": "mm.vmstat",
    "mm.hotplug": "mm.memory_hotplug",
    "mm.isolation": "mm.migrate",
    "mm.lru": "mm.swap",
    "mm.node": "mm.mmzone",
    "mm.pagemap": "mm.filemap_cache",
    "mm.page_reclaim": "mm.page_alloc_slowpath",
    "mm.soft_offline": "mm.memory_failure",
    "mm.steps": "mm.seam",
    "mm.zone": "mm.mmzone",
    "museum.core_counts": "museum.core.counts",
    "museum.core_lists": "museum.core.lists",
    "museum.core_retry": "museum.filesystems",
    "museum.core_types": "museum.core.types",
    "museum.n_answers": "museum.invented.answers",
    "museum.n_content": "museum.invented.content",
    "museum.n_context": "museum.invented.context",
    "museum.n_marks": "museum.invented.marks",
    "museum.n_references": "museum.invented.references",
    "museum.n_sticky": "museum.invented.sticky",
    "museum.race_balloon": "museum.races.balloon",
    "museum.race_batch": "museum.races.batch",
    "museum.race_chain": "museum.races.chain",
    "museum.race_ends": "museum.races.ends",
    "museum.race_handle_word": "museum.races.handle_word",
    "museum.race_handles": "museum.races.handles",
    "explore.instrument.attributes": "introspection",
    "museum.race_scanner": "museum.races.scanner",
    "museum.race_shrinker": "museum.races.shrinker",
    "museum.race_words": "museum.races.words",
    "rooms": "introspection",
    "rules.history": "rules.stream.history",
    "rules.monitor": "rules.stream.monitor",
    "show_api": "cli.api",
    "show_drivers": "cli.drivers",
    "trace.again": "trace.judge.clock_skew",
    "trace.calls": "trace.read.call_stack",
    "trace.columns": "trace.read.columns",
    "trace.conform": "trace.judge.conformance",
    "trace.consistency": "trace.judge.gaps",
    "trace.export": "trace.show.export",
    "trace.lives": "trace.show.isolations",
    "trace.model_types": "trace.read.model_types",
    "trace.picture": "trace.show.svg",
    "trace.probes": "trace.record.probes",
    "trace.progress": "trace.show.progress",
    "trace.source": "trace.read.source",
    "trace.summary": "trace.show.summary",
    "trace.told": "trace.read.model_file",
    "trace.verdicts": "trace.show.verdicts",
    "trace.visible": "trace.judge.visible",
    "trace.vocabulary": "trace.read.vocabulary",
}
"""Old name to new, both below ``movable``."""

MOVED_NAMES = {
    "lab.run": {"lab.state": "DEFAULT_SHARE DRIVER_SHARE Loaded Offlined TEXT_SHIFT"},
    "mm.filemap_cache": {"mm.filemap": "end_page_writeback", "mm.page_writeback": "set_page_writeback"},
    "mm.locks": {
        "mm.atomic": "AtomicLong",
        "mm.bit_spinlock": "Cell bit_spin_is_locked bit_spin_lock bit_spin_trylock bit_spin_unlock clear_bit_unlock",
        "mm.wait": "WaitQueue",
        "mm.workqueue": "WORK_LIMIT Work WorkQueue",
    },
    "mm.mlock": {"mm.gup": "mm_populate populate_vma_page_range", "mm.mlock_calls": "do_mlock do_munlock mlock_fixup"},
    "mm.mmzone": {"mm.page_alloc_watermarks": "min_free_pages setup_per_zone_wmarks zone_watermark_ok"},
    "mm.page": {"mm.highmem": "clear_highpage copy_highpage"},
    "mm.page_flags": {"mm.util": "page_mapping"},
    "mm.swap": {
        "mm.compaction_scan": "too_many_isolated",
        "mm.filemap": "wait_on_page_writeback",
        "mm.mlock": "mlock_page munlock_page",
        "mm.vmscan_isolate": "count_isolated end_lru_isolation is_lru_page isolate_lru_for_compaction isolate_lru_page "
        "move_lru_page putback_lru_page release_isolated_lru_page",
    },
}
"""Of modules that are still there, which names have gone where."""


class Renamed:
    """Finds a module by its old name, and loads it.

    It has none of the base classes of importlib.abc, which would import a large part of the library.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for an old name, and for a module that has lost names; None for any other."""
        name = fullname.removeprefix("movable.")
        if name == fullname:
            return None
        if name in MOVED:
            return importlib.machinery.ModuleSpec(fullname, cast("Loader", self))
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if name in MOVED_NAMES else None
        if spec is not None and spec.origin is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Leading(fullname, spec.origin)
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """An ordinary module, to begin with."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the place of the one that was asked for."""
        name = f"movable.{MOVED[module.__name__.removeprefix('movable.')]}"
        warnings.warn(f"{module.__name__} is now {name}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(name)
        _lead_on(name)


class Leading(importlib.machinery.SourceFileLoader):
    """Loads a module whose file has lost names, and lets it find them."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, whenever it is imported."""
        super().exec_module(module)
        _lead_on(module.__name__)


def install() -> None:
    """Look for old names before anything else: a module that lost some is found by its own name, too."""
    if not any(isinstance(finder, Renamed) for finder in sys.meta_path):
        sys.meta_path.insert(0, Renamed())
    for name in MOVED_NAMES:
        _lead_on(f"movable.{name}")


def _lead_on(name: str) -> None:
    """Let a module that is loaded find the names that it once had."""
    moved = MOVED_NAMES.get(name.removeprefix("movable."), {})
    homes = {word: f"movable.{home}" for home, words in moved.items() for word in words.split()}

    def find(word: str) -> object:
        if word not in homes:
            raise AttributeError(f"module {name!r} has no attribute {word!r}")
        warnings.warn(f"{name}.{word} is now in {homes[word]}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(homes[word]), word)

    if homes and name in sys.modules:
        vars(sys.modules[name])["__getattr__"] = find
