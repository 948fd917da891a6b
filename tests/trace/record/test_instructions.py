"""Instructions that the script finds in a kernel's code are those that were probed in the recordings of 7.3."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from movable.trace.judge.visible import recorded
from movable.trace.record.driver_probes import known
from movable.trace.record.instructions import instruction_commands
from movable.trace.record.script import recording_script
from movable.trace.record.sticky_probes import FILTERS, state
from tests.trace.record.test_script import Pretended

FUNCTIONS = {
    "migrate_pages_batch": (0xFFFFFFFF817D3120, 5000, {2896: "f0806002fe"}),
    "isolate_movable_ops_page": (0xFFFFFFFF817D4CA0, 288, {255: "f0804a0201"}),
    "putback_movable_pages": (0xFFFFFFFF817D4DD0, 600, {386: "f0806002fe"}),
    "zs_page_migrate": (0xFFFFFFFF81807870, 1200, {735: "f0800808", 902: "f041806601bf"}),
    "async_free_zspage": (0xFFFFFFFF81808410, 800, {501: "f0806301bf"}),
    "zs_malloc": (0xFFFFFFFF81808B40, 1800, {1379: "f0800808", 90: "f0804d0c08"}),
    "zs_free": (0xFFFFFFFF81809D10, 900, {417: "f0806301bf", 30: "f08064240 1bf".replace(" ", "")}),
    "balloon_page_insert": (0xFFFFFFFF8180CC80, 100, {52: "f0800808"}),
}
"""Where the functions of the recorded kernel lie, and the instructions in them; among them two that only look like one."""
RECORDED = {
    "set_page_movable": {"balloon_page_insert+52": "%ax", "zs_malloc+1379": "%ax", "zs_page_migrate+735": "%ax"},
    "set_isolated": {"isolate_movable_ops_page+255": "%dx"},
    "clear_isolated": {"putback_movable_pages+386": "%ax", "migrate_pages_batch+2896": "%ax"},
    "zs_reset": {"zs_free+417": "%bx", "async_free_zspage+501": "%bx", "zs_page_migrate+902": "%r14"},
}
"""What was probed there, and in which register the page is."""
TEXT = 0xFFFFFFFF81000000


class Kernel(Pretended):
    """A folder that looks like tracefs, with a kernel's symbols and code."""

    def __init__(self, folder: Path, functions: dict[str, tuple[int, int, dict[int, str]]], driver: str = "zsmalloc") -> None:
        super().__init__(folder)
        self.script.write_text(recording_script(known()[driver], driver, "7.3"))
        symbols, code = [(TEXT, "_text")], bytearray(b"\x90" * 0x900000)
        for name, (address, size, places) in functions.items():
            symbols += [(address - 16, f"__pfx_{name}"), (address, name), (address + size, f"after_{name}")]
            for at, text in places.items():
                code[address - TEXT + at : address - TEXT + at + len(text) // 2] = bytes.fromhex(text)
        lines = [f"{address:016x} t {name}\n" for address, name in symbols]
        (folder / "kallsyms").write_text("".join(reversed(lines)) + "0000000000012340 A fixed_percpu_data\n")
        parts = [(4, 0, 0, 0), (1, 0xFFFF888000000000, 0x3000, 0x1000), (1, TEXT, 0x4000, len(code))]
        head = b"\x7fELF" + bytes(28) + struct.pack("<Q", 64) + bytes(16) + struct.pack("<H", len(parts)) + bytes(6)
        for kind, address, offset, size in parts:
            head += struct.pack("<IIQQQQQQ", kind, 7, offset, address, 0, size, size, 4096)
        (folder / "kcore").write_bytes(head.ljust(0x4000, b"\0") + code)
        self.environment |= {"KALLSYMS": str(folder / "kallsyms"), "KCORE": str(folder / "kcore")}

    def at_instructions(self) -> dict[str, dict[str, str]]:
        """The instruction probes that are set: of each event its places, and the register."""
        found: dict[str, dict[str, str]] = {}
        for line in self.probes():
            words = line.split()
            if line.startswith("p:") and words[0].split("/")[1] in FILTERS and "+" in words[1]:
                register = words[2].removeprefix("page=").partition(":")[0]
                assert " ".join(words[3:]) == state(0).format(register)
                found.setdefault(words[0].split("/")[1], {})[words[1]] = register
        return found


@pytest.fixture(autouse=True)
def tools() -> None:
    if shutil.which("awk") is None or shutil.which("od") is None:
        pytest.skip("needs awk and od")


def test_the_instructions_of_the_recorded_kernel(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, FUNCTIONS)
    done = kernel.run("-o", "out.txt", "-t", "0")
    assert done.returncode == 0, done.stderr
    assert kernel.at_instructions() == RECORDED
    first = (tmp_path / "out.txt").read_text().splitlines()[0]
    assert first.endswith("instructions=set_page_movable,set_isolated,clear_isolated,zs_reset"), first
    removed = [line for line in kernel.probes() if line[0] == "-"]
    assert {"-:kp/set_page_movable", "-:kp/zs_reset"} <= set(removed) and len(removed) == len(set(removed))
    was = tmp_path / "was"
    assert (was / "events/kp/zs_reset/filter").read_text().strip() == FILTERS["zs_reset"]


def test_an_event_with_a_place_that_is_not_found_is_left_out(tmp_path: Path) -> None:
    """A mark that is seen in one function and not in another would make a right driver look wrong."""
    without = {name: (at, size, {} if name == "zs_malloc" else places) for name, (at, size, places) in FUNCTIONS.items()}
    kernel = Kernel(tmp_path, without)
    done = kernel.run("-o", "out.txt", "-t", "0")
    assert done.returncode == 0 and "not found in this kernel's code: set_page_movable" in done.stderr
    assert set(kernel.at_instructions()) == {"set_isolated", "clear_isolated", "zs_reset"}


def test_functions_of_a_driver_that_is_not_there(tmp_path: Path) -> None:
    """Of two ways to inline, the one that this build has; and a balloon needs nothing of zsmalloc."""
    other = {
        "balloon_page_enqueue": (TEXT + 0x2000, 400, {100: "f041800c2408"}),
        "balloon_page_migrate": (TEXT + 0x3000, 400, {200: "f041804d0008"}),
        **{name: FUNCTIONS[name] for name in ("migrate_pages_batch", "isolate_movable_ops_page", "putback_movable_pages")},
    }
    kernel = Kernel(tmp_path, other, "balloon")
    assert kernel.run("-o", "out.txt", "-t", "0").returncode == 0
    marks = {"balloon_page_enqueue+100": "%r12", "balloon_page_migrate+200": "%r13"}
    bits = {name: RECORDED[name] for name in ("set_isolated", "clear_isolated")}
    assert kernel.at_instructions() == bits | {"set_page_movable": marks}


@pytest.mark.parametrize("lacks", ["KCORE", "KALLSYMS"])
def test_a_kernel_that_shows_no_code(lacks: str, tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, FUNCTIONS)
    kernel.environment[lacks] = str(tmp_path / "nothing")
    done = kernel.run("-o", "out.txt", "-t", "0")
    assert done.returncode == 0 and "rules D2, D16 and D59 may be unproven" in done.stderr
    assert not kernel.at_instructions() and (tmp_path / "out.txt").read_text().splitlines()[0].endswith("instructions=")


def test_a_heading_says_which_were_found() -> None:
    words = {"driver": "zsmalloc", "era": "7.3", "refused": ""}
    assert "set_page_movable" not in recorded(words) and "isolate_movable_page" in recorded(words)
    shown = recorded({**words, "instructions": "set_page_movable,zs_reset"})
    assert {"flags", "mops", "mapping"} <= shown["set_page_movable"] and "clear_private" in shown


def test_other_machines_have_no_such_instructions() -> None:
    assert "x86_64 only" in instruction_commands((), "aarch64")
