"""The table of ranks by keyboard and on a phone, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.browser.test_pages import FOCUSABLE, OVERFLOW

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PATHS = ("/ranking", "/ranking?by=subdistrict", "/districts/110105")
HERE = "() => document.activeElement.outerHTML"


def tab_to(screen: Screen, selector: str, most: int = 200) -> None:
    """Press Tab until the focus is on the first match of a selector."""
    wanted = screen.page.locator(selector).first.evaluate("each => each.outerHTML")
    for _ in range(most):
        screen.page.keyboard.press("Tab")
        if screen.run(HERE) == wanted:
            return
    pytest.fail(f"{selector} is not reached")


@pytest.mark.parametrize("path", PATHS)
def test_tab_reaches_all_of_it_and_shows_where_it_is(open_screen: OpenScreen, path: str):
    screen = open_screen(path)
    number = screen.run(FOCUSABLE)
    assert screen.page.locator("main table a[data-place]").count() > 5
    for _ in range(number + 5):
        screen.page.keyboard.press("Tab")
    missed = screen.run(
        """() => [...document.querySelectorAll("[data-place]")]
          .filter((each) => !window.reached.has(Number(each.getAttribute("data-place"))))
          .map((each) => each.outerHTML.slice(0, 160))"""
    )
    assert missed == []
    assert screen.run("() => window.unseen") == []


def test_enter_opens_a_unit_and_a_choice(open_screen: OpenScreen):
    screen = open_screen("/ranking")
    link = screen.page.locator("#ranking-table table a").nth(2)
    name = link.inner_text()
    tab_to(screen, "#ranking-table .table-scroll")  # the table itself scrolls by arrow keys
    tab_to(screen, f"#ranking-table table a:text-is('{name}')")
    screen.page.keyboard.press("Enter")
    screen.page.wait_for_url("**/districts/*")
    screen.settle()
    assert name in screen.text("h1")
    screen.page.go_back()
    screen.page.wait_for_url("**/ranking")
    screen.settle()
    choice = "#ranking-summary .choice:text-is('解决率')"
    href = screen.page.locator(choice).get_attribute("href") or ""
    assert "rank_by=resolution" in href
    tab_to(screen, choice)
    screen.page.keyboard.press("Enter")
    screen.page.wait_for_url(f"**{href}")
    screen.settle()
    assert "解决率" in screen.text("h1")


def test_enter_unfolds_the_statutory_table(open_screen: OpenScreen):
    screen = open_screen("/ranking")
    table = screen.page.locator("#ranking-rates table")
    assert not table.is_visible()
    tab_to(screen, "#ranking-rates summary")
    screen.page.keyboard.press("Enter")
    assert table.is_visible()
    assert table.locator("tbody tr").count() > 10


def test_the_order_is_told_and_no_head_pretends_to_sort(open_screen: OpenScreen):
    screen = open_screen("/ranking")
    table = screen.page.locator("#ranking-table table")
    assert "先列明显高于其余的" in (table.locator("caption").text_content() or "")
    assert table.locator("th[scope=col]").count() > 8
    assert table.locator("thead button, thead a, thead [aria-sort]").count() == 0


def test_arrow_keys_try_out_weights(open_screen: OpenScreen):
    screen = open_screen("/ranking")
    handles = screen.page.locator("#ranking-weights [role=slider]")
    values = [int(handles.nth(place).get_attribute("aria-valuenow") or -1) for place in (0, 1)]
    # Where the rules are, and what they give is said to be in force.
    assert values == [10, 60]
    assert "现行权重10-50-40" in screen.text("#ranking-trial")
    handles.nth(0).focus()
    screen.page.keyboard.press("ArrowRight")
    screen.page.wait_for_function(
        "() => document.querySelector('#ranking-trial').innerText.includes('15-45-40')"
    )
    screen.settle()
    assert screen.page.locator("#ranking-trial table").is_visible()
    assert handles.nth(0).get_attribute("aria-valuenow") == "15"


def test_the_handles_start_at_the_weights_of_the_link(open_screen: OpenScreen):
    screen = open_screen("/ranking?weights=30-35-35")
    handles = screen.page.locator("#ranking-weights [role=slider]")
    assert [handles.nth(place).get_attribute("aria-valuenow") for place in (0, 1)] == ["30", "65"]
    assert "按30-35-35" in screen.text("#ranking-trial")


@pytest.mark.parametrize("path", [*PATHS, "/ranking?by=unit&league=own"])
def test_on_a_phone_the_page_does_not_scroll_sideways(open_screen: OpenScreen, path: str):
    screen = open_screen(path, **PHONE)
    assert screen.run(OVERFLOW) == {"wide": 0, "out": []}


STREETS = "/ranking?by=subdistrict&period=year-2020"


@pytest.mark.parametrize("path", ["/ranking", STREETS, f"{STREETS}&league=own"])
def test_on_a_phone_no_number_is_cut_at_the_edge(open_screen: OpenScreen, path: str):
    screen = open_screen(path, **PHONE)
    rows = screen.run(
        """() => {
          const region = document.querySelector("#ranking-table .table-scroll");
          const edge = region.getBoundingClientRect().right + 0.5;
          return [...region.querySelectorAll("tbody:first-of-type tr")].map((row) =>
            [...row.querySelectorAll("th, td")].filter((each) => each.checkVisibility())
              .map((each) => [each.innerText, each.getBoundingClientRect().right <= edge]));
        }"""
    )
    assert len(rows) > 5
    for row in rows:
        assert all(inside for _, inside in row), row
        # Who, between which ranks, whether that is a difference, the value, of how many.
        name, band, tier, value, n = (text for text, _ in row)
        assert name
        assert band.startswith("第")
        assert tier.split()[-1] in ("高于", "持平", "低于")
        assert float(value) > 0
        assert int(n.replace(",", "")) >= 30
