"""What every panel callback shares: the question from the store, and a failure that stays small."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import structlog
from dash import exceptions
from dash.development.base_component import Component
from flask import current_app, g, has_request_context
from plotly.io.json import to_json_plotly

from components.plain import plain
from components.states import error_state, forbidden_state
from data_access.office.book import Book
from data_access.office.commitments import stamp
from data_access.question import NothingPublishedError, Question, ask, is_hidden
from data_access.store import Snapshot, Store
from domain.accounts import NOBODY, Reader, permission_of_page
from domain.filters import to_search
from domain.periods import present
from domain.scope import Scope
from pages._monitoring import panel_failed

log = structlog.get_logger("board")


def store() -> Store:
    """Return the published data of the running app."""
    result: Store = current_app.extensions["board_store"]
    return result


def book() -> Book:
    """Return the office book of the running app."""
    result: Book = current_app.extensions["board_office"]
    return result


def who() -> Reader:
    """Return who asks; nobody, who may see nothing, where the gate has let nobody in."""
    # Dash also asks for the layout once while the app is being made.
    result: Reader = g.get("reader", NOBODY) if has_request_context() else NOBODY
    return result


def watermark() -> list[tuple[str, str]]:
    """Return what every file says of who took it and when: terms and words."""
    return [("导出账号", who().account), ("导出时间", f"{present():%Y-%m-%d %H:%M}")]


def reader() -> Scope:
    """Return what the present reader may see."""
    return who().scope


def everyone(question: Question) -> Snapshot:
    """Return the data version of a question as the whole city sees it.

    Only for what can be judged among all alone, such as a rank or a list: with ``CITY`` as its
    scope. Of the result nothing may be shown but what is the reader's own, and totals.

    Raises:
        LookupError: the version has gone meanwhile.
    """
    snapshot = store().get(question.snapshot.key)
    if snapshot is None:
        raise LookupError(question.snapshot.key)
    return snapshot


def answers_with_commitments(draw: Callable[..., Component]) -> Callable[..., Any]:
    """Return ``answers(draw)`` for a panel that also tells of commitments: they change any time."""
    return _answering(draw, lambda: stamp(book()))


def answers(draw: Callable[..., Component]) -> Callable[..., Any]:
    """Return a callback that answers the question in the store.

    ``draw`` takes the question and, where a page is about one thing, the texts that name it
    (from the browser: anything may come, ``draw`` looks them up).

    The drawn panel is kept with the data version: asking again costs neither query nor drawing.
    One panel that fails says so, with a reference that stands in the log; the others stay. What
    the role does not open, or names a place outside the scope, is refused before anything is asked.
    """
    return _answering(draw, lambda: "")


def _answering(draw: Callable[..., Component], entered: Callable[[], str]) -> Callable[..., Any]:
    permission = permission_of_page(draw.__module__)

    @functools.wraps(draw)
    def answer(search: object, *about: object) -> Any:
        if search is None:
            # The page is there before the shell has read the URL.
            raise exceptions.PreventUpdate
        if not who().may(permission):
            return forbidden_state()
        try:
            question = ask(store(), reader(), search)
            named = [each if isinstance(each, str) else "" for each in about]
            if any(is_hidden(store(), question, each) for each in named):
                return forbidden_state()
            # The hour: how old the data is may be part of a panel.
            key = (
                draw.__module__,
                draw.__name__,
                reader(),
                question.canonical,
                to_search(question.asked),
                *named,
                f"{present():%Y-%m-%d %H}",
                entered(),
            )
            # As text: a drawn panel as Python objects takes ten times the memory.
            text = question.snapshot.cached(
                key, lambda: to_json_plotly(plain(draw(question, *named)))
            )
            return json.loads(text)
        except NothingPublishedError:
            # The shell says so, once for the whole page.
            raise exceptions.PreventUpdate from None
        except Exception:
            panel_failed()
            log.error("panel_failed", panel=draw.__name__, exc_info=True)
            return error_state(g.reference)

    return answer
