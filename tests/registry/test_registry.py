"""Finding, validating and binding drivers: every way to name one, and every way to get it wrong."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from movable import MIGRATE_SYNC, MR_COMPACTION, VM, ListHead, Page, UsageError, isolate_movable_page, list_add_tail, migrate_pages
from movable.hookspecs import hookimpl
from movable.registry import bind, find, installed, load, manager, validate
from tests.drivers_for_tests.ring import Ring

CALLBACKS = """
    def isolate_page({self}page, mode): return True
    def migratepage({self}mapping, newpage, page, mode): return -16
    def putback_page({self}page): pass
"""


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture
def class_file(tmp_path: Path) -> Path:
    head = "class Mine:\n    def __init__(self, vm, size=4): self.vm, self.size = vm, size"
    return write(tmp_path / "mine.py", head + CALLBACKS.format(self="self, "))


def test_the_bundled_drivers_are_installed_and_valid() -> None:
    found = {driver.name: driver for driver in installed()}
    assert {"balloon", "zsmalloc"} <= set(found)
    for name in ("balloon", "zsmalloc"):
        assert (found[name].distribution, found[name].problem) == ("movable", "")


@pytest.mark.parametrize("target", ["tests.drivers_for_tests.ring:Ring", "zsmalloc", "balloon"])
def test_names(target: str) -> None:
    assert callable(find(target))


def test_a_file_by_class_and_alone(class_file: Path) -> None:
    for target in (f"{class_file}:Mine", str(class_file)):
        driver = load(VM(), target, size=9)
        assert driver.size == 9


def test_a_file_alone_means_the_class_that_it_defines_itself(class_file: Path) -> None:
    other = write(class_file.parent / "better.py", "from mine import Mine\nclass Better(Mine): pass\n")
    sys.modules.pop("mine", None)
    assert type(load(VM(), str(other))).__name__ == "Better"
    two = write(class_file.parent / "both.py", "from mine import Mine\nclass A(Mine): pass\nclass B(Mine): pass\n")
    with pytest.raises(UsageError, match=r"both.py has several drivers; name one of them: .*both.py:A, .*both.py:B$"):
        find(str(two))


def test_a_file_is_read_anew(class_file: Path) -> None:
    assert find(f"{class_file}:Mine") is not find(f"{class_file}:Mine")


def test_a_file_of_a_package_may_import_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    package = tmp_path / "packed_driver" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    path = write(package / "driver.py", "import packed_driver.inner\nclass Mine:" + SELF)
    assert find(str(path)).__name__ == "Mine"


def test_a_module_of_functions_is_a_driver(tmp_path: Path) -> None:
    path = write(tmp_path / "functions.py", "pages = []\n" + textwrap.dedent(CALLBACKS.format(self="")))
    path.write_text(path.read_text() + "def init_module(vm, count=1): pages.append(count)\n")
    first, second = VM(), VM()
    one, two = load(first, str(path)), load(second, str(path), count=5)
    assert one is not two
    assert (one.pages, two.pages) == ([1], [5])
    assert one.vm is first
    assert first.address_spaces[one.mapping.addr] is one.mapping


SELF = CALLBACKS.format(self="self, ")

BAD_FILES = {
    "no such file": (None, "no file"),
    "syntax": ("class Mine(:", "cannot be imported: SyntaxError"),
    "raises": ("raise RuntimeError('broken\\nfor good')", "cannot be imported: RuntimeError: for good"),
    "exits": ("import sys; sys.exit(3)", "cannot be imported: SystemExit"),
    "leaves": ("raise GeneratorExit('early')", "cannot be imported: GeneratorExit: early"),
    "no class": ("class Other: pass", "has no 'Mine'; it has no class with the three callbacks"),
    "near": ("class Near:" + SELF, "has no 'Mine'; it has Near"),
    "missing": ("class Mine:\n  def isolate_page(self, page, mode): return True", "Mine has no migratepage"),
    "not a function": ("class Mine:" + SELF + "    putback_page = 3", "Mine.putback_page is a int"),
    "wrong argument": (
        "class Mine:" + SELF + "    def putback_page(self, pagina): pass",
        "Mine.putback_page wants an argument 'pagina'; it gets \\(page\\)",
    ),
    "wrong argument of a static method": (
        "class Mine:" + SELF + "    @staticmethod\n    def putback_page(pagina): pass",
        "Mine.putback_page wants an argument 'pagina'; it gets \\(page\\)",
    ),
    "the mapping of the other form": (
        "class Mine:" + SELF + "    def migrate_page(self, mapping, newpage, page, mode): return 0",
        "wants an argument 'mapping'; it gets \\(newpage, page, mode\\); kernels 4.19 to 5.19 give a mapping, and call "
        "migratepage\\(mapping, newpage, page, mode\\): rename it for them, or take the mapping out",
    ),
    "the kernel's names": (
        "class Mine:" + SELF + "    def migrate_page(self, dst, src, mode): return 0",
        "wants an argument 'dst'; it gets \\(newpage, page, mode\\); what the kernel calls dst is newpage here",
    ),
    "star": ("class Mine:" + SELF + "    def putback_page(self, *a): pass", "takes \\*a; name the arguments"),
    "async": ("class Mine:" + SELF + "    async def putback_page(self, page): pass", "asynchronous"),
    "misspelt hook": (
        "import movable\nclass Mine:" + SELF + "    @movable.hookimpl\n    def put_back(self, page): pass",
        "Mine.put_back is marked as a hook",
    ),
    "by value": (
        "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    vm: object" + SELF,
        "compares by value",
    ),
    "instance": ("class C:" + SELF + "Mine = C()", "is an instance; give the class"),
    "number": ("Mine = 3", "is a int, not a driver class"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_driver_that_cannot_be_used_is_one_line(tmp_path: Path, case: str) -> None:
    text, message = BAD_FILES[case]
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        find(f"{path}:Mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nonesuch", "unknown driver 'nonesuch'; installed are balloon, vmballoon, zsmalloc"),
        ("tests.nonesuch:X", "unknown driver"),
        ("tests.drivers_for_tests.ring:Rong", "has no 'Rong'; it has Ring"),
    ],
)
def test_unknown_names(target: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find(target)


def test_options_that_do_not_fit_and_factories_that_raise(class_file: Path) -> None:
    with pytest.raises(UsageError, match="Mine cannot be made: got an unexpected keyword argument 'colour'"):
        load(VM(), str(class_file), colour="red")

    class Raises(Ring):
        def __init__(self, vm: VM) -> None:
            raise ValueError("no luck")

    with pytest.raises(UsageError, match=r"Raises\(vm\) failed: ValueError: no luck"):
        load(VM(), Raises)


def test_a_broken_entry_point_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        metadata.EntryPoint("absent", "no_such_module:X", "movable.drivers"),
        metadata.EntryPoint("good", "tests.drivers_for_tests.ring:Ring", "movable.drivers"),
        metadata.EntryPoint("wrong", "tests.drivers_for_tests.ring:GFP_HIGHUSER_MOVABLE", "movable.drivers"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    found = {driver.name: driver for driver in installed()}
    assert found["good"].problem == ""
    assert "cannot be imported: ModuleNotFoundError" in found["absent"].problem
    assert "not a driver class" in found["wrong"].problem
    with pytest.raises(UsageError, match="not a driver class"):
        find("wrong")


class OtherRing(Ring):
    pass


def offered(tmp_path: Path, distribution: str, *points: tuple[str, str]) -> list[metadata.EntryPoint]:
    """Entry points of a distribution that is laid out in a folder."""
    folder = tmp_path / f"{distribution}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{name} = {value}\n" for name, value in points]
    (folder / "entry_points.txt").write_text("[movable.drivers]\n" + "".join(lines))
    return list(metadata.Distribution.at(folder).entry_points)


def test_a_name_that_two_distributions_offer_means_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        *offered(tmp_path, "other", ("ring", f"{__name__}:OtherRing"), ("alone", "tests.drivers_for_tests.ring:Ring")),
        *offered(tmp_path, "first", ("ring", "tests.drivers_for_tests.ring:Ring")),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    with pytest.raises(UsageError) as caught:
        find("ring")
    both = "first (tests.drivers_for_tests.ring:Ring) and other (tests.registry.test_registry:OtherRing)"
    assert str(caught.value) == f"driver 'ring' is offered by {both}; name one of them as module:Class"
    assert find("alone") is Ring and find("tests.drivers_for_tests.ring:Ring") is Ring
    found = [(driver.name, driver.distribution, driver.problem) for driver in installed()]
    assert found == [
        ("alone", "other", ""),
        ("ring", "first", "offered by other too; name it as tests.drivers_for_tests.ring:Ring"),
        ("ring", "other", "offered by first too; name it as tests.registry.test_registry:OtherRing"),
    ]


def test_a_driver_that_is_offered_twice_and_broken_says_why_it_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = offered(tmp_path, "first", ("ring", "tests.drivers_for_tests.ring:Ring"))
    points = [*offered(tmp_path, "other", ("ring", "no_such_module:X")), *right]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    problems = [driver.problem for driver in installed()]
    assert problems[0] == "offered by other too; name it as tests.drivers_for_tests.ring:Ring"
    assert "cannot be imported" in problems[1]


def test_binding_uses_the_raw_function_where_it_can() -> None:
    ring = Ring(VM())
    ops = bind(ring)
    assert ops.isolate_page == ring.isolate_page
    assert ops.migratepage == ring.migratepage


def test_a_callback_may_take_fewer_arguments() -> None:
    class Short:
        def isolate_page(self, page: Page) -> bool:
            return True

        def migratepage(self, page: Page, newpage: Page) -> tuple[Page, Page]:
            return page, newpage

        def putback_page(self) -> None:
            pass

    validate(Short, "Short")
    ops: Any = bind(Short())
    vm = VM()
    old, new = vm.alloc_page(), vm.alloc_page()
    assert ops.isolate_page(old, 8) is True
    assert ops.migratepage("mapping", new, old, 0) == (old, new)
    assert ops.putback_page(old) is None


def test_arguments_may_be_by_position_only_or_by_name_only() -> None:
    class Strict:
        def isolate_page(self, *, page: Page, mode: int) -> bool:
            return mode == 8

        def migratepage(self, page: Page, /, mode: int, *, newpage: Page) -> tuple[Page, int, Page]:
            return page, mode, newpage

        def putback_page(self, page: Page, /) -> Page:
            return page

    validate(Strict, "Strict")
    ops: Any = bind(Strict())
    assert ops.isolate_page("page", 8) is True
    assert ops.migratepage("mapping", "new", "old", 2) == ("old", 2, "new")
    assert ops.putback_page("page") == "page"


class Wrapper:
    """A third party that watches every callback of every driver."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []

    @hookimpl(wrapper=True)
    def isolate_page(self, page: Page, mode: int) -> Generator[None, bool, bool]:
        answer = yield
        self.seen.append(("isolate_page", answer))
        return answer

    @hookimpl(wrapper=True)
    def migratepage(self, mapping: object, newpage: Page, page: Page, mode: int) -> Generator[None, int, int]:
        answer = yield
        self.seen.append(("migratepage", answer))
        return answer


def test_wrappers_are_honoured_and_drivers_stay_apart() -> None:
    plugins, wrapper, vm = manager(), Wrapper(), VM()
    plugins.register(wrapper)
    first, second = load(vm, Ring, plugins=plugins), load(vm, Ring, plugins=plugins)
    page = first.add(fill=5)
    second.add(fill=6)
    pages = ListHead("to migrate")
    assert isolate_movable_page(page, 8) == 0
    list_add_tail(page._lru, pages)
    assert migrate_pages(pages, lambda page, private: vm.alloc_page(), None, None, MIGRATE_SYNC, MR_COMPACTION) == 0
    assert wrapper.seen == [("isolate_page", True), ("migratepage", 0)]
    assert [call for call, _ in first.calls] == ["isolate", "migrate"]
    assert not second.calls


def test_a_driver_without_wrappers_pays_nothing() -> None:
    vm = VM()
    ring = load(vm, Ring, plugins=manager())
    assert ring.mapping.a_ops.isolate_page == ring.isolate_page


def test_a_file_may_import_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a_neighbour.py").write_text("class Tiny:" + CALLBACKS.format(self="self, "))
    (tmp_path / "a_driver.py").write_text("from a_neighbour import Tiny\nclass Mine(Tiny): pass\n")
    assert find(f"{tmp_path / 'a_driver.py'}:Mine").__name__ == "Mine"


def test_a_module_in_this_directory_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_module_here.py").write_text("class Tiny:" + CALLBACKS.format(self="self, "))
    assert find("a_module_here:Tiny").__name__ == "Tiny"


def test_no_module_at_all() -> None:
    with pytest.raises(UsageError, match="names no module"):
        find(":Tiny")
