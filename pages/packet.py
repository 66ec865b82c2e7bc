"""One settled packet: as it was, and what has changed since the packet before."""

from __future__ import annotations

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.brief import (
    canvas_list,
    differences_table,
    downloads,
    packet_sections,
    paper_about,
    paper_head,
    paper_margins,
    restated_table,
)
from components.formatting import count, moment
from components.page_strip import DEMO_WORDS, actions
from components.panel import panel
from components.plain import plain
from components.states import empty_state, loading
from data_access.office.packets import packet_before, packet_of_id
from data_access.question import Question
from domain.brief import differences
from pages._answers import answers, book, reader, store
from pages._brief import packets_only, restated
from pages._brief_files import NO_PDF, makes_pdf

dash.register_page(
    __name__,
    path_template="/brief/<packet_id>",
    title="简报存档 · 接诉即办督办看板",
    name="简报存档",
)
PATH = "/brief"


def layout(packet_id: str | None = None, **_query: str) -> html.Div:
    """Return the empty page of a packet."""
    return html.Div(
        [
            dcc.Store(id="packet-id", data=packet_id or ""),
            loading(html.Div(id="packet-view"), "24rem"),
            loading(html.Div(id="packet-since"), "12rem"),
        ],
        className="page page-brief page-packet",
    )


@callback(Output("packet-view", "children"), Input("question", "data"), Input("packet-id", "data"))
@packets_only
@answers
def show_packet(question: Question, identity: str) -> html.Div:
    """Return a packet as it was settled."""
    kept = packet_of_id(book(), reader(), identity)
    if kept is None:
        return html.Div(
            [
                html.H1("没有这份简报"),
                empty_state("可能编号有误，或不在您的范围内", title="找不到"),
                html.P(dcc.Link("以往简报", href=PATH)),
            ]
        )
    packet, entry = kept.packet, kept.entry
    edits = f"人工修改{len(packet.edits)}段" if packet.edits else "未作修改"
    facts: list[Component] = [
        html.Span(text)
        for text in (
            packet.period, packet.cutoff, packet.basis, f"口径版本 {packet.rules}",
            f"数据版本 {packet.data_version}", f"定稿 {moment(entry.made_at)}", edits,
        )
    ]  # fmt: skip
    if packet.is_demo:
        facts.append(html.Strong(DEMO_WORDS, className="demo-mark"))
    head = html.Header(
        [
            html.Div(
                [html.H1(packet.title), html.P(facts, className="strip-facts")],
                className="strip-words",
            ),
            html.Div(
                [html.A("与上期相比", href="#packet-since", className="action"),
                 dcc.Link("写新的一期", href=PATH, className="action"),
                 *actions(f"{PATH}/{entry.id}")],
                className="strip-actions", role="group", **{"aria-label": "本页操作"},
            ),
        ],
        className="page-strip",
    )  # fmt: skip
    return html.Div(
        [
            head,
            downloads(entry.id, makes_pdf(), NO_PDF),
            plain(canvas_list(packet, entry.id)),
            plain(paper_head(packet)),
            html.Div(plain(packet_sections(packet)), className="brief-draft"),
            plain(paper_about(packet)),
        ],
        # assets/33-brief.js puts it into the page while it is printed.
        **{"data-margins": paper_margins(packet)},
    )


@callback(Output("packet-since", "children"), Input("question", "data"), Input("packet-id", "data"))
@packets_only
@answers
def show_since(question: Question, identity: str) -> html.Div:
    """Return 与上期相比: what changed, and which earlier numbers later data restated."""
    kept = packet_of_id(book(), reader(), identity)
    if kept is None:
        return html.Div()
    version = question.snapshot.key
    parts: list[Component] = []
    before = packet_before(book(), reader(), kept)
    if before is None:
        parts.append(
            panel(
                "与上期相比", empty_state("同一范围还没有更早的简报", title="没有上期"), wide=True
            )
        )
    else:
        found = differences(kept.packet, before.packet)
        link = dcc.Link("打开上期", href=f"{PATH}/{before.entry.id}")
        parts.append(
            panel(
                "与上期相比",
                differences_table(found, before.packet.period, kept.packet.period),
                sentence=f"{count(len(found))}个数与上期不同；升降是否超出波动，见正文。",
                note=f"上期：{before.packet.period}，定稿 {moment(before.entry.made_at)}",
                actions=[link],
                wide=True,
            )
        )
    for name, each in (("上期", before), ("本期", kept)):
        if each is None:
            continue
        told = restated(store(), each.packet)
        changed = [one for one in told if one.changed]
        parts.append(
            panel(
                f"{name}各数中后来改写的",
                restated_table(changed, version),
                sentence=f"{name}{count(len(told))}个指标按现有数据（{version}）重算，"
                f"{count(len(changed))}个与当时不同。存档不改。",
                note=f"{name}按数据版本 {each.packet.data_version}",
                wide=True,
            )
        )
    return html.Div(parts)
