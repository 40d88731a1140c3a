"""Pages in a real browser: on a desktop, on a phone, in the dark, in print, and with the network pulled out."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurornn import report
from neurornn.comparison.checklist import CHECKLIST
from tests.browser import Browser, browser, found
from tests.page_parts import HOSTILE, Told, a_fit, a_lesion

PHONE, DESKTOP, PAPER = 390, 1280, 680
"""Widths, CSS pixels: of a phone, of a desktop, and of A4 between its margins."""

FIGURES = """[...document.querySelectorAll('figure')].map(figure => {
  const image = figure.querySelector('img'), box = image.getBoundingClientRect();
  return {alt: image.alt, drawn: image.complete && image.naturalWidth > 0, width: box.width,
          caption: figure.querySelector('figcaption').innerText.length};
})"""
WIDE = """[...document.querySelectorAll('body *')].filter(one =>
  !one.closest('.scroll, .skip, .headline thead, .checklist thead')
  && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(one => one.tagName)"""
CONTRAST = """((selector) => {
  const one = document.querySelector(selector), light = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let under = one; const clear = node => /rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(node).backgroundColor);
  while (under.parentElement && clear(under)) under = under.parentElement;
  const ink = light(getComputedStyle(one).color), ground = light(getComputedStyle(under).backgroundColor);
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
})"""
"""What WCAG calls contrast, of a text with whatever lies under it."""


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    path = found()
    if path is None:
        pytest.skip("no browser: install Chromium (Debian: apt install chromium), or set NEURORNN_BROWSER to one")
    with browser(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    headline = pd.DataFrame({"rat": ["0.5", ""], "network": ["a long answer in words", "0.4"]}, index=["one", "two"])
    made = report(
        a_fit(),
        title=f"A page {HOSTILE}",
        notes=[f"A note with `code` and {HOSTILE}"],
        headline=headline,
        quantities={f"a_rather_long_name_of_a_number_{k}": float(k) for k in range(30)},
        lesion=a_lesion(),
        odd=Told({"split": "by trial"}, n_rows=40_000),
    )
    return made.save(tmp_path_factory.mktemp("page") / "report.html")


def faults(tab: Browser, path: Path) -> list[str]:
    """Open a page on a phone and on a desktop; return what is wrong with it, in words."""
    wrong: list[str] = []
    for width in (PHONE, DESKTOP):
        tab.events.clear()
        tab.screen(width, phone=width == PHONE)
        tab.open(path)
        across = tab.run("document.documentElement.scrollWidth")
        if across > width or tab.run(WIDE):
            wrong.append(f"wider than {width} px: {across} px, {tab.run(WIDE)}")
        for figure in tab.run(FIGURES):
            if not figure["drawn"]:
                wrong.append("a figure is not drawn")
            if len(figure["alt"].split()) < 5:
                wrong.append(f"a figure without words for those who do not see it: {figure['alt']!r}")
        tab.ask("Runtime.evaluate", expression="0")
        wrong += [f"asks for {url}" for url in requests(tab) if url != path.resolve().as_uri()]
        wrong += [f"logged: {one['entry']['text']}" for one in tab.told("Log.entryAdded")]
        wrong += [f"console: {one['type']}" for one in tab.told("Runtime.consoleAPICalled")]
        wrong += ["an exception" for _ in tab.told("Runtime.exceptionThrown")]
    return wrong


def requests(tab: Browser) -> set[str]:
    """Every address that was asked for, but what the page itself holds."""
    urls = {one["request"]["url"] for one in tab.told("Network.requestWillBeSent")}
    return {url for url in urls if not url.startswith("data:")}


def test_a_page_is_without_fault(tab: Browser, page: Path) -> None:
    assert faults(tab, page) == []
    drawn = tab.run(FIGURES)
    assert len(drawn) == 3 and all(figure["caption"] > 20 for figure in drawn)


def test_a_faulty_page_is_told(tab: Browser, tmp_path: Path) -> None:
    (tmp_path / "near.png").write_bytes(b"")
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><p style='width: 3000px'>wide</p><figure><img src='near.png' alt='near'>"
        "<figcaption>a</figcaption></figure><img src='http://example.invalid/x.png'>"
        "<script>console.error('no'); nowhere();</script>"
    )
    told = "\n".join(faults(tab, bad))
    asked = (
        "wider than 390 px: 30",
        "not drawn",
        "'near'",
        "near.png",
        "example.invalid",
        "console: error",
        "an exception",
    )
    for what in (*asked, "an exception"):
        assert what in told


def test_the_contents_lead_to_the_sections(tab: Browser, page: Path) -> None:
    tab.open(page)
    links = tab.run("[...document.querySelectorAll('nav a')].map(a => [a.hash, !!document.querySelector(a.hash)])")
    assert [name for name, _ in links[:4]] == ["#training", "#lesion", "#odd", "#quantities"] and all(
        there for _, there in links
    )
    assert tab.run("document.querySelectorAll('h1').length") == 1
    assert tab.run("document.querySelectorAll('tr[id^=line-]').length") == len(CHECKLIST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out(tab: Browser, page: Path, scheme: str) -> None:
    tab.screen(DESKTOP)
    tab.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.open(page)
    ground = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    for selector in (
        "h1",
        "p",
        "nav a",
        ".methods",
        ".note",
        ".unfilled td",
        ".unfilled th",
        "figcaption",
        "td",
        "summary",
    ):
        assert tab.run(f"{CONTRAST}({selector!r})") >= 4.5, selector
    assert tab.run("getComputedStyle(document.querySelector('figure img')).backgroundColor") == "rgb(255, 255, 255)"
    tab.ask("Emulation.setEmulatedMedia", features=[])


def test_a_phone_shows_figures_at_a_size_that_can_be_read(tab: Browser, page: Path) -> None:
    tab.screen(PHONE, phone=True)
    tab.open(page)
    # Letters are 9.5 pt where a figure is 9 inches wide: at 640 px they are 9 px high.
    assert min(figure["width"] for figure in tab.run(FIGURES)) >= 640
    assert tab.run("getComputedStyle(document.querySelector('.headline td'), '::before').content").startswith('"rat')


def test_print_loses_nothing_at_the_edge(tab: Browser, page: Path) -> None:
    tab.screen(PAPER, 1000)
    tab.ask("Emulation.setEmulatedMedia", media="print")
    tab.open(page)
    assert tab.run("document.documentElement.scrollWidth") <= PAPER
    cut = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert tab.run(cut) == 0
    assert tab.run("getComputedStyle(document.querySelector('.screen')).display") == "none"
    assert all(figure["width"] <= PAPER for figure in tab.run(FIGURES))
    tab.ask("Emulation.setEmulatedMedia", media="")
    printed = base64.b64decode(tab.ask("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 3


def test_tables_can_be_saved_from_disk(tab: Browser, page: Path, tmp_path: Path) -> None:
    tab.open(page)
    tab.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    whole: dict[str, Any] = {"lesion.csv": a_lesion().frame(), "odd.csv": Told(n_rows=40_000).frame()}
    for name, frame in whole.items():
        tab.run(f"document.querySelector('a[download=\"{name}\"]').click()")
        while tab.wait("Browser.downloadProgress")["state"] != "completed":
            pass
        saved = pd.read_csv(tmp_path / name, index_col=0)
        assert len(saved) == len(frame) and list(saved.columns) == list(frame.columns)
        numbers = frame.select_dtypes("number").columns
        np.testing.assert_allclose(saved[numbers], frame[numbers], rtol=1e-12)
    assert (tmp_path / "odd.csv").stat().st_size > 4e6, "larger than a browser takes as an address that is typed"
