"""What is made of a packet: its files as plain links, and its canvases.

``/brief-files/<id>.<docx|pptx|xlsx|pdf>`` and ``/brief/<id>/canvas/<form>/<section>``, of the
draft of a question ``/brief/draft/canvas/<form>/<section>?<question>``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, abort, current_app, request

from components.brief import paper_page
from components.brief_canvas import (
    COVER,
    FORMS,
    SCALE,
    canvas_page,
    refused_page,
    sections_with_canvas,
)
from components.exports.annex import annex
from components.exports.browser import (
    Browser,
    BrowserError,
    BusyError,
    found_browser,
    one_at_a_time,
)
from components.exports.office_suite import ConversionError, converter, pdf_of
from components.formatting import moment as moment_text
from components.page_strip import DEMO_WORDS
from data_access.office.audit import record
from data_access.office.book import OfficeError
from data_access.office.packets import packet_of_id
from data_access.question import NothingPublishedError, ask
from data_access.settings import Settings
from domain.brief import SECTIONS, Packet, PacketError, Problem, SectionKey
from pages._answers import book, reader, store, who
from pages._brief import packet_of

log = structlog.get_logger("board")

_OFFICE = "application/vnd.openxmlformats-officedocument."
MIME = {
    "docx": f"{_OFFICE}wordprocessingml.document",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pdf": "application/pdf",
}


def _document(packet: Packet, moment: dt.datetime) -> bytes:
    # What writes these files takes 20 MB of a process, and most never write one.
    from components.exports.document import document

    return document(packet, moment)


def _slides(packet: Packet, moment: dt.datetime) -> bytes:
    from components.exports.slides import slides

    return slides(packet, moment)


_MAKERS: dict[str, Callable[[Packet, dt.datetime], bytes]] = {
    "docx": _document,
    "pptx": _slides,
    "xlsx": annex,
    "pdf": lambda packet, moment: pdf_file(packet, moment, _own_browser()),
}
NO_PDF = "服务器上没有可用的 Chromium 或 LibreOffice，不生成 PDF：可用浏览器打印本页，另存为 PDF"
DRAFT = "draft"
_ASSETS = Path(__file__).parent.parent / "assets"
_FONTS = "00-vendor-2-fonts.css"

blueprint = Blueprint("brief_files", __name__)


# --- Files ----------------------------------------------------------------------------------------


def file_of(packet: Packet, moment: dt.datetime, suffix: str) -> bytes:
    """Return a packet as a file of a format, a key of ``MIME``.

    Raises:
        BrowserError, ConversionError: a PDF that could not be made.
    """
    return _MAKERS[suffix](packet, moment)


def makes_pdf() -> bool:
    """Return whether this server makes PDF files of packets."""
    return _own_browser() is not None or converter() is not None


def _own_browser() -> str | None:
    """Return the browser that the web server may start; None unless one is set."""
    named = settings().chromium
    return found_browser(named) if named else None


def settings() -> Settings:
    """Return the settings of the running app."""
    result: Settings = current_app.extensions["board_settings"]
    return result


def pdf_file(packet: Packet, moment: dt.datetime, browser: str | None) -> bytes:
    """Return a packet as PDF: its print layout from a browser, else the docx from LibreOffice.

    Raises:
        BrowserError: another one is being made, or no browser could make it and nothing else can.
        ConversionError: neither is there, or LibreOffice failed.
    """
    with one_at_a_time():
        if browser is not None:
            try:
                with Browser(browser) as drawing:
                    return drawing.pdf(paper_page(packet, _style_sheets()))
            except BrowserError:
                if converter() is None:
                    raise
                log.warning("brief_not_printed", exc_info=True)
        return pdf_of(_document(packet, moment), "docx")


def _style_sheets() -> list[str]:
    """Return the style sheets of the board as files, in the order in which pages have them."""
    return [path.as_uri() for path in sorted(_ASSETS.glob("*.css"))]


def pictures_of(
    packet: Packet, moment: dt.datetime, browser: Browser
) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of every canvas of a packet, at twice its size.

    Raises:
        BrowserError: one was not drawn.
    """
    fonts = (_ASSETS / _FONTS).as_uri()
    for form, size in FORMS.items():
        for number, (key, heading) in enumerate(sections_with_canvas(packet).items()):
            page = canvas_page(packet, form, key, _settled(moment), fonts)
            name = f"{form}_{number:02d}_{_plain(heading)}.png"
            yield name, browser.picture(page, size.width, size.height, SCALE)


def file_name(packet: Packet, suffix: str) -> str:
    """Return what a file is called: title, period, mark of invented data."""
    demo = f"_{DEMO_WORDS}" if packet.is_demo else ""
    return f"{_plain(f'{packet.title}_{packet.period_key}{demo}')[:120]}.{suffix}"


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).replace("/", "-")


def _settled(moment: dt.datetime) -> str:
    return f"定稿 {moment_text(moment)}"


@blueprint.get("/brief-files/<identity>.<suffix>")
def download(identity: str, suffix: str) -> Response:
    """Return a file of a packet; 404 for an unknown one or format, 501 for a PDF without means."""
    if not who().may("packets"):
        abort(403)
    if suffix not in MIME:
        abort(404)
    try:
        kept = packet_of_id(book(), reader(), identity)
    except OfficeError as error:
        log.error("brief_not_opened", packet=identity, exc_info=True)
        return _told(str(error), 409)
    if kept is None:
        abort(404)
    if suffix == "pdf" and not makes_pdf():
        return _told(NO_PDF, 501)
    try:
        content = file_of(kept.packet, kept.entry.made_at, suffix)
    except BusyError as error:
        busy = _told(str(error), 503)
        busy.headers["Retry-After"] = "10"
        return busy
    except (BrowserError, ConversionError) as error:
        log.error("brief_not_converted", packet=identity, exc_info=True)
        return _told(str(error), 503)
    # Before anything leaves: what cannot be recorded is not handed out.
    record(book(), who().account, "packet", f"{identity}.{suffix}", kept.packet.filters)
    response = Response(content, content_type=MIME[suffix])
    name = file_name(kept.packet, suffix)
    response.headers["Content-Disposition"] = (
        f"attachment; filename=brief.{suffix}; filename*=UTF-8''{quote(name)}"
    )
    response.headers["Cache-Control"] = "no-store"
    log.info("exported", export="brief", packet=identity, format=suffix)
    return response


def _told(words: str, status: int) -> Response:
    return Response(f"{words}。", status=status, content_type="text/plain; charset=utf-8")


# --- Canvases -------------------------------------------------------------------------------------


@blueprint.get("/brief/<identity>/canvas/<form>/<key>")
def canvas(identity: str, form: str, key: str) -> Response:
    """Return a canvas as a page; 404 for an unknown packet, form or section.

    409 with the reasons where the packet refuses to be told.
    """
    if not who().may("packets"):
        abort(403)
    if form not in FORMS or (key != COVER and key not in SECTIONS):
        abort(404)
    try:
        packet, state = _draft(key) if identity == DRAFT else _kept(identity)
    except PacketError as error:
        return Response(refused_page(form, error.problems), status=409, content_type="text/html")
    except OfficeError as error:
        log.error("brief_not_opened", packet=identity, exc_info=True)
        problems = [Problem("存档", str(error))]
        return Response(refused_page(form, problems), status=409, content_type="text/html")
    if key not in sections_with_canvas(packet):
        abort(404)
    return Response(
        canvas_page(packet, form, key, state, f"/assets/{_FONTS}"),
        content_type="text/html; charset=utf-8",
    )


def _kept(identity: str) -> tuple[Packet, str]:
    kept = packet_of_id(book(), reader(), identity)
    if kept is None:
        abort(404)
    return kept.packet, _settled(kept.entry.made_at)


def _draft(key: str) -> tuple[Packet, str]:
    """Return the packet of the question in the address: of one section, for 要点 of all."""
    search = request.query_string.decode("utf-8", "replace")
    try:
        question = ask(store(), reader(), search)
    except NothingPublishedError:
        abort(404)
    wanted: tuple[SectionKey, ...] = tuple(each for each in SECTIONS if key in (each, COVER))
    return packet_of(question, wanted), "草稿"
