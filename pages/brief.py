"""简报: choose period and scope, look through the draft, change a sentence, settle the packet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dash
import structlog
from dash import ALL, MATCH, Input, Output, State, callback, ctx, dcc, exceptions, html, no_update
from dash.development.base_component import Component
from flask import g
from plotly.io.json import to_json_plotly

from components.brief import (
    Choice,
    choices_of,
    choices_text,
    chosen_keys,
    downloads,
    draft_section,
    kept_table,
    part_id,
    progress,
    refused,
    section_list,
    style_buttons,
    style_of,
)
from components.page_strip import strip
from components.panel import panel
from components.states import error_state, forbidden_state, loading
from data_access.office.audit import record
from data_access.office.packets import keep_packet, packets_kept
from data_access.question import NothingPublishedError, Question, ask
from domain.brief import (
    SECTIONS,
    STYLES,
    EditError,
    PacketError,
    Problem,
    SectionKey,
    edited,
    heading,
)
from domain.filters import to_search
from domain.periods import present
from pages._answers import answers, book, reader, store, who
from pages._brief import packet_of, packets_only, section_of, title_of
from pages._brief_files import NO_PDF, makes_pdf

log = structlog.get_logger("board")

PATH = "/brief"
dash.register_page(__name__, path=PATH, title="简报 · 接诉即办督办看板", name="简报", order=5)

LONGEST_ISSUER = 40


def layout(**_query: str) -> html.Div:
    """Return the empty page; every section of the draft fills itself."""
    return html.Div(
        [
            loading(html.Div(id="brief-summary"), "6rem"),
            # Who looks at another page meanwhile finds the choice again.
            dcc.Store(
                id="brief-order", data=choices_text(choices_of("")), storage_type="session"
            ),
            dcc.Store(id="brief-settled"),
            html.Div(
                [
                    html.Aside(
                        [
                            html.H2("选择与次序"),
                            style_buttons(),
                            html.Div(
                                section_list(choices_of(""), "week"), id="brief-sections"
                            ),
                            html.Label("发文单位（红头，可不填）", htmlFor="brief-issuer"),
                            dcc.Input(
                                id="brief-issuer", type="text", maxLength=LONGEST_ISSUER, value="",
                                className="brief-issuer",
                            ),
                            html.Div(id="brief-progress", className="brief-progress",
                                     **{"aria-live": "polite"}),
                            html.Button(
                                "定稿存档", id="brief-settle", type="button", n_clicks=0,
                                disabled=True,
                                className="action brief-settle",
                            ),
                            html.P(
                                "定稿后可下载 Word、PPT、Excel；数字、口径、筛选和修改一并存档，"
                                "以后重开不变。",
                                className="panel-note",
                            ),
                            html.Div(id="brief-result", **{"aria-live": "polite"}),
                        ],
                        className="panel brief-side",
                    ),
                    html.Div(
                        [
                            html.Section(
                                [
                                    loading(html.Div(id=part_id("part", key)), "8rem"),
                                    dcc.Store(id=part_id("state", key)),
                                ],
                                id=part_id("box", key),
                                className="panel brief-section",
                            )
                            for key in SECTIONS
                        ],
                        className="brief-draft",
                    ),
                ],
                className="brief-body",
            ),
            html.Div(id="brief-kept"),
        ],
        className="page page-brief",
    )  # fmt: skip


# --- The draft ------------------------------------------------------------------------------------


@callback(Output("brief-summary", "children"), Input("question", "data"))
@packets_only
@answers
def show_summary(question: Question) -> Component:
    """Return the head of the page: what the packet is called and what it covers."""
    return strip(
        f"{title_of(question)}（{question.period.name}）草稿",
        question.words,
        question.snapshot.cutoff,
        question.rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=PATH + question.canonical,
    )


@callback(
    Output(part_id("part", MATCH), "children"),
    Output(part_id("state", MATCH), "data"),
    Input("question", "data"),
    Input(part_id("part", MATCH), "id"),
)
def show_part(search: object, identity: object) -> Any:
    """Return a section of the draft, and "ok", or the heading of one that failed."""
    keys = _keys(identity)
    if search is None or not keys:
        raise exceptions.PreventUpdate
    if not who().may("packets"):
        return forbidden_state(), heading(keys[0], "custom")
    try:
        question = ask(store(), reader(), search)
    except NothingPublishedError:
        raise exceptions.PreventUpdate from None
    name = heading(keys[0], question.period.kind)
    try:
        section = section_of(question, keys[0])
        # Of another data version too: what was written then is offered, not lost.
        asked = f"{who().account} {to_search(question.filters.narrowed(version=''))}"
        shown = to_json_plotly(draft_section(section, asked))
        return json.loads(shown), "ok"
    except PacketError as error:
        return [html.H2(name), refused(error.problems)], name
    except Exception:
        log.error("brief_section_failed", section=keys[0], exc_info=True)
        return [html.H2(name), error_state(g.get("reference", ""))], name


def _keys(identity: object) -> tuple[SectionKey, ...]:
    key = identity.get("key") if isinstance(identity, dict) else None
    return tuple(each for each in SECTIONS if each == key)


@callback(
    Output("brief-progress", "children"),
    Output("brief-settle", "disabled"),
    Input(part_id("state", ALL), "data"),
    Input("brief-order", "data"),
    State(part_id("state", ALL), "id"),
)
def show_progress(states: object, order: object, identities: object) -> Any:
    """Return how many of the chosen sections are drafted, and which failed."""
    chosen = chosen_keys(order)
    told: dict[SectionKey, object] = {}
    if isinstance(states, list) and isinstance(identities, list):
        for state, identity in zip(states, identities, strict=False):
            told |= dict.fromkeys(_keys(identity), state)
    done = sum(1 for key in chosen if told.get(key) == "ok")
    failed = [str(state) for key in chosen if (state := told.get(key)) and state != "ok"]
    return progress(done, len(chosen), failed), not chosen or done < len(chosen)


# --- Choice and order -----------------------------------------------------------------------------


@callback(
    Output("brief-order", "data"),
    Input(part_id("pick", ALL), "value"),
    Input(part_id("up", ALL), "n_clicks"),
    Input(part_id("down", ALL), "n_clicks"),
    Input(part_id("style", ALL), "n_clicks"),
    State("brief-order", "data"),
    prevent_initial_call=True,
)
def change_order(
    _picks: object, _ups: object, _downs: object, _styles: object, order: object
) -> str:
    """Return the sections as somebody has chosen and moved them."""
    asked, given = ctx.triggered_id, ctx.triggered[0]["value"] if ctx.triggered else None
    kind = asked.get("type") if isinstance(asked, dict) else None
    choices = choices_of(order)
    if kind == "brief-style":
        style = style_of(asked.get("key"))
        if style is None or not given:
            raise exceptions.PreventUpdate
        wanted = STYLES[style]
        ordered = [*wanted, *(key for key in SECTIONS if key not in wanted)]
        return choices_text([Choice(key, key in wanted) for key in ordered])
    place = next((at for at, each in enumerate(choices) if (each.key,) == _keys(asked)), None)
    if place is None:
        raise exceptions.PreventUpdate
    if kind == "brief-pick":
        chosen = isinstance(given, list) and bool(given)
        if chosen == choices[place].chosen:
            raise exceptions.PreventUpdate
        choices[place] = Choice(choices[place].key, chosen)
        return choices_text(choices)
    # A button that was only drawn has not been pressed.
    other = place + (-1 if kind == "brief-up" else 1)
    if not given or not 0 <= other < len(choices):
        raise exceptions.PreventUpdate
    choices[place], choices[other] = choices[other], choices[place]
    return choices_text(choices)


@callback(
    Output("brief-sections", "children"),
    Output(part_id("box", ALL), "style"),
    Input("brief-order", "data"),
    Input("question", "data"),
    State(part_id("box", ALL), "id"),
)
def arrange(order: object, search: object, identities: object) -> Any:
    """Return the list of sections, and where each stands in the draft."""
    choices = choices_of(order)
    places = {each.key: place for place, each in enumerate(choices)}
    shown = {each.key: each.chosen for each in choices}
    styles: list[dict[str, Any]] = []
    for identity in identities if isinstance(identities, list) else []:
        keys = _keys(identity)
        order_of = {"order": places[keys[0]]} if keys else {}
        styles.append(order_of if keys and shown[keys[0]] else {"display": "none"})
    try:
        kind = ask(store(), reader(), search).period.kind
    except NothingPublishedError:
        raise exceptions.PreventUpdate from None
    return section_list(choices, kind), styles


# --- Settling -------------------------------------------------------------------------------------


@callback(
    Output("brief-result", "children"),
    Output("brief-settled", "data"),
    Input("brief-settle", "n_clicks"),
    State("question", "data"),
    State("brief-order", "data"),
    State("brief-issuer", "value"),
    State(part_id("edit", ALL), "value"),
    State(part_id("edit", ALL), "id"),
    prevent_initial_call=True,
)
def settle(
    clicks: object, search: object, order: object, issuer: object, texts: object, identities: object
) -> Any:
    """Return the links to the packet that was settled, or why it was not."""
    if not clicks or search is None:
        raise exceptions.PreventUpdate
    if not who().may("packets"):
        return forbidden_state(), no_update
    try:
        question = ask(store(), reader(), search)
        keys = chosen_keys(order)
        if not keys:
            raise PacketError([Problem("选择", "一个部分也没有选")])
        packet = packet_of(question, keys, _line(issuer))
        wanted = {
            key: text
            for key, text in _edits(texts, identities).items()
            # What is written in a section that is left out goes with it.
            if key in packet.paragraphs
        }
        packet = edited(packet, wanted)
        identity = keep_packet(
            book(), reader(), packet, question.period.window.start, present(), who().account
        )
    except NothingPublishedError:
        raise exceptions.PreventUpdate from None
    except EditError as error:
        return refused([Problem("修改", str(error))]), no_update
    except PacketError as error:
        return refused(error.problems), no_update
    except Exception:
        log.error("brief_not_settled", exc_info=True)
        return error_state(g.get("reference", ""), "没有定稿"), no_update
    log.info("brief_settled", packet=identity, edits=len(packet.edits))
    record(book(), who().account, "packet", f"定稿 {identity}", packet.filters)
    number = f"，人工修改{len(packet.edits)}段" if packet.edits else ""
    return [
        html.P(["已定稿", number, "。", dcc.Link("打开存档", href=f"{PATH}/{identity}")]),
        downloads(identity, makes_pdf(), NO_PDF),
    ], identity


def _line(text: object) -> str:
    plain_text = text if isinstance(text, str) else ""
    return "".join(each for each in plain_text if each.isprintable()).strip()[:LONGEST_ISSUER]


def _edits(texts: object, identities: object) -> dict[str, str]:
    """Return paragraph → text from what the browser sends, which may be anything."""
    if not isinstance(texts, list) or not isinstance(identities, list):
        return {}
    found = {}
    for text, identity in zip(texts, identities, strict=False):
        key = identity.get("key") if isinstance(identity, dict) else None
        if isinstance(key, str) and isinstance(text, str):
            found[key] = text
    return found


# --- Earlier packets ------------------------------------------------------------------------------


@callback(
    Output("brief-kept", "children"), Input("question", "data"), Input("brief-settled", "data")
)
def show_kept(search: object, _settled: object) -> Any:
    """Return the list of earlier packets; new ones stand in it at once."""
    if search is None:
        raise exceptions.PreventUpdate
    if not who().may("packets"):
        return None
    try:
        entries: Sequence[Any] = packets_kept(book(), reader())
        return panel(
            "以往简报", kept_table(entries), note="数字、口径、筛选和修改按定稿时保存", wide=True
        )
    except Exception:
        log.error("panel_failed", panel="show_kept", exc_info=True)
        return error_state(g.get("reference", ""))
