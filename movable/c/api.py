"""The page docs/c-api.md, made of the headers themselves: what each name is, and what happens to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from movable.c.build import source, toolchain
from movable.c.build.recipe import VERSIONS

HEAD = """# Names that C drivers can use

This page is made by `movable c api` from the headers of the package. *Modelled* names do what the kernel's do, on the model's
machine. *Ignored* names are accepted and do nothing, for the reason given. *Refused* names end the build with one line that says
where.

A driver may include any kernel header of the list at the end; all names are there whatever it includes.
"""
IGNORED = re.compile(r"/\* ignored: (.*?) \*/")
PATTERNS = (
    re.compile(r"^#define (\w+)"),
    re.compile(r"^(?:K_INLINE|__maybe_unused static) [\w\s\*]*?\**(\w+) ?\("),
    re.compile(r"^(?:typedef )?(?:struct|union|enum) (\w+) \{"),
    re.compile(r"^typedef .*?(\w+);"),
    re.compile(r"^__maybe_unused static const struct \w+ (\w+) ="),
)
MAKES = re.compile(r"^#define (K_\w+)\(([\w, ]*)\) ?((?:.*\\\n)*.*)", re.M)
"""A macro of the headers' own that makes names: its name, its arguments, its text."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name: its header, and why it is ignored, "" where it is modelled."""

    name: str
    header: str
    ignored: str


def names() -> list[Name]:
    """Every public name of the headers, in order."""
    found: dict[str, Name] = {}
    texts = {f"linux/{path.name}": path.read_text() for path in sorted((toolchain.INCLUDE / "linux").glob("*.h"))}
    made = (match for text in texts.values() for match in MAKES.finditer(text))
    makers = {match[1]: ([one.strip() for one in match[2].split(",")], match[3]) for match in made}
    for header, text in texts.items():
        text = re.sub(r"^enum \w* ?\{[^}]*\};", lambda match: " ".join(match[0].split()), text, flags=re.M)
        for line in _expanded(MAKES.sub("", text).splitlines(), makers):
            note = IGNORED.search(line)
            for name in _names_in(line):
                if not name.startswith(("K_", "k_", "_LINUX")):
                    found.setdefault(name, Name(name, header, note[1] if note else ""))
    for line in toolchain.model_header().splitlines():
        if line.startswith("#define "):
            name = line.split()[1]
            found.setdefault(name, Name(name, "linux/gfp.h" if "GFP" in name else "linux/page-flags.h", ""))
    return list(found.values())


def _expanded(lines: Iterable[str], makers: dict[str, tuple[list[str], str]]) -> Iterator[str]:
    """The lines, and behind each that uses a macro which makes names what it stands for."""
    for line in lines:
        yield line
        used = re.match(r"^\s*(K_\w+)\((.*)\)", line)
        if used and used[1] in makers:
            names, text = makers[used[1]]
            for name, value in zip(names, _split(used[2]), strict=False):
                text = re.sub(rf"\b{name}\b", lambda _, value=value: value, text)  # type: ignore[misc]
            yield from _expanded((part.strip(" \t\\") for part in text.replace("##", "").splitlines()), makers)


def _split(arguments: str) -> list[str]:
    """The arguments of a macro, at the commas outside of brackets."""
    parts, depth = [""], 0
    for char in arguments:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _names_in(line: str) -> list[str]:
    listed = re.match(r"^enum \w* ?\{ (.*?),? \};", line)
    if listed:
        return [re.match(r"\w+", part.strip())[0] for part in listed[1].split(",") if part.strip()]  # type: ignore[index]
    types = re.match(r"^typedef (?:unsigned |signed )?[\w ]+ ([\w, ]+);$", line)
    if types and "," in types[1]:
        return [part.strip() for part in types[1].split(",")]
    for pattern in PATTERNS:
        match = pattern.match(line)
        if match:
            return [match[1]]
    return []


def page() -> str:
    """The page."""
    known = names()
    lines = [HEAD, f"Kernels that `LINUX_VERSION_CODE` can be: {', '.join(VERSIONS)}.", ""]
    for header in dict.fromkeys(one.header for one in known):
        mine = [one for one in known if one.header == header]
        lines += [f"## {header}", ""]
        modelled = [one.name for one in mine if not one.ignored]
        if modelled:
            lines += [f"Modelled: {', '.join(f'`{name}`' for name in modelled)}.", ""]
        for why in dict.fromkeys(one.ignored for one in mine if one.ignored):
            lines += [f"Ignored ({why}): {', '.join(f'`{one.name}`' for one in mine if one.ignored == why)}.", ""]
    lines += ["## Refused", ""]
    for why in dict.fromkeys(source.REFUSED.values()):
        lines += [f"- {', '.join(f'`{name}`' for name, reason in source.REFUSED.items() if reason == why)}: {why}."]
    lines += ["- further names of these kinds, such as `hrtimer_cancel` and `hlist_del_rcu`, for the same reasons."]
    lines += [f"- inline assembly: {source.ASM}.", "- functions of the C library: a driver has the headers' own.", ""]
    accepted = ", ".join(f"`{name}`" for name in sorted(toolchain.accepted()))
    lines += ["## Headers that may be included, and are empty", "", f"{accepted}.", ""]
    return "\n".join(lines)
