"""The menu of a figure: picture, table, text, link."""

from __future__ import annotations

import csv
import io
import struct
from pathlib import Path

from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen

TREND = "#overview-trend"


def chosen(screen: Screen, action: str, figure: str = TREND) -> None:
    screen.page.locator(f"{figure} [data-figure-menu]").click()
    screen.page.locator(".figure-menu").get_by_text(action, exact=True).click()


def saved(screen: Screen, action: str, figure: str = TREND) -> tuple[str, bytes]:
    """Return name and content of the file that an action makes."""
    with screen.page.expect_download() as started:
        chosen(screen, action, figure)
    file = started.value
    return file.suggested_filename, Path(file.path()).read_bytes()


def said(screen: Screen, words: str) -> None:
    screen.page.locator("#figure-said", has_text=words).wait_for()


def test_the_picture_is_twice_as_large_as_the_figure(open_screen: OpenScreen) -> None:
    screen = open_screen("/")
    shown = screen.page.locator(f"{TREND} section").bounding_box()
    assert shown is not None
    name, content = saved(screen, "下载图片")
    assert name.startswith("三率走势_")
    assert name.endswith(".png")
    width, height = struct.unpack(">II", content[16:24])
    # The paper around it, and below it what the figure covers.
    assert 2 * shown["width"] <= width <= 2 * shown["width"] + 80
    assert height > 2 * shown["height"]
    assert screen.page.locator(".figure-holder").count() == 0


def test_the_table_is_the_one_on_the_screen(open_screen: OpenScreen) -> None:
    screen = open_screen("/")
    name, content = saved(screen, "下载表格")
    assert name.endswith(".csv")
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert content.startswith("\ufeff".encode())
    assert lines[0] == ["三率走势"]
    assert "数据截至" in lines[1][0]
    first = next(place for place, line in enumerate(lines) if line and line[0] == "周")
    rows = [line for line in lines[first + 1 :] if line]
    shown = screen.run(
        "(selector) => [...document.querySelectorAll(selector)].map("
        "(row) => [...row.cells].map((cell) => cell.textContent))",
        f"{TREND} tbody tr",
    )
    assert len(rows) == 26
    assert rows == shown


def test_text_and_link_name_the_figure(open_screen: OpenScreen) -> None:
    screen = open_screen("/?period=month-2021-03")
    screen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chosen(screen, "复制文字")
    said(screen, "文字已复制")
    text = screen.run("() => navigator.clipboard.readText()")
    assert text.startswith("三率走势：")
    assert screen.text(f"{TREND} .panel-sentence") in text
    assert "数据截至" in text
    chosen(screen, "复制链接")
    said(screen, "链接已复制")
    link = screen.run("() => navigator.clipboard.readText()")
    assert "period=month-2021-03" in link
    assert "version=" in link
    assert link.endswith(TREND)
    chosen(screen, "复制为图片")
    said(screen, "图片已复制")
    kinds = screen.run("() => navigator.clipboard.read().then((items) => items[0].types)")
    assert kinds == ["image/png"]


def test_a_link_to_a_figure_goes_to_it(open_screen: OpenScreen) -> None:
    screen = open_screen(f"/{TREND}")
    top = screen.run(f"() => document.querySelector('{TREND}').getBoundingClientRect().top")
    assert screen.run("() => window.scrollY") > 0
    assert abs(top) < 200


def test_the_keyboard_opens_walks_and_closes_the_menu(open_screen: OpenScreen) -> None:
    screen = open_screen("/")
    page = screen.page
    button = page.locator(f"{TREND} [data-figure-menu]")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    focused = "() => document.activeElement.textContent"
    assert screen.run(focused) == "复制为图片"
    page.keyboard.press("ArrowUp")
    assert screen.run(focused) == "复制链接"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert screen.run(focused) == "下载图片"
    page.keyboard.press("Escape")
    assert page.locator(".figure-menu").count() == 0
    assert screen.run("() => document.activeElement.hasAttribute('data-figure-menu')")
    assert button.get_attribute("aria-expanded") == "false"
