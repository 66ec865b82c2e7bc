"""The frame around every page, and the one callback that ties URL, controls and question.

The URL is the truth: it is read on load, paste, Back and Forward, and written only when a control
caused the call, else Back would be trapped. Panels listen to the store ``question`` alone, which
holds the canonical query string with the data version, so that all panels of a page show the same
version even while another is being published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash
import structlog
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from flask import g
from flask_wtf.csrf import generate_csrf

from components import filter_bar as bar
from components import shell as frame
from components.accounts import account_part
from components.states import error_state, first_start_state, notice
from data_access.question import NothingPublishedError, Question, ask, names
from domain.accounts import WORKSTATION, permission_of_page
from domain.filters import (
    BASIS_LABELS,
    DIMENSION_LABELS,
    DIMENSIONS,
    PAGE_OPTIONS,
    RANK_BY,
    Filters,
    from_search,
    to_search,
)
from domain.metrics import INDICATORS
from domain.periods import (
    KIND_LABELS,
    Period,
    PeriodError,
    PeriodKind,
    parse_period,
    period_key,
    recent_periods,
)
from pages._answers import reader, store, who
from pages._ranking import RANKED_BY, asked_key

log = structlog.get_logger("board")

NOTICES = "notices"
# Pages that show no cases of a period.
WITHOUT_FILTERS = frozenset({"/definitions", "/audit"})
# A settled packet is what it was, whatever is asked now.
_SETTLED = "/brief/"
# The page that ranks by 综合成绩 where nothing else is asked for.
_RANKING = "/ranking"
_PERIOD_CONTROLS = {
    "period_kind": bar.PERIOD_KIND,
    "period": bar.PERIOD,
    "start": bar.RANGE_START,
    "end": bar.RANGE_END,
    "days": bar.DAYS,
}
_VALUES = {**_PERIOD_CONTROLS, **bar.CONTROLS}
_OF_CONTROL = {control: name for name, control in _VALUES.items()}


def layout() -> html.Div:
    """Return the frame; it knows nothing of the data until its callback has run."""
    return frame.shell(
        frame.header(_links("/", "")),
        bar.filter_bar({}, {}),
        [
            dcc.Location(id="url", refresh=False),
            dcc.Store(id="question"),
            html.Div(id=NOTICES),
            dash.page_container,
        ],
        frame.footer(None, "", "", "", False),
        False,
    )


def register(app: Dash) -> None:
    """Add the callback to an app."""
    app.callback(
        output={
            "search": Output("url", "search"),
            "question": Output("question", "data"),
            "values": {name: Output(control, "value") for name, control in _VALUES.items()},
            "options": {name: Output(_VALUES[name], "options") for name in ("period", *DIMENSIONS)},
            "hidden": {
                box: Output(box, "hidden")
                for box in (bar.PERIOD_BOX, bar.RANGE_BOX, bar.DAYS_BOX, bar.BAR)
            },
            "chips": Output(bar.CHIPS, "children"),
            "nav": Output(frame.NAV, "children"),
            "account": Output(frame.ACCOUNT, "children"),
            "notices": Output(NOTICES, "children"),
            "footer": Output(frame.FOOTER, "children"),
            "watermark": Output(frame.WATERMARK, "children"),
        },
        inputs={
            "search": Input("url", "search"),
            "pathname": Input("url", "pathname"),
            "values": {name: Input(control, "value") for name, control in _VALUES.items()},
            "shown": State("question", "data"),
        },
    )(tie_url_and_controls)


def tie_url_and_controls(
    search: object, pathname: object, values: Mapping[str, object], shown: object
) -> dict[str, Any]:
    """Return everything that follows from the URL, or from a control that was changed."""
    path = pathname if isinstance(pathname, str) and pathname.startswith("/") else "/"
    changed = _OF_CONTROL.get(str(ctx.triggered_id))
    before: Question | None = None
    if not who().may("figures"):
        return _without_figures(path)
    try:
        if changed:
            before = ask(store(), reader(), shown)
            # What the URL pins; a wish in it that cannot be met ends with the first change.
            pinned = ask(store(), reader(), search).asked
            wanted = _of_controls(changed, values, before, pinned, path)
            question = ask(store(), reader(), to_search(wanted))
        else:
            before = ask(store(), reader(), shown) if shown else None
            question = ask(store(), reader(), search)
    except NothingPublishedError:
        return _nothing(first_start_state())
    except Exception:
        log.error("shell_failed", exc_info=True)
        return _nothing(error_state(g.reference))
    return _outputs(question, before, path, bool(changed))


def _without_figures(path: str) -> dict[str, Any]:
    """Return the frame for those who may open some page, but see no data."""
    nothing = _nothing(None)
    nothing["hidden"] = nothing["hidden"] | {bar.BAR: True}
    return nothing | {"nav": frame.nav_links(_links(path, ""))}


def _nothing(words: Any) -> dict[str, Any]:
    return {
        "search": no_update,
        "question": no_update,
        "values": dict.fromkeys(_VALUES, no_update),
        "options": dict.fromkeys(("period", *DIMENSIONS), no_update),
        "hidden": dict.fromkeys((bar.PERIOD_BOX, bar.RANGE_BOX, bar.DAYS_BOX, bar.BAR), no_update),
        "chips": no_update,
        "nav": no_update,
        "account": _account(),
        "notices": words,
        "footer": no_update,
        "watermark": no_update,
    }


def _outputs(
    question: Question, before: Question | None, path: str, changed: bool
) -> dict[str, Any]:
    snapshot, period, asked = question.snapshot, question.period, question.asked
    search = to_search(asked)
    same_data = before is not None and before.snapshot is snapshot
    same_kind = same_data and before is not None and before.period == period
    same_districts = same_data and before is not None and before.filters.district == asked.district
    options = {
        name: no_update if same_data else _options(snapshot_names, name)
        for snapshot_names in [question]
        for name in DIMENSIONS
    }
    options["subdistrict"] = no_update if same_districts else _street_options(question)
    options["period"] = no_update if same_kind else _period_options(question)
    boxes = bar.hidden_boxes(period.kind)
    window = period.window
    return {
        "search": search if changed else no_update,
        "question": question.canonical,
        "values": {
            "period_kind": period.kind,
            "period": period.key,
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "days": window.days,
            "compare": asked.compare,
            "basis": asked.basis,
            "indicator": _indicator_shown(asked, path),
            **{name: list(getattr(asked, name)) for name in DIMENSIONS},
        },
        "options": options,
        "hidden": {
            bar.PERIOD_BOX: boxes[0],
            bar.RANGE_BOX: boxes[1],
            bar.DAYS_BOX: boxes[2],
            bar.BAR: path in WITHOUT_FILTERS or path.startswith(_SETTLED),
        },
        "chips": bar.filter_chips(_chips(question, path), path),
        "nav": frame.nav_links(_links(path, to_search(asked.shared))),
        "account": _account(),
        "notices": notice(list(question.problems)) if question.problems else None,
        "footer": frame.footer(
            snapshot.cutoff,
            snapshot.key,
            question.rules.version,
            BASIS_LABELS[asked.basis],
            snapshot.is_demo,
        ),
        "watermark": frame.watermark(snapshot.is_demo),
    }


def _indicator_shown(asked: Filters, path: str) -> str:
    """Return the indicator that the bar shows: what the page counts by."""
    if path != _RANKING:
        return asked.indicator
    key = asked_key(asked)
    return key if key in RANKED_BY else "composite"


# --- From controls to filters -------------------------------------------------------------------


def _of_controls(
    changed: str, values: Mapping[str, object], before: Question, pinned: Filters, path: str
) -> Filters:
    """Return the filters that the controls ask for; whatever is not sound is left as it was.

    A control's value comes from the browser: everything is text until ``ask`` has read it.
    """
    fields: dict[str, Any] = {
        "version": pinned.version,
        "period": pinned.period,
        **{name: getattr(before.asked, name) for name in PAGE_OPTIONS},
        "page": "",  # another list begins on its first
    }
    for name in ("compare", "basis", "indicator"):
        fields[name] = _text(values.get(name)) or getattr(before.asked, name)
    if path == _RANKING:
        # The bar shows what the page ranks by: only when chosen is it what is asked for.
        if changed == "indicator":
            fields["rank_by"] = fields["indicator"] if fields["indicator"] in RANK_BY else ""
        else:
            fields["indicator"] = before.asked.indicator
    for name in DIMENSIONS:
        fields[name] = _texts(values.get(name))
    if changed in _PERIOD_CONTROLS:
        fields["period"] = _period_of_controls(changed, values, before)
    if changed == "district" and fields["district"]:
        streets = {code for code, _ in _streets(before, fields["district"])}
        fields["subdistrict"] = tuple(c for c in fields["subdistrict"] if c in streets)
    # Through the codec: what a link could not ask for, a control cannot either.
    return from_search(to_search(Filters(**fields)), INDICATORS).filters


def _text(value: object) -> str:
    # Neither control characters nor lone surrogates, which have no UTF-8, are in any value of ours.
    return value if isinstance(value, str) and value.isprintable() else ""


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(text for each in listed if (text := _text(each)))


def _period_of_controls(changed: str, values: Mapping[str, object], before: Question) -> str:
    kind = _text(values.get("period_kind"))
    window, first_day = before.period.window, before.rules.period_first_day
    if changed == "period_kind":
        if kind == "custom":
            return f"{window.start}..{window.end}"
        if kind == "days":
            return "days-30"
        if kind in KIND_LABELS:
            return period_key(kind, window.end, first_day)
        return before.asked.period
    if changed == "period":
        return _text(values.get("period"))
    if changed == "days":
        days = values.get("days")
        return f"days-{days}" if isinstance(days, int) else before.asked.period
    start, end = _text(values.get("start")), _text(values.get("end"))
    try:
        return parse_period(f"{start}..{end}", before.snapshot.cutoff.date(), first_day).key
    except PeriodError:
        # A date half typed: the view stays, the control shows its old value again.
        return before.asked.period


# --- Options, chips, links ----------------------------------------------------------------------


def _options(question: Question, dimension: str) -> list[dict[str, str]]:
    if dimension == "category":
        return _category_options(question)
    known = names(question.snapshot)[dimension]
    return [{"label": name, "value": code} for code, name in known.items()]


def _category_options(question: Question) -> list[dict[str, str]]:
    """Return the categories in the order of the tree, each below its parent."""
    categories = question.snapshot.reference.categories
    name_of = question.snapshot.reference.lookup("categories", "id", "name")
    rows = []
    for row in categories.itertuples(index=False):
        path = [row.level1_id, row.level2_id, row.level3_id][: int(row.level)]
        words = [name_of[int(step)] for step in path if step == step and step is not None]
        rows.append((tuple(words), str(row.code)))
    return [{"label": " › ".join(words), "value": code} for words, code in sorted(rows)]


def _streets(question: Question, districts: Sequence[str]) -> list[tuple[str, str]]:
    """Return code and name of the streets of some districts; of all without any."""
    reference = question.snapshot.reference
    district_of = reference.districts.set_index("id")
    chosen = reference.subdistricts
    if districts:
        ids = district_of.index[district_of["code"].isin(list(districts))]
        chosen = chosen[chosen["district_id"].isin(ids)]
    one = len(districts) == 1 or len(district_of) == 1
    return [
        (str(row.code), str(row.name) if one else
         f"{district_of['short_name'].get(row.district_id, '')} · {row.name}")
        for row in chosen.itertuples(index=False)
    ]  # fmt: skip


def _street_options(question: Question) -> list[dict[str, str]]:
    return [
        {"label": name, "value": code} for code, name in _streets(question, question.asked.district)
    ]


def _period_options(question: Question) -> list[dict[str, str]]:
    period, snapshot = question.period, question.snapshot
    kind: PeriodKind = period.kind
    if kind in ("custom", "days"):
        return [{"label": period.name, "value": period.key}]
    cutoff = snapshot.cutoff.date()
    periods: list[Period] = recent_periods(
        kind, cutoff, snapshot.first_day or cutoff, question.rules.period_first_day
    )
    if period.key not in {each.key for each in periods}:
        periods.append(period)
    return [
        {"label": each.name + ("" if each.finished else "（进行中）"), "value": each.key}
        for each in periods
    ]


def _chips(question: Question, path: str) -> list[bar.Chip]:
    known = names(question.snapshot)
    # Another list begins on its first page.
    asked = question.asked.narrowed(page="")
    chips = []
    for dimension in DIMENSIONS:
        codes = getattr(asked, dimension)
        for code in codes:
            rest = tuple(each for each in codes if each != code)
            chips.append(
                bar.Chip(
                    f"{DIMENSION_LABELS[dimension]}：{known[dimension].get(code, code)}",
                    path + to_search(asked.narrowed(**{dimension: rest})),
                )
            )
    if question.asked.version:
        chips.append(
            bar.Chip(
                f"数据版本：{question.asked.version}",
                path + to_search(question.asked.narrowed(version="")),
            )
        )
    return chips


def _account() -> Any:
    """Return who is signed in, with the form that signs out."""
    asks = who()
    token = generate_csrf() if asks.can_sign_out else None
    return account_part(asks.account, asks.label, token, workstation=asks is WORKSTATION)


# Pages that the navigation does not name → the page they are reached from.
_REACHED_FROM = {
    "projects": "/targeting",
    "plan": "/targeting",
    "districts": "/ranking",
    "subdistricts": "/ranking",
}


def _links(path: str, search: str) -> list[frame.NavLink]:
    home = _REACHED_FROM.get(path.split("/")[1], path)
    pages = [
        page
        for page in dash.page_registry.values()
        if page.get("order") is not None and who().may(permission_of_page(page["path"]))
    ]
    return [
        frame.NavLink(
            page["name"],
            page["path"] + search,
            # A page about one thing belongs to the page that lists them.
            home == page["path"] or (page["path"] != "/" and home.startswith(f"{page['path']}/")),
        )
        for page in sorted(pages, key=lambda page: page["order"])
    ]
