"""The files of a settled packet as plain links: ``/brief-files/<id>.<docx|pptx|xlsx|pdf>``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, abort

from components.exports.annex import annex
from components.exports.document import document
from components.exports.office_suite import MISSING, ConversionError, converter, pdf_of
from components.exports.slides import slides
from components.page_strip import DEMO_WORDS
from data_access.office.audit import record
from data_access.office.packets import packet_of_id
from domain.brief import Packet
from pages._answers import book, reader, who

log = structlog.get_logger("board")

_OFFICE = "application/vnd.openxmlformats-officedocument."
MIME = {
    "docx": f"{_OFFICE}wordprocessingml.document",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pdf": "application/pdf",
}
_MAKERS: dict[str, Callable[[Packet, dt.datetime], bytes]] = {
    "docx": document,
    "pptx": slides,
    "xlsx": annex,
    "pdf": lambda packet, moment: pdf_of(document(packet, moment), "docx"),
}

blueprint = Blueprint("brief_files", __name__)


def file_of(packet: Packet, moment: dt.datetime, suffix: str) -> bytes:
    """Return a packet as a file of a format, a key of ``MIME``.

    Raises:
        ConversionError: a PDF where LibreOffice is absent or fails.
    """
    return _MAKERS[suffix](packet, moment)


def file_name(packet: Packet, suffix: str) -> str:
    """Return what a file is called: title, period, mark of invented data."""
    demo = f"_{DEMO_WORDS}" if packet.is_demo else ""
    plain = "".join(
        letter for letter in f"{packet.title}_{packet.period_key}{demo}" if letter.isprintable()
    )
    return f"{plain.replace('/', '-')[:120]}.{suffix}"


@blueprint.get("/brief-files/<identity>.<suffix>")
def download(identity: str, suffix: str) -> Response:
    """Return a file of a packet; 404 for an unknown one or format, 501 for a PDF without means."""
    if not who().may("packets"):
        abort(403)
    if suffix not in MIME:
        abort(404)
    kept = packet_of_id(book(), reader(), identity)
    if kept is None:
        abort(404)
    if suffix == "pdf" and converter() is None:
        return Response(f"{MISSING}。", status=501, content_type="text/plain; charset=utf-8")
    try:
        content = file_of(kept.packet, kept.entry.made_at, suffix)
    except ConversionError as error:
        log.error("brief_not_converted", packet=identity, exc_info=True)
        return Response(f"{error}。", status=503, content_type="text/plain; charset=utf-8")
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
