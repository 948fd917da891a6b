"""One migration in a plain run against a bare floor, and what the seam costs when nobody uses it.

The floor for one page is what no model can do without: one copy of 4 KiB and three empty Python calls. One migration is an
isolation, the loop, the driver's three-line callback and the release of the old page; targets come ready-made, as compaction's do.
"""

from __future__ import annotations

import ast
import gc
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from movable import (
    GFP_HIGHUSER_MOVABLE,
    MIGRATE_SYNC,
    MR_COMPACTION,
    VM,
    AddressSpace,
    ClearPageMovable,
    ListHead,
    Page,
    SetPageMovable,
    copy_highpage,
    get_page,
    isolate_movable_page,
    list_add_tail,
    migrate_pages,
    put_page,
)

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parent.parent.parent
PAGES = 1000
ROUNDS = 15
GOAL = 15.0
SEAM_GOAL = 1.05


class Leanest:
    """The least that a correct driver can do: it keeps one page in an attribute of each page."""

    def __init__(self, vm: VM) -> None:
        self.mapping = vm.address_space(self, "leanest")

    def isolate_page(self, page: Page, mode: int) -> bool:
        return True

    def migratepage(self, mapping: AddressSpace, newpage: Page, page: Page, mode: int) -> int:
        copy_highpage(newpage, page)
        get_page(newpage)
        SetPageMovable(newpage, mapping)
        ClearPageMovable(page)
        put_page(page)
        return 0

    def putback_page(self, page: Page) -> None:
        pass


def build(vm: VM | None = None) -> tuple[VM, list[Page], list[Page]]:
    """A machine with PAGES movable pages and as many targets, all of them touched."""
    vm = VM(memory=16 << 20) if vm is None else vm
    driver = Leanest(vm)
    pages, targets = [], []
    for _ in range(PAGES):
        page, target = vm.alloc_page(GFP_HIGHUSER_MOVABLE), vm.alloc_page(GFP_HIGHUSER_MOVABLE)
        assert page is not None
        assert target is not None
        page.data[:] = target.data[:] = b"x" * 4096
        page.flags |= 1
        SetPageMovable(page, driver.mapping)
        page.flags &= ~1
        pages.append(page)
        targets.append(target)
    return vm, pages, targets


def migrate_all(pages: list[Page], targets: list[Page]) -> None:
    isolated = ListHead("to migrate")
    for page in pages:
        isolate_movable_page(page, 8)
        list_add_tail(page._lru, isolated)
    left = migrate_pages(isolated, lambda page, private: targets.pop(), None, None, MIGRATE_SYNC, MR_COMPACTION)
    assert left == 0


def empty() -> None:
    pass


def floor(views: list[memoryview]) -> None:
    for source, target in zip(views, reversed(views), strict=True):
        target[:] = source
        empty()
        empty()
        empty()


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    start = time.process_time()
    work()
    elapsed = time.process_time() - start
    gc.enable()
    return elapsed


def measure() -> tuple[float, float]:
    """Seconds for the floor and for PAGES migrations, best of ROUNDS."""
    floors, runs = [], []
    memory = memoryview(bytearray(PAGES * 4096))
    views = [memory[at : at + 4096] for at in range(0, PAGES * 4096, 4096)]
    for _ in range(ROUNDS):
        _, pages, targets = build()
        runs.append(seconds(lambda pages=pages, targets=targets: migrate_all(pages, targets)))  # type: ignore[misc]
        floors.append(seconds(lambda: floor(views)))
    return min(floors), min(runs)


def test_one_migration_against_the_floor() -> None:
    floor_time, migration = measure()
    ratio = migration / floor_time
    print(f"\nmigration {migration / PAGES * 1e6:.2f} us, floor {floor_time / PAGES * 1e6:.2f} us, ratio {ratio:.1f} (goal {GOAL})")
    assert ratio <= GOAL


class WithoutSeam(ast.NodeTransformer):
    """Takes every ``if seam is not None`` out of a module, and then every ``seam = ...`` that nothing reads any more."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        self.generic_visit(node)
        test = ast.unparse(node.test)
        if test.endswith("seam is not None"):
            return node.orelse or ast.Pass()
        if test.endswith("seam is None"):
            return node.body
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        names = [name for name in ast.walk(node) if isinstance(name, ast.Name) and name.id == "seam"]
        if not any(isinstance(name.ctx, ast.Load) for name in names):
            unread = [line for line in node.body if ast.unparse(line).startswith("seam = ")]
            node.body = [line for line in node.body if line not in unread] or [ast.Pass()]
        return node


def test_the_seam_is_free(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(ROOT / "movable", bare / "movable", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (bare / "movable" / "mm").glob("*.py"):
        path.write_text(ast.unparse(WithoutSeam().visit(ast.parse(path.read_text()))))
    code = "from tests.benchmarks.test_migration_bench import measure; print(measure()[1])"

    def run(root: Path) -> float:
        environment = {"PYTHONPATH": f"{root}:{ROOT}", "PATH": ""}
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=root)
        return float(result.stdout)

    pairs = [(run(ROOT), run(bare)) for _ in range(9)]
    ratio = min(with_seam for with_seam, _ in pairs) / min(without for _, without in pairs)
    spread = ", ".join(f"{with_seam / without:.3f}" for with_seam, without in pairs)
    print(f"\nwith the seam / without it: {ratio:.3f}, best against best; pair by pair {spread} (goal {SEAM_GOAL})")
    assert ratio <= SEAM_GOAL
