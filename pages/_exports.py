"""Exports: plain links with the query of the view, answered with the numbers of the screen."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, abort, request

from components.exports.csv_file import csv_file
from components.exports.sheets import Export
from components.exports.workbook import workbook
from components.formatting import cutoff_text
from components.page_strip import DEMO_WORDS
from data_access.question import NothingPublishedError, Question, ask
from domain.filters import BASIS_LABELS
from pages._answers import reader, store

log = structlog.get_logger("board")

Make = Callable[[Question], Export]
_EXPORTS: dict[str, Make] = {}
_MIME = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}

blueprint = Blueprint("export", __name__)


def exported(name: str) -> Callable[[Make], Make]:
    """Return a decorator that makes a function the export of a name: letters and hyphens."""

    def register(make: Make) -> Make:
        _EXPORTS[name] = make
        return make

    return register


def export_names() -> tuple[str, ...]:
    """Return the names of everything that can be exported."""
    return tuple(sorted(_EXPORTS))


def about(question: Question, **more: str) -> list[tuple[str, str]]:
    """Return what every export says of itself: filters, cut-off, 口径, data version.

    Args:
        question: what is asked.
        more: term → words, said before the rest.
    """
    snapshot = question.snapshot
    told = [
        *more.items(),
        ("范围", question.words),
        ("数据截至", cutoff_text(snapshot.cutoff).removeprefix("数据截至 ")),
        ("口径", f"{BASIS_LABELS[question.filters.basis]}，口径版本 {question.rules.version}"),
        ("数据版本", snapshot.key),
    ]
    if snapshot.is_demo:
        told.insert(0, ("注意", f"{DEMO_WORDS}，不是真实情况"))
    return told


@blueprint.get("/export/<name>.<suffix>")
def export(name: str, suffix: str) -> Response:
    """Return a file with the figures of a view; 404 for an unknown name or format."""
    make = _EXPORTS.get(name)
    if make is None or suffix not in _MIME:
        abort(404)
    try:
        question = ask(store(), reader(), request.query_string.decode("utf-8", "replace"))
    except NothingPublishedError:
        abort(404)
    made = make(question)
    if question.problems:
        # What the link asked for and did not get must not be missed in a file either.
        told = [("未采用的筛选", "；".join(question.problems)), *made.about]
        made = Export(made.title, told, made.sheets)
    content = workbook(made) if suffix == "xlsx" else csv_file(made)
    response = Response(content, content_type=_MIME[suffix])
    day = question.snapshot.cutoff.date().isoformat()
    demo = f"_{DEMO_WORDS}" if question.snapshot.is_demo else ""
    file_name = "".join(
        letter for letter in f"{made.title}_截至{day}{demo}.{suffix}" if letter.isprintable()
    ).replace("/", "-")
    response.headers["Content-Disposition"] = (
        f"attachment; filename={name}.{suffix}; filename*=UTF-8''{quote(file_name)}"
    )
    response.headers["Cache-Control"] = "no-store"
    log.info("exported", export=name, format=suffix)
    return response
