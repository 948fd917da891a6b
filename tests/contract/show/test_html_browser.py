"""The HTML certificate in a real browser: what it shows, in light and dark, wide and as narrow as a phone, with no network."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from movable.contract import check
from movable.contract.report import Report
from movable.contract.show.html import to_html
from movable.contract.verdict import BROKEN, WAIVED
from movable.rules.table import RULES
from tests.drivers_for_tests import bad_drivers as bad

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")]

LONG = "a" * 300
OFFLINE = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
ATTEMPTS, SECONDS = 3, 40
NARROWEST = 500
"""A window cannot be smaller; a frame in it can."""
ASK = """<script>
const all = [...document.querySelectorAll("body *")];
parent.document.body.dataset.answer = JSON.stringify({
  width: innerWidth,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  outside: all.filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".lanes > *"))
    .map(one => one.outerHTML.slice(0, 80)),
  articles: [...document.querySelectorAll("article")].map(one => one.id),
  story: [...document.querySelectorAll("article#D15 ol.story li")].map(one => one.textContent),
  rows: document.querySelectorAll("table.rules tbody tr").length,
  steps: document.querySelectorAll(".lanes td.step").length,
  filled: [...document.querySelectorAll(".lanes .held")]
    .filter(one => getComputedStyle(one).backgroundColor != "rgba(0, 0, 0, 0)").length,
  loaded: performance.getEntriesByType("resource").length,
  images: document.images.length,
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  colours: [...document.querySelectorAll(".bar span")].map(one => getComputedStyle(one).backgroundColor),
  size: Math.min(...[...document.querySelectorAll("ol.story li, .lanes td")]
    .map(one => parseFloat(getComputedStyle(one).fontSize))),
});
</script></body>"""
"""Asks the browser about the page that it laid out, and leaves the answer in the page."""


def shown(page: str, place: Path, width: int = 1200, *options: str) -> dict[str, Any]:
    """What the browser says about a page in a window of this width."""
    file = place / "page.html"
    asking = page.replace("</body>", ASK)
    if width < NARROWEST:
        asking = f'<!doctype html><body><iframe style="width:{width}px;height:1600px;border:0" srcdoc="{escape(asking)}"></iframe>'
    file.write_text(asking)
    text = dumped(file, place, f"--window-size={width},1600", *options)
    answer = re.search(r'data-answer="([^"]*)"', text)
    assert answer is not None, text[:500]
    found: dict[str, Any] = json.loads(unescape(answer[1]))
    return found


def dumped(file: Path, place: Path, *options: str) -> str:
    """The page as the browser leaves it.

    A browser without a network may hang. It is then ended with all its children, which would keep a pipe open, and tried again.
    """
    assert BROWSER is not None
    for attempt in range(ATTEMPTS):
        profile = f"--user-data-dir={place / f'profile {attempt}'}"
        with (place / "dump.html").open("w+") as out:
            command = [BROWSER, *OFFLINE, profile, *options, "--dump-dom", file.as_uri()]
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                assert process.wait(SECONDS) == 0
                out.seek(0)
                return out.read()
            except subprocess.TimeoutExpired:
                continue
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    pytest.fail(f"the browser hung {ATTEMPTS} times")


@pytest.fixture(scope="module")
def report() -> Report:
    found = check(bad.Half, until=("D15",))
    assert found.verdicts["D15"].verdict == BROKEN
    assert found.verdicts["D15"].story
    found.verdicts["D45"].verdict, found.verdicts["D45"].reason = (
        WAIVED,
        f"<img src=x> <script>document.body.remove()</script> {LONG}",
    )
    found.target += LONG
    return found


def test_the_page_shows_the_failure(report: Report, tmp_path: Path) -> None:
    seen = shown(to_html([report]), tmp_path)
    assert seen["articles"] == report.broken
    assert seen["story"] == [line.strip() for line in report.verdicts["D15"].story]
    assert seen["rows"] == len(RULES)
    assert (seen["loaded"], seen["images"]) == (0, 0)
    assert len(set(seen["colours"])) == len(seen["colours"]) >= 4
    assert seen["overflow"] <= 0


def test_a_phone_shows_all_of_it(report: Report, tmp_path: Path) -> None:
    seen = shown(to_html([report, report]), tmp_path, 390)
    assert len(set(seen["articles"])) == len(seen["articles"]) == 2 * len(report.broken)  # a link leads into its own certificate
    assert seen["width"] == 390
    assert seen["overflow"] <= 0
    assert not seen["outside"]
    assert seen["size"] >= 12


def test_lanes_fit_a_phone_and_can_be_read(tmp_path: Path) -> None:
    report = check(bad.Half, examples=30, until=("D53",))
    assert report.verdicts["D53"].lanes
    seen = shown(to_html([report]), tmp_path, 390)
    assert seen["steps"] > 10
    assert seen["filled"] == 0
    assert seen["overflow"] <= 0
    assert not seen["outside"]


def test_light_and_dark(report: Report, tmp_path: Path) -> None:
    page = to_html([report])
    light, dark = (shown(page, tmp_path, 600, f"--blink-settings=preferredColorScheme={scheme}") for scheme in (1, 0))
    assert (light["paper"], light["ink"]) == ("rgb(255, 255, 255)", "rgb(26, 29, 33)")
    assert (dark["paper"], dark["ink"]) == ("rgb(20, 23, 26)", "rgb(232, 234, 237)")
