"""简报 in a browser: canvases and their pictures, paper, edits that stay with their question."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.brief_canvas import COVER, FORMS
from components.exports.browser import Browser
from data_access.office.book import open_book
from data_access.office.packets import packets_kept
from data_access.settings import Settings
from domain.brief import SECTIONS
from domain.scope import CITY
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen

ROOT = Path(__file__).resolve().parents[2]
WEEK = "/brief?period=week-2021-W12"


def size_of(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def twice(form: str) -> tuple[int, int]:
    return 2 * FORMS[form].width, 2 * FORMS[form].height


@pytest.fixture(scope="module")
def made(
    demo_settings: Settings, tmp_path_factory: pytest.TempPathFactory,
    browser_type_launch_args: dict[str, object],
) -> tuple[str, Path]:  # fmt: skip
    """Give the id of a packet that the command line has settled, and where its files are."""
    folder = tmp_path_factory.mktemp("brief")
    environment = os.environ | {
        "BOARD_DATA_DIR": str(demo_settings.data_dir),
        "CHROMIUM": str(browser_type_launch_args["executable_path"]),
    }
    command = [
        sys.executable, "-m", "flask", "brief", "make", "--week", "2021-W12", "--district",
        "110105", "--out", str(folder), "--format", "pdf", "--png",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (entry, *_) = packets_kept(open_book(demo_settings), CITY)
    return entry.id, folder


# --- Canvases -----------------------------------------------------------------------------------

CLIPPED = """() => {
  const canvas = document.querySelector(".canvas");
  const room = canvas.getBoundingClientRect();
  const foot = document.querySelector(".canvas-foot").getBoundingClientRect();
  const out = [...canvas.querySelectorAll("*")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.right > room.right + 1 || box.left < room.left - 1 || box.bottom > room.bottom + 1
      || (!each.closest(".canvas-foot") && box.bottom > foot.top + 1);
  });
  return {
    size: [room.width, room.height],
    page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
    ready: document.body.dataset.ready,
    out: out.map((each) => each.outerHTML.slice(0, 200)),
    title: document.querySelector("h1").textContent,
    foot: document.querySelector(".canvas-foot").textContent,
    demo: document.querySelector(".canvas-demo").textContent,
    chrome: document.querySelectorAll("nav, form, input, select, script").length,
  };
}"""


@pytest.mark.parametrize("form", FORMS)
def test_every_canvas_has_its_size_and_clips_nothing(
    open_screen: OpenScreen, made: tuple[str, Path], form: str
) -> None:
    identity, _ = made
    size = FORMS[form]
    screen = open_screen("/definitions", viewport={"width": size.width, "height": size.height})
    addresses = [f"/brief/{identity}/canvas/{form}/{key}" for key in (COVER, *SECTIONS)]
    addresses.append(f"/brief/draft/canvas/{form}/overall?period=assess-2021-03")
    addresses.append(f"/brief/draft/canvas/{form}/rates_districts?period=assess-2021-03")
    for address in addresses:
        screen.page.goto(screen.origin + address)
        found = screen.run(CLIPPED)
        assert found["out"] == [], address
        assert found["size"] == found["page"] == [size.width, size.height], address
        assert found["ready"] == "true"
        assert found["chrome"] == 0
        assert found["title"], address
        assert found["demo"] == "演示数据"
        for word in ("数据截至", "口径", "来源"):
            assert word in found["foot"], address


def test_pictures_are_downloaded_at_twice_the_size(
    open_screen: OpenScreen, made: tuple[str, Path]
) -> None:
    screen = open_screen(f"/brief/{made[0]}")
    screen.page.locator(".brief-canvases summary").click()
    for form in FORMS:
        with screen.page.expect_download() as started:
            screen.page.locator(f"[data-canvas$='/canvas/{form}/overall']").click()
        assert started.value.suggested_filename.endswith(f"_总体情况_{form}.png")
        assert size_of(Path(started.value.path()).read_bytes()) == twice(form)
    # The three above have been drawn; a zip of all is of many more.
    with screen.page.expect_download(timeout=120_000) as started:
        screen.page.locator("[data-canvases=a4]").click()
    with zipfile.ZipFile(io.BytesIO(Path(started.value.path()).read_bytes())) as file:
        assert file.testzip() is None
        assert len(file.namelist()) == len(SECTIONS) + 1
        assert "_要点_" in file.namelist()[0]
        assert {size_of(file.read(name)) for name in file.namelist()} == {twice("a4")}


def test_a_page_reaches_no_network(browser_type_launch_args: dict[str, object]) -> None:
    reached = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        address = f"http://127.0.0.1:{server.server_port}"
        page = f'<img src="{address}/a"><script>new Image().src = "{address}/b"</script><p>文'
        with Browser(str(browser_type_launch_args["executable_path"])) as drawing:
            assert size_of(drawing.picture(page, 100, 50, 2)) == (200, 100)
            assert drawing.pdf(page).startswith(b"%PDF")
        server.shutdown()
    assert reached == []


def test_the_command_line_makes_the_same_pictures_and_a_pdf(made: tuple[str, Path]) -> None:
    _, folder = made
    (pdf,) = folder.glob("*.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")
    pictures = sorted(folder.glob("*/*.png"))
    assert len(pictures) == len(FORMS) * (len(SECTIONS) + 1)
    for path in pictures:
        assert size_of(path.read_bytes()) == twice(path.name.partition("_")[0])


# --- The settled packet -------------------------------------------------------------------------


def test_a_settled_packet_has_no_filters_and_prints_as_an_official_paper(
    open_screen: OpenScreen, made: tuple[str, Path]
) -> None:
    screen = open_screen(f"/brief/{made[0]}")
    assert not screen.page.locator("#filter-bar").is_visible()
    assert not screen.page.locator("footer").is_visible()
    content = screen.page.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 5 < pages < 60
    screen.page.emulate_media(media="print")
    assert screen.text(".paper-title") == "朝阳区接诉即办周报"
    for hidden in ("header.app-header", ".page-strip", ".brief-downloads", "#packet-since"):
        assert not screen.page.locator(hidden).first.is_visible()
    assert screen.run("() => document.querySelectorAll('.brief-drawn.is-phone svg').length") > 0
    assert not screen.page.locator(".brief-drawn.is-phone").first.is_visible()


def test_a_settled_packet_fits_a_phone(open_screen: OpenScreen, made: tuple[str, Path]) -> None:
    screen = open_screen(f"/brief/{made[0]}", viewport={"width": 390, "height": 844})
    assert screen.run("() => document.documentElement.scrollWidth") <= 390
    assert screen.page.locator(".brief-drawn.is-phone").first.is_visible()


# --- Edits --------------------------------------------------------------------------------------


def write(screen: Screen, text: str) -> None:
    paragraph = screen.page.locator(".brief-paragraph[data-key='overall.1']")
    paragraph.locator("summary").click()
    paragraph.locator("textarea").fill(text)


def shown(screen: Screen) -> str:
    return screen.page.locator(".brief-paragraph[data-key='overall.1'] textarea").input_value()


def wait_for_edit(screen: Screen) -> None:
    edited = ".brief-paragraph.is-edited textarea"
    screen.page.wait_for_function(
        f"() => document.querySelector('{edited}')?.value === '人写的一段。'"
    )


def choose_week(screen: Screen, key: str) -> None:
    """Go to another week as a link inside the board does, which loads nothing anew."""
    screen.run(
        """(search) => {
          history.pushState({}, "", search);
          window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
        }""",
        f"/brief?period={key}",
    )
    screen.page.wait_for_function(
        "(key) => document.querySelector('.brief-paragraph[data-key=\"overall.1\"]')"
        "?.dataset.asked.includes(key)",
        arg=key,
    )
    screen.settle()


def test_edits_stay_with_their_question_and_are_settled(open_screen: OpenScreen) -> None:
    screen = open_screen(WEEK)
    draft = shown(screen)
    write(screen, "人写的一段。")
    choose_week(screen, "week-2021-W11")
    other = shown(screen)
    assert other not in ("人写的一段。", draft)
    assert screen.page.locator(".brief-paragraph.is-edited").count() == 0
    choose_week(screen, "week-2021-W12")
    wait_for_edit(screen)
    # A question that is asked twice draws the section twice.
    screen.run(
        """(search) => window.dash_clientside.set_props("question", {data: search})""",
        screen.page.url.partition("?")[2],
    )
    screen.settle()
    wait_for_edit(screen)
    # After loading anew as well, and what is shown is what is settled.
    screen.page.reload()
    screen.settle()
    wait_for_edit(screen)
    screen.page.locator("#brief-settle:not([disabled])").click()
    screen.page.locator("#brief-result", has_text="人工修改1段").wait_for()


def test_an_edit_of_a_draft_that_has_changed_is_offered(open_screen: OpenScreen) -> None:
    screen = open_screen(WEEK)
    write(screen, "按旧数据写的。")
    # As after a load of data: the same question, another draft; and a paragraph that is no more.
    screen.run(
        """() => {
          const edits = JSON.parse(sessionStorage.getItem("board-brief-edits"));
          const own = Object.values(edits)[0];
          own["overall.1"].draft = "旧草稿。";
          own["overall.99"] = {draft: "没有了。", text: "写在没有了的一段里。"};
          sessionStorage.setItem("board-brief-edits", JSON.stringify(edits));
        }"""
    )
    screen.page.reload()
    screen.settle()
    offers = screen.page.locator(".brief-offer")
    offers.nth(1).wait_for()
    assert not shown(screen).startswith("按旧数据写的。")
    for _ in range(2):
        offers.first.get_by_text("用这段改动").click()
    assert offers.count() == 0
    screen.page.wait_for_function(
        "() => [...document.querySelectorAll('.brief-paragraph.is-edited textarea')]"
        ".map((each) => each.value).join('|') === '按旧数据写的。|写在没有了的一段里。'"
    )
