"""What holds on every page, in a real browser."""

from __future__ import annotations

import re
import unicodedata
import zlib
from itertools import pairwise

import pytest

from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen

PAGES = (
    "/",
    "/topics",
    "/topics/2021-01",
    "/ranking",
    "/ranking?by=subdistrict",
    "/districts/110105",
    "/subdistricts/110105001",
    "/targeting",
    "/plan",
    "/projects",
    "/projects/P0001",
    "/cases",
    "/cases?preset=overdue",
    "/cases/nobody",
    "/commitments",
    "/brief",
    "/definitions",
    "/audit",
    "/nowhere",
)
VIEWPORTS = ((1366, 768), (1920, 1080), (390, 844))

INVARIANTS = """() => {
  const shown = (each) => each.checkVisibility({checkVisibilityCSS: true});
  const all = (selector) => [...document.querySelectorAll(selector)];
  const short = (each) => each.outerHTML.slice(0, 160);
  const ids = all("[id]").map((each) => each.id);
  const named = (each) =>
    [...(each.labels || [])].some((label) => label.textContent.trim())
    || each.getAttribute("aria-label")
    || (each.getAttribute("aria-labelledby") || "").split(" ").some(
         (id) => document.getElementById(id)?.textContent.trim())
    || each.closest("[role=group][aria-labelledby]")
    || (each.matches("button, a") && each.textContent.trim());
  return {
    headings: all("h1").length,
    title: document.title,
    language: document.documentElement.lang,
    twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    images_without_alt: all("img").filter((each) => !each.hasAttribute("alt")).map(short),
    unnamed: all("input, select, textarea, button, a[href]")
      .filter((each) => shown(each) && !named(each)).map(short),
    labels_for_nothing: all("label[for]")
      .filter((each) => !document.getElementById(each.htmlFor)).map(short),
    main: all("main").length,
    tables_without_caption: all("table").filter((each) => !each.caption).map(short),
    broken_images: all("img").filter((each) => each.complete && !each.naturalWidth).map(short),
    // Plotly draws a trace that its bundle does not have as if it were a scatter.
    unknown_traces: all(".js-plotly-plot").flatMap((each) => each._fullData)
      .filter((trace) => trace.type !== trace._input.type).map((trace) => trace._input.type),
    heading_levels: all("h1, h2, h3, h4").filter(shown).map((each) => Number(each.tagName[1])),
  };
}"""

OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  return {
    wide: document.documentElement.scrollWidth - width,
    out: [...document.querySelectorAll("header *, main > *, main section, .figure-card, h1, h2")]
      .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > width + 1
        && !each.closest(".table-scroll, .visually-hidden, .watermark"))
      .map((each) => each.outerHTML.slice(0, 120)),
  };
}"""


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound(open_screen: OpenScreen, path: str):
    screen = open_screen(path)
    found = screen.run(INVARIANTS)
    levels = found.pop("heading_levels")
    assert levels[0] == 1 or path == "/nowhere"
    assert all(after - before <= 1 for before, after in pairwise(levels))
    title = found.pop("title")
    assert len(title) > 4
    assert found == {
        "headings": 1,
        "language": "zh-CN",
        "twice": [],
        "images_without_alt": [],
        "unnamed": [],
        "labels_for_nothing": [],
        "main": 1,
        "tables_without_caption": [],
        "broken_images": [],
        "unknown_traces": [],
    }
    for width, height in VIEWPORTS:
        screen.resize(width, height)
        assert screen.run(OVERFLOW) == {"wide": 0, "out": []}, width


def test_every_page_of_the_navigation_is_tested(open_screen: OpenScreen):
    screen = open_screen("/nowhere")
    links = screen.run("() => [...document.querySelectorAll('#nav a')].map((a) => a.pathname)")
    assert set(links) <= set(PAGES)
    titles = set()
    for path in links:
        # From a page that asks nothing: whoever leaves a page in the middle of its callbacks makes
        # Dash itself write to the console.
        screen.open("/nowhere")
        screen.page.locator(f"#nav a[href='{path}']").click()
        screen.wait_for_path(path)
        titles.add(screen.page.title())
        current = screen.run("() => document.querySelector('#nav [aria-current]').textContent")
        assert current in screen.page.title()
    assert len(titles) == len(links)


FOCUSABLE = """() => {
  window.reached = new Set();
  window.unseen = [];
  const fields = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]")]
    .filter((each) => each.tabIndex >= 0 && !each.disabled
      && each.checkVisibility({checkVisibilityCSS: true}));
  fields.forEach((each, place) => each.setAttribute("data-place", place));
  document.addEventListener("focusin", (event) => {
    const place = event.target.getAttribute("data-place");
    if (place === null) { return; }
    window.reached.add(Number(place));
    requestAnimationFrame(() => {
      const looks = [event.target, event.target.parentElement].map((x) => getComputedStyle(x));
      const seen = looks.some((look) =>
        (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0)
        || look.boxShadow !== "none");
      if (!seen && document.activeElement === event.target) {
        window.unseen.push(event.target.outerHTML.slice(0, 160));
      }
    });
  });
  return fields.length;
}"""


@pytest.mark.parametrize("path", ["/", "/definitions"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_screen: OpenScreen, path: str):
    screen = open_screen(path)
    number = screen.run(FOCUSABLE)
    assert number > 5
    screen.page.keyboard.press("Tab")
    first = screen.run("() => document.activeElement.className")
    assert first == "skip-link"
    for _ in range(number + 5):
        screen.page.keyboard.press("Tab")
    missed = screen.run(
        """() => [...document.querySelectorAll("[data-place]")]
          .filter((each) => !window.reached.has(Number(each.getAttribute("data-place"))))
          .map((each) => each.outerHTML.slice(0, 160))"""
    )
    assert missed == []
    assert screen.run("() => window.unseen") == []


def test_figures_offer_no_cloud_and_draw_what_they_were_given(open_screen: OpenScreen):
    screen = open_screen("/?district=110105")
    graphs = screen.run(
        """() => [...document.querySelectorAll(".js-plotly-plot")].map((graph) => ({
          cloud: graph._context.showSendToCloud,
          server: graph._context.plotlyServerURL,
          buttons: [...graph.querySelectorAll(".modebar-btn")].map((b) => b.dataset.title),
          given: graph.data.map((trace) => trace.type || "scatter"),
          drawn: graph._fullData.map((trace) => trace.type),
          svg: graph.querySelectorAll(".main-svg path").length,
        }))"""
    )
    assert graphs
    for graph in graphs:
        assert graph["cloud"] is False
        assert graph["server"] == ""
        assert graph["buttons"] == []
        # A type that the bundle does not have would be drawn as something else.
        assert graph["drawn"] == graph["given"]
        assert graph["svg"] > 5
    scripts = screen.run("() => [...document.scripts].map((script) => script.src)")
    assert sum("plotly" in script and "locale" not in script for script in scripts) <= 2
    assert not any("plotly.min.js" in script for script in scripts)


def test_on_a_phone_the_filters_open(open_screen: OpenScreen):
    screen = open_screen("/", viewport={"width": 390, "height": 844}, has_touch=True)
    toggle = screen.page.locator("[data-toggle=filter-bar]")
    assert not screen.page.locator("#filter-basis").is_visible()
    toggle.tap()
    assert toggle.get_attribute("aria-expanded") == "true"
    screen.page.select_option("#filter-basis", "all")
    screen.wait_for_path("/?basis=all")
    assert screen.run(OVERFLOW) == {"wide": 0, "out": []}


# --- Paper --------------------------------------------------------------------------------------


# Those that Unicode does not say to be the same as the letter.
RADICALS = str.maketrans("⻔⻄⻓⻋⻅⻉⻚⻛", "门西长车见贝页风")


def letters(document: bytes) -> set[str]:
    """Return the letters that a PDF has text of."""
    found: set[str] = set()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL):
        try:
            content = zlib.decompressobj().decompress(stream)
        except zlib.error:
            continue
        for table in re.findall(rb"beginbf(?:char|range)(.*?)endbf", content, re.DOTALL):
            for line in table.decode().splitlines():
                codes = [int(code, 16) for code in re.findall(r"<([0-9A-Fa-f]{2,4})>", line)]
                if "[" in line or len(codes) == 2:
                    found |= {chr(code) for code in codes[1:]}
                elif len(codes) == 3:
                    first, last, letter = codes
                    found |= {chr(letter + step) for step in range(last - first + 1)}
    # Some letters come as the radicals of the same shape.
    plain = {unicodedata.normalize("NFKC", letter) for letter in found}
    return {letter.translate(RADICALS) for letter in plain}


def test_paper_has_the_watermark_and_the_whole_table(open_screen: OpenScreen):
    screen = open_screen("/")
    screen.page.emulate_media(media="print")
    assert screen.text(".watermark").strip().startswith("演示数据")
    watermark = screen.run(
        """() => [...document.querySelectorAll(".watermark span")].map((each) => {
          const look = getComputedStyle(each);
          return [each.checkVisibility(), Number(look.opacity)];
        })"""
    )
    assert watermark
    assert all(visible and opacity > 0 for visible, opacity in watermark)
    table = screen.page.locator("#overview-places table").first
    assert table.is_visible()
    assert table.locator("tbody tr").count() >= 17
    assert not screen.page.locator("#filter-bar").is_visible()
    clipped = screen.run(
        """() => [...document.querySelectorAll(".table-scroll")]
          .filter((each) => each.checkVisibility() && each.scrollHeight > each.clientHeight + 2)
          .length"""
    )
    assert clipped == 0
    document = screen.page.pdf(format="A4", print_background=True)
    assert document.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", document))
    assert 1 <= pages <= 8
    names = "".join(screen.texts("#overview-places tbody th")) + "演示数据"
    names = unicodedata.normalize("NFKC", names)  # as the letters of the document are
    assert set(re.sub(r"\s", "", names)) <= letters(document)


def test_the_watermark_lies_over_every_page(open_screen: OpenScreen):
    for path in ("/", "/definitions"):
        screen: Screen = open_screen(path)
        assert screen.page.locator(".watermark").count() == 1
        assert "演示数据" in screen.text("footer")
        clickable = screen.run(
            "() => getComputedStyle(document.querySelector('.watermark')).pointerEvents"
        )
        assert clickable == "none"
