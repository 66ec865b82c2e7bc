"""URL, controls and figures stay together, whoever moves first."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen


def figures(screen: Screen) -> list[str]:
    """Return what the page says: its title, cards, tiles and totals."""
    return [
        *screen.texts("h1"),
        *screen.texts(".figure-value"),
        *screen.texts(".tile-value"),
        *screen.texts(".table-total"),
        *screen.texts(".panel-sentence"),
    ]


def test_a_filter_writes_the_url_and_back_and_forward_show_their_figures(open_screen: OpenScreen):
    screen = open_screen("/")
    page = screen.page
    shown = {"/": figures(screen)}
    page.select_option("#filter-basis", "all")
    screen.wait_for_path("/?basis=all")
    shown[screen.path] = figures(screen)
    page.select_option("#filter-indicator", "composite")
    screen.wait_for_path("/?basis=all&indicator=composite")
    shown[screen.path] = figures(screen)
    page.locator(".tile-link", has_text="朝阳").click()
    screen.wait_for_path("/?period=assess-2021-03&basis=all&district=110105&indicator=composite")
    shown[screen.path] = figures(screen)
    assert "朝阳区综合成绩" in screen.text("h1")
    assert len({tuple(each) for each in shown.values()}) == len(shown)

    paths = list(shown)
    for path in paths[-2::-1]:
        page.go_back()
        screen.wait_for_path(path)
        assert figures(screen) == shown[path]
    assert page.locator("#filter-basis").input_value() == "assessed"
    for path in paths[1:]:
        page.go_forward()
        screen.wait_for_path(path)
        assert figures(screen) == shown[path]
    assert page.locator("#filter-basis").input_value() == "all"
    page.reload()
    screen.settle()
    assert screen.path == paths[-1]
    assert figures(screen) == shown[paths[-1]]
    # A chip takes its filter away.
    page.locator(".chip a").first.click()
    screen.wait_for_path("/?period=assess-2021-03&basis=all&indicator=composite")
    assert figures(screen) == shown[paths[-2]]


def test_a_pasted_link_sets_the_controls_and_the_figures(open_screen: OpenScreen):
    link = (
        "/?period=month-2021-03&compare=year&basis=all&district=110105,110108"
        "&channel=phone&indicator=satisfaction"
    )
    screen = open_screen(link)
    page = screen.page
    values = {
        "period-kind": "month",
        "period": "month-2021-03",
        "compare": "year",
        "basis": "all",
        "indicator": "satisfaction",
    }
    for control, value in values.items():
        assert page.locator(f"#filter-{control}").input_value() == value, control
    assert "朝阳区" in screen.text("#filter-district")
    assert screen.texts(".chip > span") == ["区：朝阳区", "区：海淀区", "渠道：电话"]
    assert screen.path == link
    facts = screen.text(".strip-facts")
    for words in ("2021年3月", "朝阳区、海淀区", "渠道：电话", "全口径"):
        assert words in facts
    # The other page keeps the question, and leads back to it.
    page.locator("#nav a", has_text="口径与数据").click()
    page.wait_for_url("**/definitions?**")
    screen.settle()
    assert not page.locator("#filter-bar").is_visible()
    page.locator("#nav a").first.click()
    page.wait_for_url(f"{screen.origin}/?**")
    screen.settle()
    assert parse_qs(urlsplit(page.url).query) == parse_qs(urlsplit(link).query)
    assert "朝阳区、海淀区满意率" in screen.text("h1")


def test_a_copied_link_names_period_and_version(open_screen: OpenScreen):
    screen = open_screen("/?district=110105", permissions=["clipboard-read", "clipboard-write"])
    shown = figures(screen)
    button = screen.page.locator("[data-copy-link]")
    button.click()
    screen.page.wait_for_selector("[data-copy-link][data-state=done]")
    copied = screen.run("() => navigator.clipboard.readText()")
    assert copied.startswith(screen.origin + "/?")
    asked = parse_qs(urlsplit(copied).query)
    assert asked == {
        "period": ["assess-2021-03"],
        "district": ["110105"],
        "version": ["demo.1"],
    }
    other = open_screen(copied.removeprefix(screen.origin))
    assert figures(other) == shown


def test_what_a_link_asks_in_vain_is_said(open_screen: OpenScreen):
    screen = open_screen("/?district=119999,110105&farbe=rot&period=month-2021-13")
    notice = screen.text(".notice")
    for words in ("119999", "farbe=rot", "month-2021-13"):
        assert words in notice
    assert "朝阳区" in screen.text("h1")
    screen.page.select_option("#filter-basis", "all")
    screen.wait_for_path("/?basis=all&district=110105")
    assert screen.page.locator(".notice").count() == 0


def test_the_dropdown_of_districts_works_from_the_keyboard(open_screen: OpenScreen):
    screen = open_screen("/")
    page = screen.page
    page.locator("#filter-district").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("海淀")
    page.keyboard.press("Tab")
    option = page.get_by_role("option", name="海淀区").or_(page.get_by_label("海淀区")).first
    option.wait_for()
    option.click()
    page.keyboard.press("Escape")
    screen.wait_for_path("/?district=110108")
    assert "海淀区" in screen.text("h1")


def test_periods_can_be_named_typed_and_counted(open_screen: OpenScreen):
    screen = open_screen("/")
    page = screen.page
    page.select_option("#filter-period-kind", "month")
    screen.wait_for_path("/?period=month-2021-03")
    page.select_option("#filter-period", "month-2021-02")
    screen.wait_for_path("/?period=month-2021-02")
    assert "2021年2月" in screen.text(".strip-facts")
    page.select_option("#filter-period-kind", "custom")
    screen.wait_for_path("/?period=2021-02-01..2021-02-28")
    page.fill("#filter-range-start", "2021-01-15")
    page.keyboard.press("Tab")
    screen.wait_for_path("/?period=2021-01-15..2021-02-28")
    page.select_option("#filter-period-kind", "days")
    screen.wait_for_path("/?period=days-30")
    page.fill("#filter-days", "90")
    page.keyboard.press("Enter")
    screen.wait_for_path("/?period=days-90")
    assert "最近90天" in screen.text(".strip-facts")


def test_two_browsers_at_once_do_not_mix(open_screen: OpenScreen):
    alone = {}
    for district in ("110105", "110108"):
        alone[district] = figures(open_screen(f"/?district={district}&indicator=composite"))
    first, second = open_screen("/?district=110105"), open_screen("/?district=110108")
    # Both are asked before either is waited for.
    first.page.select_option("#filter-indicator", "composite")
    second.page.select_option("#filter-indicator", "composite")
    first.wait_for_path("/?district=110105&indicator=composite")
    second.wait_for_path("/?district=110108&indicator=composite")
    assert figures(first) == alone["110105"]
    assert figures(second) == alone["110108"]
    assert alone["110105"] != alone["110108"]
