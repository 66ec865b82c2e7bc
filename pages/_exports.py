"""Exports: plain links with the query of the view, answered with the numbers of the screen."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, abort, request

from components.exports.csv_file import csv_file, csv_parts
from components.exports.sheets import Export
from components.exports.workbook import workbook, write_workbook
from components.formatting import cutoff_text
from components.page_strip import DEMO_WORDS
from data_access.office.audit import record
from data_access.question import NothingPublishedError, Question, ask
from domain.accounts import permission_of_page
from domain.filters import BASIS_LABELS
from pages._answers import book, reader, store, watermark, who

log = structlog.get_logger("board")

Make = Callable[[Question], Export]
_EXPORTS: dict[str, Make] = {}
_MIME = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}

_PIECE = 64 * 1024

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
    """Return a file with the figures of a view; 404 for an unknown name or format.

    403 for a role that may not take it along.
    """
    make = _EXPORTS.get(name)
    if make is None or suffix not in _MIME:
        abort(404)
    if not (who().may("export") and who().may(permission_of_page(make.__module__))):
        abort(403)
    try:
        question = ask(store(), reader(), request.query_string.decode("utf-8", "replace"))
    except NothingPublishedError:
        abort(404)
    made = make(question)
    if question.problems:
        # What the link asked for and did not get must not be missed in a file either.
        told = [("未采用的筛选", "；".join(question.problems)), *made.about]
        made = Export(made.title, told, made.sheets)
    made = Export(made.title, [*made.about, *watermark()], made.sheets)
    # Before anything leaves: what cannot be recorded is not handed out.
    record(book(), who().account, "export", f"{name}.{suffix}", question.canonical)
    response = Response(_content(made, suffix), content_type=_MIME[suffix])
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


def _content(made: Export, suffix: str) -> bytes | Iterable[bytes]:
    """Return a file, or its pieces when it is long.

    What fails before the first rows are there is an error page; later the connection breaks, and
    the browser tells of a failed download.
    """
    if suffix == "csv":
        if not made.is_long:
            return csv_file(made)
        parts = csv_parts(made)
        first = list(itertools.islice(parts, 2))  # its head, and the first rows
        return itertools.chain(first, parts)
    if not made.is_long:
        return workbook(made)
    with contextlib.ExitStack() as failing:
        file = failing.enter_context(tempfile.TemporaryFile())
        write_workbook(made, file)
        file.seek(0)
        failing.pop_all()
    return _Pieces(file)


class _Pieces:
    """The pieces of an open file, which is closed behind the last one, or with the response."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        with self._file:
            yield from iter(lambda: self._file.read(_PIECE), b"")

    def close(self) -> None:
        self._file.close()
