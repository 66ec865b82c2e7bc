"""三率与排名: who is really better, who is not, and can the denominators be trusted?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import dash
import numpy as np
import pandas as pd
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.axes import stable_axis
from components.choices import choice_group
from components.exports.sheets import Export, Head, Sheet, export_links
from components.figures.funnel import Dot, dot_words, funnel_figure
from components.figures.template import graph
from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    count,
    interval_text,
    joint_decimals,
    share,
    value_text,
)
from components.page_strip import strip
from components.panel import panel
from components.place import Look, Unit, band_text
from components.ranking import (
    RATES,
    SHRUNK_MARK,
    Course,
    Honest,
    Line,
    Member,
    RateRow,
    Tried,
    courses,
    integrity_table,
    jump_words,
    list_panel,
    list_rules,
    own_answer,
    own_sentence,
    periods_text,
    rank_columns,
    rank_table,
    ranking_answer,
    ranking_sentence,
    rate_columns,
    rates_table,
    trial_mark,
    trial_sentence,
    trial_table,
)
from components.states import empty_state, loading, notice
from components.tables import records, table_twin
from data_access.question import NothingPublishedError, Question, ask
from data_access.question import names as names_of
from domain.accounts import permission_of_page
from domain.comparison import Weeks
from domain.filters import BASIS_LABELS, COMPARE_LABELS, DIMENSION_LABELS, LEAGUE_LABELS, to_search
from domain.integrity import INTEGRITY
from domain.metrics import (
    METRICS,
    Change,
    Counts,
    Metric,
    broken_identities,
    change,
    columns_of,
    estimate,
    estimated,
    total,
)
from domain.ranking import (
    LEVEL_WORDS,
    LIST_NAMES,
    TIER_WORDS,
    ListName,
    RankChange,
    Ranking,
    four_lists,
    funnel_limits,
    last_by_value,
    overdispersion,
    rank_changes,
    ranking,
    unranked_words,
)
from domain.rules import Rules
from domain.signals import Signal
from pages._answers import answers, reader, store, who
from pages._exports import about, exported
from pages._ranking import (
    PERIOD_WORDS,
    RANKED_BY,
    SPARK_WEEKS,
    Field,
    Subject,
    field_of,
    history_of,
    leagues_of,
    marked_of,
    periods_of,
    ranked_units,
    ranking_of,
    shrunk_of,
    sides_of,
    subject_of,
    tried_out,
    weekly_of,
)

PATH = "/ranking"
dash.register_page(
    __name__, path=PATH, title="三率与排名 · 接诉即办督办看板", name="三率与排名", order=3
)

# Rows of a table; the districts of a city always stand on one.
PAGE_ROWS = 50
# Weights that are in use somewhere, in percent: 响应率, 解决率, 满意率.
PRESETS = ("10-50-40", "30-35-35", "20-40-40")
# Units of a trial beyond those few that a table shows whole.
MOST_TRIED, WHOLE_TRIED = 20, 40
# Those that the course of ranks is about.
LAST = 3
# Lists that praise.
PRAISED: tuple[ListName, ...] = ("advanced", "improved")
# Points of a limit of the funnel.
LIMIT_POINTS = 80
# How the table is sorted: by no column.
ORDER_WORDS = "先列明显高于其余的，再列持平的，最后列明显低于的"
_SLIDER_WORDS = "三率权重：左柄以左为响应率，两柄之间为解决率，其余为满意率"
_COMPOSITE = METRICS["composite"]
NAN = float("nan")


def layout(weights: str = "", **_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="ranking-summary"), "8rem"),
            loading(html.Div(id="ranking-table"), "40rem"),
            loading(html.Div(id="ranking-funnel"), "26rem"),
            loading(html.Div(id="ranking-course"), "20rem"),
            loading(html.Div(id="ranking-integrity"), "24rem"),
            html.Section(
                [
                    html.H2("试算：换一组权重"),
                    html.Div(
                        [
                            html.Span("响应率", className="trial-end"),
                            # Two handles cut 100 into three weights: they always add up.
                            dcc.RangeSlider(
                                0,
                                100,
                                5,
                                # Until the rules of the period are known.
                                value=_handles(weights or PRESETS[0]),
                                marks={place: str(place) for place in range(0, 101, 10)},
                                id="ranking-weights",
                                allowCross=False,
                                allow_direct_input=False,
                            ),
                            html.Span("满意率", className="trial-end"),
                        ],
                        className="trial-slider",
                        role="group",
                        **{"aria-label": _SLIDER_WORDS},
                    ),
                    loading(html.Div(id="ranking-trial"), "16rem"),
                ],
                className="panel trial-panel",
            ),
            loading(html.Div(id="ranking-rates"), "4rem"),
        ],
        className="page page-ranking",
    )


def _handles(weights: str) -> list[int]:
    """Return where the handles of the slider stand for a text of weights; it may be anything."""
    parts = weights.split("-")
    if len(parts) == 3 and all(part.isdecimal() and len(part) < 4 for part in parts):
        response, resolution, satisfaction = map(int, parts)
        if response + resolution + satisfaction == 100:
            return [response, response + resolution]
    return [0, 100]


def _href(question: Question, **changes: str | tuple[str, ...]) -> str:
    """Return the link to this page with some options changed; another list begins on page 1."""
    return PATH + to_search(question.asked.narrowed(**{"page": "", **changes}))


# --- Summary --------------------------------------------------------------------------------------


@callback(Output("ranking-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer sentence and the choices: who, by what, against whom."""
    subject = subject_of(question)
    field = field_of(subject)
    head = strip(
        _title(subject, field),
        question.words,
        question.snapshot.cutoff,
        question.rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=PATH + question.canonical,
        extra_actions=export_links("rates", question.canonical, "三率统计表"),
    )
    parts: list[Component | None] = [head, notice(subject.problems, "排名依据已改")]
    if subject.trial:
        parts.append(
            html.P(
                [
                    trial_mark(),
                    f" 本页综合成绩按权重 {subject.weights}（响应率-解决率-满意率）试算，"
                    "不是正式成绩。",
                    dcc.Link("恢复现行权重", href=_href(question, weights="")),
                ],
                className="trial-notice",
                role="status",
            )
        )
    counts = field.whole.iloc[0]
    broken = broken_identities({str(name): int(n) for name, n in counts.items()})
    if broken:
        raise ValueError("、".join(broken))
    if not counts["cases"]:
        parts.append(empty_state())
    parts.append(_choices(subject))
    return html.Div(parts)


def _title(subject: Subject, field: Field) -> str:
    if not field.whole["cases"].iloc[0]:
        return f"{subject.question.period.name}没有可以排名的诉求"
    trial = "试算：" if subject.trial else ""
    period, rankings = subject.question.period.name, _rankings(subject)
    if subject.among.of_all:
        ranked, city = _own_ranking(subject, rankings)
        return trial + own_answer(period, subject.counted, ranked, subject.names, city)
    shrunk = shrunk_of(subject).found
    within = "" if "" in rankings else "同类之间"
    ranked = _together(rankings)
    return trial + ranking_answer(period, subject.counted, ranked, subject.names, shrunk, within)


def _together(rankings: Mapping[str, Ranking]) -> Ranking:
    """Return several rankings as one, to count in: ranks and tiers stay those within each."""
    first, *others = rankings.values()
    if not others:
        return first
    return Ranking(
        first.metric,
        NAN,
        pd.concat([each.ranked for each in rankings.values()]),
        pd.concat([each.unranked for each in rankings.values()]),
    )


def _own_ranking(subject: Subject, rankings: Mapping[str, Ranking]) -> tuple[Ranking, str]:
    """Return the ranking that holds what the reader may be told of, and of whom it is."""
    city = subject.among.snapshot.city
    own = {
        name: each
        for name, each in rankings.items()
        if subject.told([*each.ranked.index, *each.unranked.index])
    }
    if not own:
        return ranking_of(subject), city
    if len(own) == 1:
        (name,) = own
        return own[name], f"{city}{name}"
    return _together(own), f"{city}按{_grouped_by(subject)}分组的"


def _choices(subject: Subject) -> html.Div:
    question = subject.question
    by = ranked_units(question)
    grouped = _grouped_by(subject)
    return html.Div(
        [
            choice_group(
                "排名单位",
                [(DIMENSION_LABELS[each], _href(question, by=each), each == subject.by)
                 for each in by],
            ),
            choice_group(
                "排名依据",
                [
                    (each.name, _href(question, **_asked_by(each.key)), each == subject.metric)
                    for each in map(METRICS.__getitem__, RANKED_BY)
                ],
            ),
            choice_group(
                "与谁相比",
                [
                    (f"{label}（{grouped}）" if league else label, _href(question, league=league),
                     league == question.filters.league)
                    for league, label in LEAGUE_LABELS.items()
                ],
            ),
        ],
        className="choices",
    )  # fmt: skip


def _grouped_by(subject: Subject) -> str:
    return "区域" if subject.by == "district" else "诉求量"


def _asked_by(key: str) -> dict[str, str]:
    """Return the options that rank by an indicator (``pages._ranking.subject_of``)."""
    options = {"indicator": key, "rank_by": key if key == "resolution" else ""}
    if key != "composite":
        options["weights"] = ""  # they count for nothing else
    return options


# --- Table ----------------------------------------------------------------------------------------


class Listing(NamedTuple):
    """The units of the table on the page asked for, as (league, code); league "" without any.

    ``number`` and ``of``: which page of how many; ``first``: place of its first unit; ``units``:
    how many are listed in all.
    """

    shown: tuple[tuple[str, str], ...]
    number: int
    of: int
    first: int
    units: int

    @property
    def codes(self) -> list[str]:
        """The codes on the page."""
        return [code for _, code in self.shown]


def _rankings(subject: Subject) -> dict[str, Ranking]:
    """Return the rankings of the table: one of all, or one per league where there are any."""
    found = leagues_of(subject) if subject.question.filters.league else {}
    return found or {"": ranking_of(subject)}


def _listing(subject: Subject, rankings: Mapping[str, Ranking]) -> Listing:
    """Return the units on the page: of streets and units those picked, ranked before unranked.

    Only such as the reader may be told of.
    """
    picked = marked_of(subject) if subject.by != "district" else frozenset()
    entries = [
        (name, code)
        for name, each in rankings.items()
        for code in subject.told([*each.ranked.index, *each.unranked.index])
        if not picked or code in picked
    ]
    rows = PAGE_ROWS if subject.by != "district" else max(len(entries), 1)
    pages = max(-(-len(entries) // rows), 1)
    number = min(subject.question.filters.number("page") or 1, pages)
    first = (number - 1) * rows
    return Listing(tuple(entries[first : first + rows]), number, pages, first + 1, len(entries))


@callback(Output("ranking-table", "children"), Input("question", "data"))
@answers
def show_table(question: Question) -> html.Section | html.Div:
    """Return the ranked units with intervals, bands, tiers, changes; the others apart."""
    subject = subject_of(question)
    field = field_of(subject)
    if not field.whole["cases"].iloc[0]:
        return html.Div()
    rankings = _rankings(subject)
    listing = _listing(subject, rankings)
    rows = pd.concat([each.ranked for each in rankings.values()])
    if subject.among.of_all:
        # Decimals and the ends of the axis tell of others too.
        rows = rows.loc[subject.told(rows.index)]
    look = Look(
        subject.metric,
        joint_decimals(subject.metric, list(rows["value"])),
        NAN,
        stable_axis(subject.metric, [*rows["low"], *rows["high"]]),
    )
    weekly = weekly_of(subject, listing.codes)
    blocks: list[Any] = []
    for name, each in rankings.items():
        codes = [code for league, code in listing.shown if league == name]
        if not codes:
            continue
        members = [*each.ranked.index, *each.unranked.index]
        last = codes[-1] == members[-1] and not name and not subject.among.of_all
        whole = total(field.now.loc[members]) if name else field.whole
        part = _Part(subject, field, each, look, weekly, whole, field.outside if last else None)
        if name:
            told = _told(subject, each, name)
            blocks.append(html.H3([name, html.Small(told)], className="rank-league"))
        blocks.append(part.table(codes, name))
    trial = [trial_mark()] if subject.trial else []
    return panel(
        f"{subject.word}{subject.metric.name}排名",
        html.Div(
            [
                notice(_no_such_page(subject, listing), "页码已改"),
                *blocks,
                _pages(subject, listing),
            ],
            className="rank-blocks",
        ),
        sentence=_sentence(subject, rankings),
        note=f"{subject.note}。{ORDER_WORDS}；"
        f"▲高于 ●持平（{LEVEL_WORDS}）▼低于，横线为单个单位的{INTERVAL_WORDS}，"
        "名次区间以外的名次数据不支持"
        + (f"；{SHRUNK_MARK}分母异常收缩，须核查" if shrunk_of(subject).found else ""),
        actions=trial,
        wide=True,
    )


def _no_such_page(subject: Subject, listing: Listing) -> list[str]:
    """Return that another page was asked for than there are."""
    asked = subject.question.filters.number("page") or 1
    return [f"没有第{asked}页，共{listing.of}页，列最后一页"] if asked > listing.of else []


def _told(subject: Subject, ranked: Ranking, league: str) -> str:
    """Return who is above and below the rest, as far as the reader may be told."""
    if subject.among.of_all:
        city = f"{subject.among.snapshot.city}{league}"
        return own_sentence(ranked, subject.names, subject.counted, city)
    return ranking_sentence(ranked, subject.names, subject.counted, shrunk_of(subject).found)


def _sentence(subject: Subject, rankings: Mapping[str, Ranking]) -> str:
    if "" not in rankings:
        alone = _without_league(subject, rankings)
        return f"{'、'.join(alone)}没有{_grouped_by(subject)}分组，不在表中。" if alone else ""
    ranked_all = rankings[""]
    told = _told(subject, ranked_all, "")
    if subject.question.filters.league:
        told = f"数据没有{_grouped_by(subject)}分组，全部同列。{told}"
    if subject.among.of_all:
        value = value_text(subject.metric, ranked_all.whole)
        told += f"{subject.whole_word}{value}；其他{subject.word}不在本账号的范围内。"
    elif subject.by != "district" and marked_of(subject):
        told = f"只列所选的，名次在全部{len(ranked_all.ranked)}{subject.counted}之间。{told}"
    return told


def _without_league(subject: Subject, rankings: Mapping[str, Ranking]) -> list[str]:
    """Return the names of the units that are in none of the rankings."""
    within = {
        code for each in rankings.values() for code in (*each.ranked.index, *each.unranked.index)
    }
    units = field_of(subject).units
    return [subject.names[code] for code in subject.told(units["code"]) if code not in within]


class _Part:
    """One ranking as a table: everything a row needs, computed once for all its units."""

    def __init__(
        self,
        subject: Subject,
        field: Field,
        ranked: Ranking,
        look: Look,
        weekly: Mapping[str, Weeks],
        whole: Counts,
        outside: Counts | None,
    ) -> None:
        self.subject, self.field, self.ranked, self.weekly = subject, field, ranked, weekly
        self.whole, self.outside = whole, outside
        question = subject.question
        windows = dict(question.windows)
        members = [*ranked.ranked.index, *ranked.unranked.index]
        now = field.now.loc[members]
        value = estimated(columns_of(whole), subject.metric, subject.rules)["value"]
        self.look = look._replace(whole=float(value[0]))
        # Both comparisons, unless none is wanted.
        self.compared = ("previous", "year") if question.compared else ()
        self.changes: dict[str, dict[str, Change]] = {str(code): {} for code in members}
        for name in self.compared:
            before = field.before[name].loc[members]
            days = (question.period.window.days, windows[name].days)
            listed = change(subject.metric, now, before, subject.rules, days)
            for code, each in zip(members, listed, strict=True):
                self.changes[str(code)][COMPARE_LABELS[name]] = each  # type: ignore[index]
        self.moves: dict[str, RankChange] = {}
        if question.compared:
            before = field.before[question.compared[0]].loc[members]
            moves = rank_changes(now, before, subject.metric, subject.rules)
            self.moves = dict(zip(map(str, members), moves, strict=True))
        self.marked = marked_of(subject) if subject.by == "district" else frozenset()
        self.rows = {
            str(code): row
            for frame in (ranked.ranked, ranked.unranked)
            for code, row in _rows(frame).items()
        }
        self.cases = dict(zip(now.index, now["cases"].tolist(), strict=True))
        self.shrunk = shrunk_of(subject).found

    def table(self, codes: Sequence[str], league: str) -> html.Div:
        """Return the table of some of the units, in their order; ``league`` "": of everyone."""
        subject, rows = self.subject, self.ranked.ranked
        ranked_codes = [code for code in codes if code in rows.index]
        apart: dict[str, list[Line]] = {}
        for code in codes:
            if code not in rows.index:
                reason = self._reason(str(self.ranked.unranked.at[code, "reason"]))
                apart.setdefault(reason, []).append(self._line(code))
        if self.outside is not None and self.outside["cases"].iloc[0]:
            apart[f"地点或单位不在{subject.word}名录，只计入汇总"] = [
                self._summed(f"未定位到{subject.word}", self.outside)
            ]
        moved = subject.question.compare_word if subject.question.compared else ""
        return rank_table(
            [self._line(code) for code in ranked_codes],
            apart,
            self._summed(self.subject.whole_word, self.whole),
            self.look,
            rank_columns(
                self.look,
                subject.word,
                [COMPARE_LABELS[name] for name in self.compared],  # type: ignore[index]
                moved,
                SPARK_WEEKS,
            ),
            f"{league and f'{league}各'}{subject.word}{subject.metric.name}排名："
            f"{subject.question.words}。"
            f"{ORDER_WORDS}",
        )

    def _reason(self, reason: str) -> str:
        metric, least = self.subject.metric, self.subject.rules.minimum_revisits
        words = unranked_words(reason, metric)  # type: ignore[arg-type]
        if reason == "small":
            words = f"{metric.n_words}不足{least}件，{words}"
        return f"{words}，不参与排名"

    def _line(self, code: str) -> Line:
        row = self.rows[code]
        is_ranked = "rank" in row
        unit = Unit(
            code,
            self.subject.names[code],
            self.subject.href(code),
            row["value"],
            row["n"],
            row["low"],
            row["high"],
            (int(row["band_low"]), int(row["band_high"]), int(row["rank"])) if is_ranked else None,
            row["tier"] if is_ranked else None,
            float(self.cases[code]),
            moved=self.moves.get(code),
            weekly=self.weekly.get(code),
            own=code in self.marked,
            shrunk=_jumps(self.shrunk.get(code, ())),
        )
        return Line(unit, self.changes[code])

    def _summed(self, name: str, counts: Counts) -> Line:
        own = estimated(columns_of(counts), self.subject.metric, self.subject.rules)
        value, n, low, high = (float(own[name][0]) for name in ("value", "n", "low", "high"))
        cases = float(counts["cases"].iloc[0])
        unit = Unit("", name, "", value, n, low, high, None, None, cases)
        return Line(unit, {})


def _rows(units: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return code → the columns of a unit by name."""
    return dict(zip(map(str, units.index), records(units), strict=True))


def _jumps(signals: Sequence[Signal]) -> str:
    """Return how a denominator shrank, in words; "" where it did not."""
    return "，".join(jump_words(signal.kind, abs(signal.amount)) for signal in signals)


def _pages(subject: Subject, listing: Listing) -> Component | None:
    """Return the links to the other pages of the table; None for a single one."""
    if listing.of == 1:
        return None
    question = subject.question
    links: list[Any] = []
    for number in range(1, listing.of + 1):
        first = (number - 1) * PAGE_ROWS + 1
        text = f"{first}–{min(first + PAGE_ROWS - 1, listing.units)}"
        links.append(
            html.Strong(text, className="choice is-chosen", **{"aria-current": "page"})
            if number == listing.number
            else dcc.Link(
                text, href=_href(question, page="" if number == 1 else str(number)),
                className="choice",
            )
        )  # fmt: skip
    return html.Nav(
        [html.Span(f"共{listing.units}{subject.counted}，每页{PAGE_ROWS}"), *links],
        className="rank-pages",
        **{"aria-label": "排名各页"},
    )


# --- Funnel ---------------------------------------------------------------------------------------


@callback(Output("ranking-funnel", "children"), Input("question", "data"))
@answers
def show_funnel(question: Question) -> html.Section | html.Div:
    """Return the units against the limits of chance; districts are too few for it."""
    subject = subject_of(question)
    field = field_of(subject)
    if subject.by == "district" or not field.whole["cases"].iloc[0]:
        return html.Div()
    metric, ranked = subject.metric, ranking_of(subject).ranked
    title = f"{metric.name}与样本量：谁超出了波动"
    if len(ranked) < 2:
        return panel(title, empty_state("参与排名的不足两个", title="□ 数据不足"), wide=True)
    now = field.now.loc[ranked.index]
    spread = overdispersion(now, metric, subject.rules)
    ranked = ranked.loc[subject.told(ranked.index)] if subject.among.of_all else ranked
    if ranked.empty:
        hint = "本账号范围内没有参与排名的"
        return panel(title, empty_state(hint, title="□ 数据不足"), wide=True)
    n = ranked["n"].to_numpy()
    sizes = np.unique(np.round(np.geomspace(0.9 * n.min(), 1.1 * n.max(), LIMIT_POINTS)))
    limits = funnel_limits(now, list(sizes), metric, subject.rules, spread)
    own = funnel_limits(now, list(n), metric, subject.rules, spread)
    names, marked = subject.names, marked_of(subject)
    if marked.issuperset(map(str, ranked.index)):
        marked = frozenset()  # who is everyone stands out from nobody
    columns = {name: own[name].tolist() for name in own.columns}
    dots = [
        _dot(
            names[str(code)],
            metric,
            (value, size),
            {name: each[place] for name, each in columns.items()},
            str(code) in marked,
        )
        for place, (code, value, size) in enumerate(
            zip(ranked.index, ranked["value"].tolist(), n.tolist(), strict=True)
        )
    ]
    axis = stable_axis(metric, [dot.value for dot in dots])
    beyond = [dot for dot in dots if dot.beyond == 2]
    outer = [dot for dot in dots if dot.beyond]
    sentence = (
        f"{len(dots)}{subject.counted}中，{share(0.998)}控制限以上{_side(beyond, 1)}个、"
        f"以下{_side(beyond, -1)}个；{share(0.95, 0)}控制限以外共{len(outer)}个"
        f"（纯属波动时约{count(0.05 * len(dots))}个）。"
    )
    twin = pd.DataFrame(
        [
            {
                subject.word: dot.name,
                metric.name: value_text(metric, dot.value),
                f"{metric.n_words}（件）": dot.n,
                "位置": dot.words.rsplit("<br>", 1)[1],
            }
            for dot in sorted(outer, key=lambda dot: -dot.distance)
        ]
    )
    note = (
        f"{subject.note}，n≥{subject.rules.minimum_revisits}件。虚线为{subject.whole_word}，"
        f"点线{share(0.95, 0)}、实线{share(0.998)}控制限，"
        "逐个单位看，未作多重检验"
    )
    if spread > 1:
        note += f"；单位间差异为纯波动的{spread:.1f}倍方差（过度离散），控制限已按其平方根放宽"
    return panel(
        title,
        graph(
            funnel_figure(dots, limits, metric, axis),
            f"{title}：{sentence}", "ranking-funnel-graph", "25rem",
        ),
        sentence=sentence,
        note=note,
        actions=[trial_mark()] if subject.trial else [],
        twin=table_twin("控制限以外的单位", twin) if len(twin) else None,
        wide=True,
    )  # fmt: skip


def _side(dots: Sequence[Dot], side: int) -> int:
    return sum(dot.side == side for dot in dots)


def _dot(
    name: str, metric: Metric, own: tuple[float, float], limit: Mapping[str, float], marked: bool
) -> Dot:
    """Return a unit (its value and n) against the limits at its n."""
    value, n = own
    side = 1 if value >= limit["whole"] else -1
    edge = "high" if side > 0 else "low"
    beyond = 0
    for step, tail in ((1, "95"), (2, "998")):
        if side * (value - limit[f"{edge}_{tail}"]) > 0:
            beyond = step
    where = {
        0: f"在{share(0.95, 0)}控制限之内",
        1: f"{'高' if side > 0 else '低'}于{share(0.95, 0)}控制限",
        2: f"{'高' if side > 0 else '低'}于{share(0.998)}控制限",
    }[beyond]
    room = abs(limit[f"{edge}_95"] - limit["whole"])
    distance = abs(value - limit["whole"]) / room if room else 0.0
    words = dot_words(name, metric, value, n, where)
    return Dot(name, n, value, side, beyond, distance, words, marked)


# --- Lists and the course of the last -------------------------------------------------------------


@callback(Output("ranking-course", "children"), Input("question", "data"))
@answers
def show_course(question: Question) -> html.Section | html.Div:
    """Return the four lists of streets, or the course of the last three of other units."""
    subject = subject_of(question)
    if not field_of(subject).whole["cases"].iloc[0]:
        return html.Div()
    return _lists(subject) if subject.by == "subdistrict" else _last(subject)


def _lists(subject: Subject) -> html.Section:
    question, rules = subject.question, subject.rules
    field, periods = field_of(subject), periods_of(question)
    title = "先进、进步、整改、治理名单"
    if subject.metric.key == "on_time":
        composite_known = bool(field.whole["revisits"].iloc[0])
    else:
        composite_known = True
    if not composite_known:
        hint = "名单按综合成绩评定，本期无有效回访"
        return panel(title, empty_state(hint, title="□ 不能评定"), wide=True)
    history = history_of(subject)
    found = four_lists(history, rules)
    shrunk = shrunk_of(subject).found
    values = estimate(field.now, _COMPOSITE, rules)
    moves: dict[str, RankChange] = {}
    if len(history) > 1:
        listed = rank_changes(history[-1], history[-2], _COMPOSITE, rules)
        moves = dict(zip(field.now.index, listed, strict=True))
    names = subject.names
    word = PERIOD_WORDS[question.period.kind]
    told = list_rules(rules)
    blocks = []
    if subject.among.of_all:
        found = {name: tuple(each for each in members if str(each.unit) in names)
                 for name, members in found.items()}  # fmt: skip
    for name, members in found.items():
        # The first period has no list of those that rose.
        most = len(history) - (name == "improved")
        lines = []
        for each in members:
            code = str(each.unit)
            figure, small = _figure(name, code, values, field.now, moves)
            lines.append(
                Member(
                    names[code],
                    subject.href(code),
                    figure,
                    small,
                    periods_text(each, most, word),
                    _jumps(shrunk.get(code, ())) if name in PRAISED else "",
                )
            )
        blocks.append(list_panel(LIST_NAMES[name], told[name], lines))
    advanced, rectify = len(found["advanced"]), len(found["rectify"])
    long = sum(each.periods > 1 for each in found["rectify"])
    sentence = f"先进{advanced}个、整改{rectify}个"
    if rectify:
        sentence += f"（其中{long}个不是第一次）" if long else "（都是本期新进）"
    sentence += f"；进步{len(found['improved'])}个、治理{len(found['govern'])}个。"
    if subject.among.of_all:
        sentence = f"只列本账号范围内的：{sentence}"
    elif min(advanced, rectify) < rules.list_size:
        sentence += f"够不上“明显”的不凑足{rules.list_size}个。"
    trial = f" · 试算：权重{subject.weights}" if subject.trial else ""
    return panel(
        title,
        html.Div(blocks, className="rank-lists"),
        sentence=sentence,
        note=f"{question.period.label} · {BASIS_LABELS[question.filters.basis]} · "
        f"按综合成绩{trial}，"
        f"看{_span(periods)}连续在列的{word}数",
        actions=[trial_mark()] if trial else [],
        wide=True,
    )


def _span(periods: Sequence[tuple[str, Any]]) -> str:
    if len(periods) == 1:
        return periods[0][0]
    return f"{periods[0][0]}至{periods[-1][0]}"


def _figure(
    name: ListName,
    code: str,
    values: pd.DataFrame,
    now: Counts,
    moves: Mapping[str, RankChange],
) -> tuple[str, str]:
    """Return what a street is on a list for, and what it rests on."""
    if name == "govern":
        return f"{count(now.at[code, 'cases'])} 件", ""
    if name == "improved":
        move = moves[code]
        return f"上升{move.places}位", f"由第{move.before}名"
    row = values.loc[code]
    return (
        value_text(_COMPOSITE, float(row["value"])),
        f"n {count(row['n'])}，{interval_text(_COMPOSITE, float(row['low']), float(row['high']))}",
    )


def _last(subject: Subject) -> html.Section | html.Div:
    question = subject.question
    own_only = subject.among.of_all
    title = "名次走势" if own_only else "后三走势"
    present_ranking = ranking_of(subject)
    if len(present_ranking.ranked) < 2:
        return panel(
            title, empty_state("参与排名的不足两个，没有后三", title="□ 数据不足"), wide=True
        )
    periods = periods_of(question)
    earlier = [ranking(each, subject.metric, subject.rules) for each in history_of(subject)[:-1]]
    course = [*earlier, present_ranking]
    last = [[*map(str, _last_of(subject, each))] for each in course]
    rows = [_rows(each.ranked) for each in course]
    names, codes = subject.names, last[-1]
    if own_only:
        told = subject.told(present_ranking.ranked.index)
        codes = sorted(told, key=lambda code: -rows[-1][code]["rank"])[:LAST]
        if not codes:
            hint = "本账号范围内没有参与排名的"
            return panel(title, empty_state(hint, title="□ 数据不足"), wide=True)
    found = []
    for code in codes:
        run = 0
        for members in reversed(last):
            if code not in members:
                break
            run += 1
        found.append(
            Course(
                names[code],
                subject.href(code),
                tuple(_point(each[code]) if code in each else None for each in rows),
                tuple(each[code]["value"] if code in each else NAN for each in rows),
                rows[-1][code]["tier"],
                run,
            )
        )
    sizes = [len(each.ranked) for each in course]
    labels = [name for name, _ in periods]
    twin = pd.DataFrame(
        [
            {"时段": label, "参与排名": size}
            | {
                each.name: f"第{point[0]}（{band_text(point[1], point[2])}），"
                f"{value_text(subject.metric, each.values[place])}"
                if (point := each.points[place])
                else "不参与排名"
                for each in found
            }
            for place, (label, size) in enumerate(zip(labels, sizes, strict=True))
        ]
    )
    if own_only:
        sentence = own_sentence(
            present_ranking, names, subject.counted, subject.among.snapshot.city
        )
        return _course_panel(subject, title, sentence, found, sizes, labels, twin)
    return _course_panel(subject, title, _last_sentence(subject, found), found, sizes, labels, twin)


def _last_of(subject: Subject, ranked: Ranking) -> list[Hashable]:
    """Return the last three, the worst first.

    Districts by value, as the ranks that are drawn: they are few and large. Of many small units
    chance alone would fill the last places: those that are worse for sure, the end of the table.
    """
    if subject.by == "district":
        return last_by_value(ranked.ranked, LAST)
    number = min(LAST, len(ranked.ranked) // 2)
    return [*ranked.ranked.index[len(ranked.ranked) - number :]][::-1]


def _last_sentence(subject: Subject, found: Sequence[Course]) -> str:
    """Return who is last, by what, and who of them is so beyond chance."""
    below = [each.name for each in found if each.tier == "below"]
    how = "按数值列后三" if subject.by == "district" else "按区间而不按数值列后三"
    listed = f"{'、'.join(each.name for each in found)}{how}"
    if not below:
        return f"{listed}，但与其余相比{LEVEL_WORDS}。"
    if len(below) == len(found):
        return f"{listed}，都{TIER_WORDS['below']}其余。"
    return f"{listed}，其中{'、'.join(below)}{TIER_WORDS['below']}其余。"


def _course_panel(
    subject: Subject,
    title: str,
    sentence: str,
    found: Sequence[Course],
    sizes: Sequence[int],
    labels: Sequence[str],
    twin: pd.DataFrame,
) -> html.Section:
    word = PERIOD_WORDS[subject.question.period.kind]
    by_value = subject.by == "district" and not subject.among.of_all
    dots = "后三与圆点都按数值的名次" if by_value else "圆点为按数值的名次"
    return panel(
        title,
        courses(found, sizes, labels, word, subject.metric),
        sentence=sentence,
        note=f"{subject.note}。按{subject.metric.name}，{dots}，灰条为名次区间，"
        f"其内的先后数据不支持；上端为第1名；{_span(periods_of(subject.question))}",
        actions=[trial_mark()] if subject.trial else [],
        twin=table_twin(title, twin),
        wide=True,
    )


def _point(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["rank"], row["band_low"], row["band_high"]


# --- Integrity ------------------------------------------------------------------------------------


@callback(Output("ranking-integrity", "children"), Input("question", "data"))
@answers
def show_integrity(question: Question) -> html.Section | html.Div:
    """Return the shares that the denominators hang on; what jumped comes first."""
    subject = subject_of(question)
    field = field_of(subject)
    if not field.whole["cases"].iloc[0]:
        return html.Div()
    rules, metric = subject.rules, subject.metric
    sides = sides_of(subject)
    shrunk = shrunk_of(subject)
    flags = {code: _jumps(signals) for code, signals in shrunk.found.items()}
    columns = sides.now.columns
    values = {each.key: estimated(columns, each, rules) for each in INTEGRITY}
    gaps = _basis_gap(metric, sides.now.assessed, sides.now.everything, rules)
    place = {str(code): position for position, code in enumerate(field.now.index)}
    names = subject.names
    listed = _listing(subject, {"": ranking_of(subject)}).codes
    marked = marked_of(subject) if subject.by == "district" else frozenset()
    lines = [
        Honest(
            names[code],
            subject.href(code),
            {
                key: (float(each["value"][place[code]]), float(each["n"][place[code]]))
                for key, each in values.items()
            },
            float(gaps[place[code]]),
            (flags[code],) if code in flags else (),
            code in marked,
        )
        for code in dict.fromkeys([*flags, *listed])
    ]
    whole_columns = sides.whole.columns
    of_whole = {each.key: estimated(whole_columns, each, rules) for each in INTEGRITY}
    whole = Honest(
        subject.whole_word,
        "",
        {key: (float(each["value"][0]), float(each["n"][0])) for key, each in of_whole.items()},
        float(_basis_gap(metric, sides.whole.assessed, sides.whole.everything, rules)[0]),
    )
    compare = question.compare_word if question.compared else ""
    if not compare:
        sentence = "没有对比期，不判断变动。"
    elif flags:
        told = "、".join(names[code] for code in list(flags)[:5]) + ("等" if len(flags) > 5 else "")
        sentence = f"{told}{len(flags)}{subject.counted}的分母异常收缩（{compare}），须核查。"
    elif subject.among.of_all:
        sentence = f"在{subject.among.snapshot.city}各{subject.word}之间检验，本账号范围内没有分母"
        sentence += f"异常收缩（{compare}）。"
    elif shrunk.checks:
        sentence = f"{shrunk.checks}项检验没有发现分母异常收缩（{compare}）。"
    else:
        sentence = f"没有样本够得上检验的{subject.word}（{compare}）。"
    if not field.whole["revisits"].iloc[0]:
        sentence = f"本期无有效回访，三率不可算。{sentence}"
    unit = "百分点" if metric.kind == "rate" else metric.unit
    return panel(
        "数据是否可靠：分母有没有被做小",
        integrity_table(
            lines, whole, INTEGRITY, subject.word, f"{metric.name}口径差", unit, compare,
            f"数据是否可靠：{question.words}",
        ),
        sentence=sentence,
        note=f"{subject.note}。口径差 = 考核口径 − 全口径；剔除率按全口径；有效回访率降幅不到"
        f"{rules.smallest_revisit_drop:g}、剔除率升幅不到{rules.smallest_exclusion_jump:g}个百分点"
        "或在波动之内的不列异常",
        actions=[trial_mark()] if subject.trial else [],
        wide=True,
    )  # fmt: skip


def _basis_gap(metric: Metric, assessed: Counts, everything: Counts, rules: Rules) -> np.ndarray:
    """Return 考核口径 − 全口径, of a rate in percentage points."""
    scale = 100.0 if metric.kind == "rate" else 1.0
    gap: np.ndarray = scale * (
        estimate(assessed, metric, rules)["value"].to_numpy()
        - estimate(everything, metric, rules)["value"].to_numpy()
    )
    return gap


# --- Trial ----------------------------------------------------------------------------------------


@callback(
    Output("ranking-trial", "children"),
    Output("ranking-weights", "value"),
    Input("question", "data"),
    Input("ranking-weights", "value"),
)
def show_trial(search: object, handles: object) -> tuple[Any, Any]:
    """Return the ranks under other weights beside those in force, and where the handles stand.

    The handles begin where the page's own weights are, those of the rules or of the URL.
    """
    moved = set(dash.ctx.triggered_prop_ids) == {"ranking-weights.value"}
    tried = weights_of(handles) if moved else ""
    return _show_trial(search, tried), dash.no_update if moved else _weights_of_page(search)


def _weights_of_page(search: object) -> Any:
    if not who().may(permission_of_page(__name__)):
        return dash.no_update
    try:
        subject = subject_of(ask(store(), reader(), search))
    except NothingPublishedError:
        return dash.no_update
    return _handles(subject.weights)


def weights_of(handles: object) -> str:
    """Return the weights that the handles of the slider cut, in percent; "" for anything else."""
    if (
        isinstance(handles, list)
        and len(handles) == 2
        and all(isinstance(each, int) and not isinstance(each, bool) for each in handles)
        and 0 <= handles[0] <= handles[1] <= 100
    ):
        return f"{handles[0]}-{handles[1] - handles[0]}-{100 - handles[1]}"
    return ""


@answers
def _show_trial(question: Question, weights: str) -> html.Div:
    subject = subject_of(question)
    field = field_of(subject)
    if not field.whole["revisits"].iloc[0]:
        return html.Div(empty_state("本期无有效回访，没有综合成绩可试算", title="□ 不能试算"))
    weights = weights or subject.weights
    in_force = question.rules
    tried = tried_out(in_force, weights)
    names = subject.names
    now, then = (
        ranking_of(subject._replace(metric=_COMPOSITE, rules=rules)).ranked
        for rules in (in_force, tried)
    )
    figures = [
        {
            code: ((row["band_low"], row["band_high"], row["rank"], row["value"]), row["tier"])
            for code, row in _rows(frame).items()
        }
        for frame in (now, then)
    ]
    lines = []
    for code in subject.told(then.index):
        (before, tier), (after, new_tier) = (each[code] for each in figures)
        lines.append(Tried(names[code], subject.href(code), before, after, (tier, new_tier)))
    shown = lines
    if len(lines) > WHOLE_TRIED:
        shown = sorted(lines, key=lambda line: -abs(line.places))[:MOST_TRIED]
    present = subject._replace(rules=in_force).weights
    is_trial = weights != present
    words = "、".join(
        f"{METRICS[key].name} {share(int(part) / 100, 0)}"
        for key, part in zip(("response", "resolution", "satisfaction"), weights.split("-"),
                             strict=True)
    )  # fmt: skip
    listed = [present, *(each for each in PRESETS if each != present)]
    presets = choice_group(
        "全页改用",
        [
            (f"{each}（现行）" if each == present else each,
             _href(question, **_asked_by("composite"), weights="" if each == present else each),
             each == subject.weights and subject.metric is _COMPOSITE)
            for each in dict.fromkeys([*listed, *([weights] if is_trial else [])])
        ],
    )  # fmt: skip
    sentence = trial_sentence(lines, weights, subject.counted)
    if len(shown) < len(lines):
        sentence += f"下表只列变动最大的{len(shown)}个。"
    if not is_trial:
        sentence = f"现为现行权重{present}；移动两个滑块即按新的权重重算。"
    table = trial_table(
        shown, subject.word, _COMPOSITE, f"权重{weights}试算的名次：{question.words}"
    )
    return html.Div(
        [
            html.P([trial_mark() if is_trial else "现行 ", f" {words}"], className="trial-weights"),
            presets,
            html.P(sentence, className="panel-sentence"),
            *([table] if is_trial else []),
            html.P(
                f"{question.period.label} · {BASIS_LABELS[question.filters.basis]} · "
                f"有效回访不足{in_force.minimum_revisits}件的不参与。试算不是正式成绩。",
                className="panel-note",
            ),
        ]
    )


# --- The statutory table --------------------------------------------------------------------------


def _rate_rows(subject: Subject, codes: Sequence[str] | None) -> list[RateRow]:
    """Return the rows of the table for some units, all without: ranked first, in their order."""
    field, ranked = field_of(subject), ranking_of(subject)
    counted = columns_of(field.now)
    values = {
        key: estimated(counted, METRICS[key], subject.rules)["value"].tolist() for key in RATES
    }
    columns = {key: field.now[key].tolist() for key, _ in rate_columns(subject.rules)}
    place = {code: position for position, code in enumerate(field.now.index)}
    names = subject.names
    numbers = dict(zip(ranked.ranked.index, ranked.ranked["position"].tolist(), strict=True))
    reasons = dict(zip(ranked.unranked.index, ranked.unranked["reason"], strict=True))
    rows = []
    for code in subject.told([*numbers, *reasons]):
        if codes is not None and code not in codes:
            continue
        number, remark = str(numbers.get(code, NO_VALUE)), ""
        if code in reasons:
            remark = f"{unranked_words(reasons[code], subject.metric)}，不参与排名"
        counts = {key: int(each[place[code]]) for key, each in columns.items()}
        rows.append(
            RateRow(
                number,
                names[code],
                counts,
                {key: each[place[code]] for key, each in values.items()},
                _rate_remark(counts, remark),
                code,
            )
        )
    return rows


def _district_names(subject: Subject) -> dict[str, str]:
    """Return code of a street → name of its district; {} of other units."""
    if subject.by != "subdistrict":
        return {}
    units, districts = field_of(subject).units, subject.among.snapshot.reference.districts
    called = dict(zip(districts["code"].astype(str), districts["name"].astype(str), strict=True))
    return {
        code: called.get(district, "")
        for code, district in zip(units["code"], units["district"], strict=True)
    }


def _league_names(subject: Subject) -> dict[str, str]:
    """Return code → the league in which a unit is ranked; {} where all are ranked together."""
    return {
        str(code): name
        for name, each in _rankings(subject).items()
        if name
        for code in (*each.ranked.index, *each.unranked.index)
    }


def _rate_remark(counts: Mapping[str, int], remark: str) -> str:
    """Return the remark, with why there are no rates where it does not say so."""
    if counts["revisits"] or "无有效回访" in remark:
        return remark
    return "，".join(part for part in (remark, "无有效回访") if part)


def _rate_sum(subject: Subject, name: str, counts: Counts, remark: str = "") -> RateRow:
    columns = columns_of(counts)
    values = {
        key: float(estimated(columns, METRICS[key], subject.rules)["value"][0]) for key in RATES
    }
    summed = {key: int(columns[key][0]) for key, _ in rate_columns(subject.rules)}
    return RateRow(NO_VALUE, name, summed, values, _rate_remark(summed, remark))


def _outside_row(subject: Subject) -> list[RateRow]:
    field = field_of(subject)
    if subject.among.of_all or not field.outside["cases"].iloc[0]:
        return []
    name = f"未定位到{subject.word}"
    return [_rate_sum(subject, name, field.outside, "不在名录，只计入汇总")]


def _number_words(subject: Subject) -> str:
    """Return what the numbers of the table are."""
    together = "（全部同列）" if subject.question.filters.league else ""
    return f"序号按{subject.metric.name}排名的次序{together}：{ORDER_WORDS}，不是按数值的名次"


def _rates_title(subject: Subject) -> str:
    return f"{subject.word}“三率”统计表"


@callback(Output("ranking-rates", "children"), Input("question", "data"))
@answers
def show_rates(question: Question) -> html.Section | html.Div:
    """Return the table 三率统计表, folded; all of it goes with the file."""
    subject = subject_of(question)
    field = field_of(subject)
    if not field.whole["cases"].iloc[0]:
        return html.Div()
    listing = _listing(subject, {"": ranking_of(subject)})
    rows = _rate_rows(subject, listing.codes)
    if listing.number == listing.of:
        rows += _outside_row(subject)
    title = _rates_title(subject)
    note = f"{subject.note}，{_number_words(subject)}"
    if listing.of > 1:
        note += f"；本页第{listing.first}–{listing.first + len(listing.shown) - 1}行，下载含全部"
    table = rates_table(
        rows, _rate_sum(subject, subject.whole_word, field.whole), subject.word, subject.rules,
        f"{title}：{question.words}",
    )  # fmt: skip
    return panel(
        title,
        html.Details([html.Summary("展开"), table], className="table-twin"),
        note=note,
        actions=[
            *([trial_mark()] if subject.trial else []),
            *export_links("rates", question.canonical, "三率统计表"),
        ],
        wide=True,
    )


@exported("rates")
def export_rates(question: Question) -> Export:
    """Return 三率统计表 of all units, and beside it their ranks with intervals."""
    subject = subject_of(question)
    field, rankings = field_of(subject), _rankings(subject)
    rules, metric = subject.rules, subject.metric
    of_streets, by_league = subject.by == "subdistrict", "" not in rankings
    # Two districts may have a street of the same name: beside a column 区 it needs no more.
    names_of_units = [*([Head("区")] if of_streets else []), Head(subject.word),
                      *([Head("同类分组")] if by_league else [])]  # fmt: skip
    official = names_of(question.snapshot)[subject.by]
    within, of_league = _district_names(subject), _league_names(subject)

    def unit(code: str, name: str = "") -> list[object]:
        return [
            *([within.get(code, "")] if of_streets else []),
            official.get(code, name),
            *([of_league.get(code, "")] if by_league else []),
        ]

    heads = [
        Head("序号", "count"),
        *names_of_units,
        *(Head(f"{title}（件）", "count") for _, title in rate_columns(rules)),
        *(
            Head(METRICS[key].name, "share", 2)
            if METRICS[key].kind == "rate"
            else Head(f"{METRICS[key].name}（{METRICS[key].unit}）", "amount", 2)
            for key in RATES
        ),
        Head("备注"),
    ]

    def cells(row: RateRow) -> list[object]:
        number = int(row.number) if row.number.isdecimal() else row.number
        figures = (*row.counts.values(), *row.values.values())
        return [number, *unit(row.code, row.name), *figures, row.remark]

    rates = Sheet(
        "三率统计表",
        heads,
        [cells(row) for row in [*_rate_rows(subject, None), *_outside_row(subject)]],
        cells(_rate_sum(subject, subject.whole_word, field.whole)),
    )
    kind: Any = ("share", 2) if metric.kind == "rate" else ("amount", 2)
    ranked_rows: list[list[object]] = []
    for each in rankings.values():
        listed = each.ranked.loc[subject.told(each.ranked.index)]
        apart = each.unranked.loc[subject.told(each.unranked.index)]
        ranked_rows += [
            [
                *unit(code), int(row["rank"]),
                band_text(int(row["band_low"]), int(row["band_high"])),
                TIER_WORDS[row["tier"]], float(row["value"]), float(row["low"]),
                float(row["high"]), int(row["n"]), "",
            ]
            for code, row in _rows(listed).items()
        ]  # fmt: skip
        ranked_rows += [
            [
                *unit(code), NO_VALUE, "", "", float(row["value"]), float(row["low"]),
                float(row["high"]), int(row["n"]),
                f"{unranked_words(row['reason'], metric)}，不参与排名",
            ]
            for code, row in _rows(apart).items()
        ]  # fmt: skip
    ranks = Sheet(
        f"{metric.name}排名",
        [
            *names_of_units, Head("名次", "count"), Head("名次区间"), Head("与其余相比"),
            Head(metric.name, *kind), Head("区间下限", *kind), Head("区间上限", *kind),
            Head(f"{metric.n_words}（件）", "count"), Head("备注"),
        ],
        ranked_rows,
    )  # fmt: skip
    title = ("试算：" if subject.trial else "") + _rates_title(subject)
    more = {
        "排名": f"按{metric.name}；{INTERVAL_WORDS}；名次区间以外的名次，数据不支持",
        "次序": f"排名表{ORDER_WORDS}；三率统计表的{_number_words(subject)}",
    }
    if by_league:
        more["同类分组"] = (
            f"按{_grouped_by(subject)}分组：{'、'.join(rankings)}；"
            "名次、名次区间、与其余相比都在本组之内"
        )
        alone = _without_league(subject, rankings)
        if alone:
            more["同类分组"] += f"；{'、'.join(alone)}没有分组，不在排名表中"
    elif question.filters.league:
        more["同类分组"] = f"数据没有{_grouped_by(subject)}分组，全部同列"
    if subject.among.of_all:
        size = sum(len(each.ranked) for each in rankings.values())
        more["排名"] += (
            f"；在{subject.among.snapshot.city}{size}{subject.counted}之间，只列本账号的"
        )
    if subject.trial:
        more["试算"] = f"综合成绩按权重{subject.weights}（响应率-解决率-满意率），不是正式成绩"
    return Export(title, about(question, **more), [rates, ranks])
