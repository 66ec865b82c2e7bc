"""The ledger of commitments (承诺台账): who promised what, how it stands, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import html

from components.formatting import NO_VALUE, amount, count, day, interval_text, value_text
from components.tables import Column, Row, data_table
from domain.commitments import (
    LONGEST_NAME,
    LONGEST_WORDS,
    OVERDUE,
    PROJECT,
    RATES,
    STANDING_WORDS,
    Commitment,
    Outcome,
    Standing,
)
from domain.metrics import METRICS

_SHAPES: dict[Standing, tuple[str, str]] = {
    "broken": ("◆", "is-alert"),
    "unjudged": ("■", "is-watch"),
    "waiting": ("□", ""),
    "late": ("◐", "is-bad"),
    "open": ("●", ""),
    "kept": ("✓", "is-good"),
    "withdrawn": ("—", ""),
}
# The control shows an empty value as a choice of its own that cannot be chosen.
NO_CHOICE = "-"
# Name and unit of a target by its code; None when the data has no such target.
UnitOf = Callable[[str], tuple[str, str] | None]


def commitments_answer(judged: Sequence[tuple[Commitment, Outcome]]) -> str:
    """Return the title of the page: how many there are and how they stand."""
    held = [outcome for _, outcome in judged if outcome.standing != "withdrawn"]
    if not held:
        return "没有登记的承诺"
    parts = [
        f"{number}条{words}"
        for standing, words in STANDING_WORDS.items()
        if (number := sum(outcome.standing == standing for outcome in held))
    ]
    return f"承诺{len(held)}条：{'，'.join(parts)}"


def goal_text(commitment: Commitment, unit_of: UnitOf) -> str:
    """Return what was promised as a figure: "解决率达到90.0 %"; "" for words alone."""
    if not commitment.measure:
        return ""
    if commitment.measure == PROJECT:
        return f"项目{commitment.project}办结"
    if commitment.measure in RATES:
        metric = METRICS[commitment.measure]
        return f"{metric.name}达到{value_text(metric, commitment.goal)}"
    found = unit_of(commitment.measure)
    name, unit = found or (commitment.measure, "")
    return f"{name}达到{amount(commitment.goal, unit, commitment.goal)}"


def reading_text(commitment: Commitment, outcome: Outcome, unit_of: UnitOf) -> str:
    """Return the figure that it was judged by, with its day or its n and interval."""
    if math.isnan(outcome.value):
        return outcome.reason or NO_VALUE
    if commitment.measure in RATES:
        metric = METRICS[commitment.measure]
        text = f"{value_text(metric, outcome.value)}（n={count(outcome.n)}，"
        text += f"{interval_text(metric, outcome.low, outcome.high)}）"
        if outcome.near:
            text += "，与目标之差在波动之内"
    else:
        unit = (unit_of(commitment.measure) or ("", "套"))[1]
        text = amount(outcome.value, unit, outcome.value)
        if outcome.on is not None:
            text += f"（{day(outcome.on)}）"
    return f"{text}；{outcome.reason}" if outcome.reason else text


def standing_mark(standing: Standing) -> html.Span:
    """Return how a commitment stands: a shape and the word."""
    shape, tone = _SHAPES[standing]
    return html.Span(
        [html.Span(f"{shape} ", **{"aria-hidden": "true"}), STANDING_WORDS[standing]],
        className=f"standing {tone}".strip(),
    )


def commitments_table(
    judged: Sequence[tuple[Commitment, Outcome]],
    abouts: Mapping[int, Any],
    unit_of: UnitOf,
    caption: str,
) -> html.Div:
    """Return commitments as a table; ``abouts``: by number, links to what each is about."""
    columns = [
        Column("number", "编号", "end"),
        Column("standing", "状态"),
        Column("by", "承诺单位"),
        Column("words", "承诺事项"),
        Column("about", "关于"),
        Column("goal", "判定依据"),
        Column("made", "承诺日", phone=False),
        Column("due", "兑现日"),
        Column("value", "现值"),
    ]
    return data_table(
        columns, [_row(*each, abouts, unit_of) for each in judged], caption, caption_hidden=True
    )


def _row(
    commitment: Commitment, outcome: Outcome, abouts: Mapping[int, Any], unit_of: UnitOf
) -> Row:
    value: Any = reading_text(commitment, outcome, unit_of)
    if commitment.withdrawn:
        value = f"撤回：{commitment.withdrawn}"
    elif commitment.verdict:
        value = f"{commitment.verdict_note}（{commitment.verdict_by}认定）"
    return Row(
        {
            "number": commitment.number,
            "standing": standing_mark(outcome.standing),
            "by": commitment.by,
            "words": html.Span(commitment.words, className="commitment-words"),
            "about": abouts.get(commitment.number, NO_VALUE),
            "goal": goal_text(commitment, unit_of) or "人工认定",
            "made": day(commitment.made_on),
            "due": day(commitment.due_on),
            "value": value,
        },
        marked=outcome.standing in OVERDUE,
    )


def commitment_form() -> html.Form:
    """Return the form that enters a commitment; the page fills in its choices."""
    return html.Form(
        [
            _field("commitment-by", "承诺单位", dbc.Input(size="sm", maxLength=LONGEST_NAME)),
            _field("commitment-made", "承诺日", dbc.Input(size="sm", type="date")),
            _field("commitment-due", "兑现日", dbc.Input(size="sm", type="date")),
            _field(
                "commitment-words",
                "承诺事项",
                dbc.Textarea(size="sm", maxLength=LONGEST_WORDS, rows=2),
                True,
            ),
            _field("commitment-district", "区", dbc.Select(size="sm", value=NO_CHOICE)),
            _field("commitment-topic", "每月一题", dbc.Select(size="sm", value=NO_CHOICE)),
            _field("commitment-measure", "判定依据", dbc.Select(size="sm", value=NO_CHOICE)),
            _field(
                "commitment-goal",
                "目标值",
                dbc.Input(size="sm", type="number", min=0, placeholder="率填百分数"),
            ),
            _field("commitment-project", "项目编号", dbc.Input(size="sm", maxLength=60)),
            _end("commitment", "登记"),
        ],
        className="commitment-form",
    )


def remark_form() -> html.Form:
    """Return the form that judges a commitment in words, or withdraws any."""
    kinds = [
        {"value": "kept", "label": "已兑现"},
        {"value": "broken", "label": "未兑现"},
        {"value": "withdrawn", "label": "撤回（误录等）"},
    ]
    return html.Form(
        [
            _field("remark-number", "承诺", dbc.Select(size="sm"), True),
            _field("remark-kind", "认定", dbc.Select(size="sm", options=kinds, value="kept")),
            _field("remark-note", "理由", dbc.Input(size="sm", maxLength=LONGEST_WORDS), True),
            _end("remark", "认定"),
        ],
        className="commitment-form",
    )


def _field(name: str, label: str, control: Any, wide: bool = False) -> html.Div:
    control.id = name
    return html.Div(
        [html.Label(label, htmlFor=name), control],
        className="form-field form-wide" if wide else "form-field",
    )


def _end(name: str, word: str) -> html.Div:
    return html.Div(
        [
            html.Button(
                word, id=f"{name}-enter", type="button", n_clicks=0, className="action action-main"
            ),
            html.Div(id=f"{name}-said", role="status", className="form-said"),
        ],
        className="form-end",
    )


def options(listed: Sequence[tuple[str, str]], none: str = "") -> list[dict[str, str]]:
    """Return (code, words) as the choices of a select, with words for no choice before them."""
    first = [{"value": NO_CHOICE, "label": none}] if none else []
    return first + [{"value": code, "label": words} for code, words in listed]
