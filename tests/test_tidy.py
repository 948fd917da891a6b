"""The house rules that a machine can check: file and function lengths, arrows between rooms, import time, words."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = sorted((ROOT / "movable").rglob("*.py")) + sorted((ROOT / "drivers").rglob("*.py"))
EVERYTHING = PRODUCT + sorted((ROOT / "tests").rglob("*.py"))
OURS = [ROOT / name for name in ("movable", "drivers", "tests", "docs", ".ci", "README.md", "CHANGELOG.md", "pyproject.toml")]
"""What belongs to the project; whatever else lies in a checkout (environments, output of a run) is nobody's business."""
FILE_LIMIT = 600
MEDIAN_LIMIT = 200
FUNCTION_LIMIT = 35
LONG = 40
FOLDER_LIMIT = 15
SAME_LINES = 10
FLAT_AS_THE_KERNEL = {"movable/mm", "movable/c/include/linux", "tests/mm"}
CANNOT_BIND = 100.0
"""Seconds of a check that no machine needs for what a test looks for."""
BY_TIME = {
    "test_a_check_by_time_ends_in_its_time": "nothing is looked for: it ends",
    "test_options_that_contradict_one_another": "the budget is refused",
    "command": "tests/test_chaos.py expects no finding",
}
"""Functions of tests that give a check seconds, and why it does not matter how fast the machine is."""
FORBIDDEN_NAMES = {"utils", "common", "helpers", "util", "misc"}

# Which rooms of movable a file of a room may import. "names" are the package file, errors, eras and hookspecs.
ARROWS = {
    "mm": {"mm", "names"},
    "supervise": {"supervise", "names"},
    "explore": {"explore", "supervise", "names"},
    "rules": {"rules", "mm", "names"},
    "workload": {"workload", "mm", "names"},
    "sequential": {"sequential", "supervise", "workload", "rules", "mm", "registry", "names"},
    "concurrent": {"concurrent", "supervise", "sequential", "workload", "rules", "explore", "mm", "registry", "names"},
    "filesystems": {"filesystems", "workload", "rules", "explore", "mm", "names"},
    "contract": {
        *("contract", "supervise", "concurrent", "sequential", "workload", "filesystems", "rules", "mm", "explore", "registry"),
        "names",
    },
    "c": {"c", "supervise", "workload", "mm", "explore", "names"},
    "museum": {"museum", "contract", "workload", "mm", "names"},
    "trace": {"trace", "rules", "mm", "contract", "names"},
    "explain": {"explain", "frames", "trace", "mm", "names"},
    "frames": {"frames", "mm", "names"},
    "numa": {"numa", "mm", "explore", "registry", "names"},
    "sh": {"sh", "lab", "numa", "mm", "names"},
    "lab": {"lab", "frames", "explore", "supervise", "mm", "registry", "trace", "names"},
    "registry": {"mm", "names", "registry", "supervise"},
}
NAMES = {"early", "errors", "eras", "events", "files", "hookspecs", "introspection", ""}
HEAVY = set("pytest hypothesis numpy matplotlib rich greenlet lz4 html json pathlib tempfile subprocess".split())


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_too_long() -> None:
    long = {str(path.relative_to(ROOT)): lines(path) for path in EVERYTHING if lines(path) > FILE_LIMIT}
    assert not long


def test_no_folder_has_too_many_files() -> None:
    headers = [path for room in ("movable", "drivers") for path in (ROOT / room).rglob("*.[ch]")]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in [*EVERYTHING, *headers])
    assert not {folder: count for folder, count in counts.items() if count > FOLDER_LIMIT and folder not in FLAT_AS_THE_KERNEL}


def test_median_file_is_short() -> None:
    assert statistics.median(lines(path) for path in PRODUCT if lines(path) > 3) < MEDIAN_LIMIT


def test_nine_functions_in_ten_are_short() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    short = sum(1 for length in lengths if length <= FUNCTION_LIMIT)
    assert short >= 0.9 * len(lengths)


def test_a_long_function_says_why() -> None:
    """Branches are counted by ruff (C901, PLR0912); a comment beside the exception gives the reason there, too."""
    silent = []
    for path in PRODUCT:
        text = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(text))):
            if isinstance(node, ast.FunctionDef):
                long = (node.end_lineno or node.lineno) - node.lineno + 1 > LONG
                if long and not any("#" in line for line in text[node.lineno - 2 : node.lineno]):
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not silent


def test_nothing_is_written_twice() -> None:
    """No run of ten lines stands in two places; imports, comments and lone brackets are passed over."""
    places: dict[tuple[str, ...], list[str]] = {}
    for path in PRODUCT:
        kept = [(number, line.strip()) for number, line in enumerate(path.read_text().splitlines(), 1)]
        kept = [line for line in kept if line[1].strip("()[]{},:\"") and not line[1].startswith(("#", "from ", "import "))]
        for at in range(len(kept) - SAME_LINES + 1):
            run = tuple(line for _, line in kept[at : at + SAME_LINES])
            places.setdefault(run, []).append(f"{path.relative_to(ROOT)}:{kept[at][0]}")
    assert not [where for where in places.values() if len(where) > 1]


def test_no_file_is_called_utils() -> None:
    named = [path for path in EVERYTHING if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES]
    assert named == [ROOT / "movable" / "mm" / "util.py"]  # the kernel's own name


def test_every_file_and_public_name_says_what_it_is() -> None:
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in PRODUCT}
    assert not [name for name, tree in trees.items() if not ast.get_docstring(tree)]
    public = [
        (name, node)
        for name, tree in trees.items()
        if not name.startswith("movable/museum/")  # an exhibit is told by its row, not by its class
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert not [f"{name}:{node.name}" for name, node in public if not ast.get_docstring(node)]


def test_files_that_docstrings_name_are_there() -> None:
    """By their names, or by the end of their paths; file.py stands for a file of the reader's."""
    there = [str(path) for path in EVERYTHING]
    gone = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in PRODUCT
        if ".py" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for name in re.findall(r"(?<![\w/.-])((?:\w+/)*\w+\.py)\b", node.value.value)
        if not name.endswith("file.py") and not any(known.endswith(f"/{name}") for known in there)
    ]
    assert not gone


def imported(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports, wherever the import stands; type-only ones excepted."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def room_of(module: str) -> str:
    parts = module.split(".")
    is_room = len(parts) > 1 and parts[1] not in NAMES and (parts[1] == "registry" or (ROOT / "movable" / parts[1]).is_dir())
    return parts[1] if is_room else "names"


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_between_rooms_run_one_way(room: str) -> None:
    folder = ROOT / "movable" / room
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / "movable" / f"{room}.py"]
    files = [path for path in files if path.name != "cli.py"]  # a verb may call anything, lazily
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files
        for module in imported(path)
        if module.split(".")[0] == "movable" and module != "movable" and room_of(module) not in ARROWS[room]
    ]
    assert not wrong


def test_no_room_knows_a_driver() -> None:
    """Bundled drivers are plug-ins as all others are: nothing of movable imports one, not even in a function, or by its name."""
    drivers = {path.name for path in (ROOT / "drivers").iterdir() if path.is_dir()}
    wrong = []
    for path in sorted((ROOT / "movable").rglob("*.py")):
        if not any(name in path.read_text() for name in drivers):
            continue
        tree = ast.parse(path.read_text())
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
        named = {*modules_named(path), *(word for word in words if isinstance(word, str))}
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(named) if name.split(".")[0] in drivers]
    assert drivers and not wrong


def test_no_rooms_use_each_other() -> None:
    """The table of arrows has no circle."""
    left = set(ARROWS)
    while free := {room for room in left if not (ARROWS[room] - {room}) & left}:
        left -= free
    assert not left


def test_no_files_import_each_other() -> None:
    """No circle among the files of the product, by what they import when they are read in."""
    homes = {path: path.relative_to(ROOT / "drivers" if "drivers" in path.parts else ROOT) for path in PRODUCT}
    files = {".".join(home.with_suffix("").parts).removesuffix(".__init__"): path for path, home in homes.items()}
    graph = {name: _read_in(path, set(files)) for name, path in files.items()}
    left = set(graph)
    while free := {name for name in left if not graph[name] & left}:  # take away what needs nothing that is left
        left -= free
    assert not {name: sorted(graph[name] & left) for name in sorted(left)}


def _read_in(path: Path, files: set[str]) -> set[str]:
    """Which of ``files`` a file imports at its top level; of ``from room import file`` that is the file."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names} & files
            found |= below or {node.module} & files
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & files
    return found


def test_bundled_drivers_use_only_public_names() -> None:
    public = {"movable", "movable.balloon", "movable.contract", "movable.filesystem"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / "drivers").rglob("*.py"))
        for module in modules_named(path)
        if module.split(".")[0] == "movable" and module not in public
    ]
    assert not wrong


def modules_named(path: Path) -> set[str]:
    """The modules of a file's import statements, type-only ones included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_memory_imports_nothing_third_party() -> None:
    allowed = set(sys.stdlib_module_names) | {"movable"}
    wrong = {
        f"{path.name}: {module}"
        for path in (ROOT / "movable" / "mm").rglob("*.py")
        for module in imported(path)
        if module.split(".")[0] not in allowed
    }
    assert not wrong


def test_import_is_light() -> None:
    code = f"import sys; before = set(sys.modules); import movable; print(sorted({HEAVY!r} & set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_nothing_names_a_machine_or_a_registry() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:root|home/\w+|work)/|files\.pythonhosted|pypi\.org|registry\.npmjs|deb\.debian")
    own = Path(__file__).resolve()
    files = [path for path in OURS if path.is_file()] + [path for folder in OURS if folder.is_dir() for path in folder.rglob("*")]
    texts = [path for path in files if path.suffix in {".py", ".md", ".toml", ".sh", ".html"} or path.parent.name == ".ci"]
    wrong = [str(path.relative_to(ROOT)) for path in texts if path.resolve() != own and pattern.search(path.read_text())]
    assert len(texts) > 300 and not wrong


def test_an_entry_of_the_changelog_stands_once() -> None:
    entries = re.findall(r"^(?:- |### ).*", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert [entry for entry, times in Counter(entries).items() if times > 1] == []


def test_test_data_is_small() -> None:
    size = sum(path.stat().st_size for path in (ROOT / "tests" / "data").rglob("*") if path.is_file())
    assert size < 10 << 20


def test_tests_lie_as_the_code_does() -> None:
    """Or the page says what they are about."""
    page = (ROOT / "docs" / "rooms.md").read_text()
    themes = set(re.findall(r"^\| `(tests/\S+\.py)` \|", page, re.MULTILINE))
    files = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    alone = {str(path) for path in files if path.parts[1] != "benchmarks" and not named_after_code(path)}
    assert alone == themes


def test_every_file_leads_to_its_tests() -> None:
    """By its name, by that of the file that it was split off, by that of its folder, or by a row of the page."""
    page = (ROOT / "docs" / "rooms.md").read_text()
    rows = re.findall(r"^\| ((?:`(?:movable|drivers)[\w./]*` ?)+) \| ((?:`tests/[\w/]+\.py` ?)+) \|$", page, re.MULTILINE)
    told = {code for row in rows for code in row[0].replace("`", "").split()}
    assert not [test for row in rows for test in row[1].replace("`", "").split() if not (ROOT / test).is_file()]
    asked = {name for path in PRODUCT if not has_tests(path) for name in (path, path.parent)}
    files = {str(path.relative_to(ROOT)) for path in asked}
    assert told <= files, "a row that nobody needs any more"
    assert not [file for file in files if file.endswith(".py") and not {file, str(Path(file).parent)} & told]


def has_tests(path: Path) -> bool:
    """Whether tests beside those of its folder have the name of a file, its first words, or the name of the folder."""
    if path.name == "__init__.py" or "templates" in path.parts:
        return True
    home = ROOT / "tests" / path.parent.relative_to(ROOT if path.parts[len(ROOT.parts)] == "drivers" else ROOT / "movable")
    words = path.stem.split("_")
    names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
    beside = {test.stem.removeprefix("test_") for test in home.glob("test_*.py")}
    above = {test.stem.removeprefix("test_") for test in home.parent.glob("test_*.py")}
    own = any(test == name or test.startswith(f"{path.stem}_") for test in beside for name in names)
    return own or any(test == home.name or test.startswith(f"{home.name}_") for test in beside | above)


def named_after_code(path: Path) -> bool:
    """Whether the first words of a test file's name are those of the file, or of the folder, that it tests."""
    below = path.parent.relative_to("tests")
    folder = ROOT / ("" if below.parts[:1] == ("drivers",) else "movable") / below
    words = path.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    return any(name == folder.name or (folder / f"{name}.py").is_file() or (folder / name).is_dir() for name in names)


def budgets(function: ast.FunctionDef) -> list[float]:
    """The seconds that a test gives to checks: as an argument, or on a command line."""
    found: list[ast.expr | None] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg == "budget"]
        words = node.elts if isinstance(node, ast.List | ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        for option, value in pairwise(words):
            if isinstance(option, ast.Constant) and option.value == "--budget":
                found.append(value)
    return [float(str(one.value).rstrip("s")) for one in found if isinstance(one, ast.Constant)]


def test_no_test_gives_a_check_seconds_and_expects_a_finding() -> None:
    """A slow machine finds less in them; programs and executions are the same everywhere."""
    timed = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        if "budget" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name not in BY_TIME and min(budgets(node), default=CANNOT_BIND) < CANNOT_BIND
    }
    assert not timed, "give examples= and executions=, or say in BY_TIME why it does not matter"
