"""What every panel callback shares: the question from the store, and a failure that stays small."""

from __future__ import annotations

import functools
from collections.abc import Callable

import structlog
from dash import exceptions
from dash.development.base_component import Component
from flask import current_app, g

from components.states import error_state
from data_access.question import NothingPublishedError, Question, ask
from data_access.store import Store
from domain.scope import CITY, Scope

log = structlog.get_logger("board")


def store() -> Store:
    """Return the published data of the running app."""
    result: Store = current_app.extensions["board_store"]
    return result


def reader() -> Scope:
    """Return what the present reader may see."""
    return CITY


def answers(draw: Callable[[Question], Component]) -> Callable[[object], Component]:
    """Return a callback that answers the question in the store.

    One panel that fails says so, with a reference that stands in the log; the others stay.
    """

    @functools.wraps(draw)
    def answer(search: object) -> Component:
        if search is None:
            # The page is there before the shell has read the URL.
            raise exceptions.PreventUpdate
        try:
            return draw(ask(store(), reader(), search))
        except NothingPublishedError:
            # The shell says so, once for the whole page.
            raise exceptions.PreventUpdate from None
        except Exception:
            log.error("panel_failed", panel=draw.__name__, exc_info=True)
            return error_state(g.reference)

    return answer
