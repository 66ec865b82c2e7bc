"""What every panel callback shares: the question from the store, and a failure that stays small."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import structlog
from dash import exceptions
from dash.development.base_component import Component
from flask import current_app, g
from plotly.io.json import to_json_plotly

from components.plain import plain
from components.states import error_state
from data_access.question import NothingPublishedError, ask
from data_access.store import Store
from domain.filters import to_search
from domain.periods import present
from domain.scope import CITY, Scope

log = structlog.get_logger("board")


def store() -> Store:
    """Return the published data of the running app."""
    result: Store = current_app.extensions["board_store"]
    return result


def reader() -> Scope:
    """Return what the present reader may see."""
    return CITY


def answers(draw: Callable[..., Component]) -> Callable[..., Any]:
    """Return a callback that answers the question in the store.

    ``draw`` takes the question and, where a page is about one thing, the texts that name it
    (from the browser: anything may come, ``draw`` looks them up).

    The drawn panel is kept with the data version: asking again costs neither query nor drawing.
    One panel that fails says so, with a reference that stands in the log; the others stay.
    """

    @functools.wraps(draw)
    def answer(search: object, *about: object) -> Any:
        if search is None:
            # The page is there before the shell has read the URL.
            raise exceptions.PreventUpdate
        try:
            question = ask(store(), reader(), search)
            named = [each if isinstance(each, str) else "" for each in about]
            # The hour: how old the data is may be part of a panel.
            key = (
                draw.__module__,
                draw.__name__,
                reader(),
                question.canonical,
                to_search(question.asked),
                *named,
                f"{present():%Y-%m-%d %H}",
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
            log.error("panel_failed", panel=draw.__name__, exc_info=True)
            return error_state(g.reference)

    return answer
