"""A server that is away for a moment, or for longer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen

CALLBACKS = "**/_dash-update-component*"


def cut_off(screen: Screen, times: int) -> list[str]:
    """Cut off so many callbacks; the list tells which."""
    cut: list[str] = []

    def answer(route: Route) -> None:
        if len(cut) < times:
            body = route.request.post_data_json
            assert body is not None
            cut.append(body["output"])
            route.abort("connectionreset")
        else:
            route.continue_()

    screen.page.route(CALLBACKS, answer)
    return cut


def test_what_was_cut_off_is_asked_again(open_screen: OpenScreen):
    whole = open_screen("/?basis=all").texts("h1, .figure-value, .panel-sentence")
    screen = open_screen("/")
    cut = cut_off(screen, 3)
    screen.page.select_option("#filter-basis", "all")
    screen.wait_for_path("/?basis=all")
    assert len(cut) == 3
    assert screen.texts("h1, .figure-value, .panel-sentence") == whole
    assert screen.page.locator("#connection-lost").count() == 0
    # The browser itself tells its console of every broken connection.
    assert all("ERR_CONNECTION_RESET" in fault for fault in screen.faults)
    screen.faults.clear()


def test_a_server_that_stays_away_is_said(open_screen: OpenScreen):
    screen = open_screen("/")
    cut_off(screen, 10_000)
    screen.page.select_option("#filter-basis", "all")
    banner = screen.page.locator("#connection-lost")
    banner.wait_for()
    assert "请勿引用" in banner.inner_text()
    assert screen.run("() => Number(getComputedStyle(document.querySelector('main')).opacity)") < 1
    screen.faults.clear()
    screen.page.unroute(CALLBACKS)
    banner.get_by_role("button", name="重新载入").click()
    banner.wait_for(state="detached")
    screen.settle()
    assert screen.run("() => getComputedStyle(document.querySelector('main')).opacity") == "1"
    screen.faults.clear()


def test_nothing_is_entered_twice(open_screen: OpenScreen):
    screen = open_screen("/commitments")
    page = screen.page
    page.locator("#commitment-by").fill("朝阳区")
    page.locator("#commitment-words").fill("三月底前拿出方案")
    cut = cut_off(screen, 1)
    page.locator("#commitment-enter").click()
    page.locator("#connection-lost").wait_for()
    assert [each for each in cut if "commitments-stamp" in each] == cut
    screen.faults.clear()


@pytest.mark.parametrize(
    "lost", ["25-plain.js", "async-dropdown.js", "_dash-layout", "_dash-dependencies"]
)
def test_what_a_page_needs_and_was_cut_off_is_loaded_again(open_screen: OpenScreen, lost: str):
    screen = open_screen("/definitions")
    cut: list[str] = []

    def answer(route: Route) -> None:
        if cut:
            route.continue_()
        else:
            cut.append(route.request.url)
            route.abort("connectionreset")

    name, dot, kind = lost.partition(".")
    # Dash puts a version into the names of its files.
    screen.page.route(f"**/{name}*{dot}{kind}*", answer)
    screen.page.goto(screen.origin + "/?basis=all")
    screen.page.locator("#filter-bar .dash-dropdown").first.wait_for()
    screen.page.locator("main h1").wait_for()
    screen.settle()
    assert len(cut) == 1
    assert screen.page.locator("#connection-lost").count() == 0
    screen.faults.clear()
