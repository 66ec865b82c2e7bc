"""The filter bar: every control has a real label and works from the keyboard; layout only.

Single choices are native selects; choices of several are dropdowns with a search field. The
callback that ties them to the URL reads ``CONTROLS``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from domain.filters import BASIS_LABELS, COMPARE_LABELS, DIMENSION_LABELS
from domain.metrics import INDICATORS, METRICS
from domain.periods import KIND_LABELS, PeriodKind

Option = Mapping[str, str]

BAR = "filter-bar"
CHIPS = "filter-chips"
PERIOD_KIND = "filter-period-kind"
PERIOD = "filter-period"
RANGE_START = "filter-range-start"
RANGE_END = "filter-range-end"
DAYS = "filter-days"
COMPARE = "filter-compare"
BASIS = "filter-basis"
INDICATOR = "filter-indicator"
DISTRICT = "filter-district"
SUBDISTRICT = "filter-subdistrict"
TOPIC = "filter-topic"
CATEGORY = "filter-category"
CHANNEL = "filter-channel"
UNIT = "filter-unit"
# Which of the three is seen depends on the kind of period.
PERIOD_BOX = "filter-period-box"
RANGE_BOX = "filter-range-box"
DAYS_BOX = "filter-days-box"

# Field of Filters → id of its control, for those with one control of the same meaning.
CONTROLS: dict[str, str] = {
    "compare": COMPARE,
    "basis": BASIS,
    "indicator": INDICATOR,
    "district": DISTRICT,
    "subdistrict": SUBDISTRICT,
    "topic": TOPIC,
    "category": CATEGORY,
    "channel": CHANNEL,
    "unit": UNIT,
}

DROPDOWN_LABELS = {
    "select_all": "全选",
    "deselect_all": "全不选",
    "selected_count": "已选{num_selected}项",
    "search": "输入文字查找",
    "clear_search": "清除查找文字",
    "clear_selection": "清除所选",
    "no_options_found": "没有相符的选项",
}


@dataclass(frozen=True)
class Chip:
    """One active filter and the link that removes it."""

    label: str
    remove_href: str


def hidden_boxes(kind: PeriodKind) -> tuple[bool, bool, bool]:
    """Return whether PERIOD_BOX, RANGE_BOX and DAYS_BOX are hidden for a kind of period."""
    return kind in ("custom", "days"), kind != "custom", kind != "days"


def filter_bar(
    options: Mapping[str, Sequence[Option]],
    values: Mapping[str, Any],
    first_day: dt.date | None = None,
    last_day: dt.date | None = None,
) -> html.Div:
    """Return the whole bar.

    Args:
        options: ``period`` and each dimension of ``domain.filters`` → its options (``label``,
            ``value``); a missing one has none.
        values: ``period_kind``, ``period``, ``start``, ``end`` (ISO dates), ``days`` and the
            fields of ``CONTROLS`` → value; a missing one takes the default.
        first_day: earliest day that can be chosen.
        last_day: latest, the data cut-off.
    """
    kind: PeriodKind = values.get("period_kind", "assess")
    hidden = hidden_boxes(kind)
    bounds = {
        "min": first_day.isoformat() if first_day else None,
        "max": last_day.isoformat() if last_day else None,
    }

    def several(name: str) -> html.Div:
        return _several(name, CONTROLS[name], options.get(name, ()), list(values.get(name, ())))

    primary = [
        _single("时段类型", PERIOD_KIND, _options(KIND_LABELS), kind),
        _single("时段", PERIOD, options.get("period", ()), values.get("period"),
                box=PERIOD_BOX, hidden=hidden[0]),
        html.Div(
            [
                html.Label("起止日期", htmlFor=RANGE_START),
                html.Div(
                    [
                        _date(RANGE_START, values.get("start"), bounds),
                        html.Label("至", htmlFor=RANGE_END, className="filter-to"),
                        _date(RANGE_END, values.get("end"), bounds),
                    ],
                    className="filter-range",
                ),
            ],
            id=RANGE_BOX, hidden=hidden[1], className="filter-field",
        ),
        html.Div(
            [
                html.Label("天数", htmlFor=DAYS),
                dbc.Input(id=DAYS, type="number", min=1, max=3660, step=1, size="sm",
                          value=values.get("days", 30), debounce=True),
            ],
            id=DAYS_BOX, hidden=hidden[2], className="filter-field filter-narrow",
        ),
        _single("对比", COMPARE, _options(COMPARE_LABELS), values.get("compare", "previous"),
                narrow=True),
        _single("口径", BASIS, _options(BASIS_LABELS), values.get("basis", "assessed"),
                narrow=True),
        several("district"),
        several("topic"),
        _single("指标", INDICATOR, _options({key: METRICS[key].name for key in INDICATORS}),
                values.get("indicator", "resolution"), narrow=True),
    ]  # fmt: skip
    more = [several(name) for name in ("subdistrict", "category", "channel", "unit")]
    return html.Div(
        [
            html.Button(
                "筛选条件",
                type="button",
                className="action filter-toggle",
                **{"data-toggle": BAR, "aria-controls": BAR, "aria-expanded": "false"},
            ),
            html.Div(primary, className="filter-primary"),
            html.Details(
                [html.Summary("更多筛选"), html.Div(more, className="filter-more-fields")],
                className="filter-more",
            ),
            html.Div(filter_chips([], ""), id=CHIPS, className="filter-chips"),
        ],
        id=BAR,
        className="filter-bar",
        role="search",
        **{"aria-label": "筛选条件"},
    )


def filter_chips(chips: Sequence[Chip], clear_href: str) -> list[Component]:
    """Return the active filters, each with the link that removes it; nothing when there are none.

    Args:
        chips: the active filters in words.
        clear_href: the same page without any filter.
    """
    if not chips:
        return []
    items: list[Component] = [
        html.Li(
            [
                html.Span(chip.label),
                dcc.Link(
                    [
                        html.Span("×", **{"aria-hidden": "true"}),
                        html.Span(f"去掉“{chip.label}”", className="visually-hidden"),
                    ],
                    href=chip.remove_href,
                    title="去掉此条件",
                ),
            ],
            className="chip",
        )
        for chip in chips
    ]
    items.append(html.Li(dcc.Link("清除全部", href=clear_href), className="chip-clear"))
    return [html.Span("已筛选", className="chips-title"), html.Ul(items)]


def _options(labels: Mapping[Any, str]) -> list[Option]:
    return [{"label": label, "value": value} for value, label in labels.items()]


def _single(
    label: str,
    control: str,
    options: Sequence[Option],
    value: str | None,
    box: str | None = None,
    hidden: bool = False,
    narrow: bool = False,
) -> html.Div:
    select = dbc.Select(id=control, options=list(options), value=value, size="sm")
    extra = {"id": box} if box else {}
    return html.Div(
        [html.Label(label, htmlFor=control), select],
        className="filter-field filter-narrow" if narrow else "filter-field",
        hidden=hidden,
        **extra,
    )


def _several(name: str, control: str, options: Sequence[Option], value: Sequence[str]) -> html.Div:
    """Return a dropdown of several choices.

    Its button is named by its value alone, so the field is a group that carries the label too.
    """
    label = DIMENSION_LABELS[name]
    return html.Div(
        [
            html.Label(label, htmlFor=control, id=f"{control}-label"),
            dcc.Dropdown(
                id=control,
                options=list(options),
                value=list(value),
                multi=True,
                placeholder=f"全部{label}",
                labels=DROPDOWN_LABELS,
                maxHeight=320,
                # One answer from the server for a choice of several, not one for each tick.
                debounce=True,
                closeOnSelect=False,
            ),
        ],
        className="filter-field filter-several",
        role="group",
        **{"aria-labelledby": f"{control}-label"},
    )


def _date(control: str, value: str | None, bounds: Mapping[str, str | None]) -> dbc.Input:
    given = {name: bound for name, bound in bounds.items() if bound}
    # A date is complete after every key stroke on its year: wait for the typing to end.
    return dbc.Input(id=control, type="date", value=value, size="sm", debounce=900, **given)
