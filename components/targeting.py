"""抓零、抓大户 in words: the two lists, why somebody is on them, what attention would bring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dash import dcc, html
from dash.development.base_component import Component

from components.figures.targeting import Spot
from components.formatting import MINUS, NO_VALUE, amount, points, share
from components.panel import figure_menu
from components.tile_map import in_frame
from components.topic import plain_amount
from domain.rules import Rules
from domain.schedule import Target
from domain.targeting import Gains, Holding, Leverage, QuestionKey, Targeting

ZERO_WORDS, LARGE_WORDS = "抓零", "抓大户"
# Shapes as in the quadrant.
MARKS = {"both": "★", "zero": "◆", "large": "■", "": "●"}
KIND_WORDS = {"both": "双抓", "zero": ZERO_WORDS, "large": LARGE_WORDS, "": "未列入"}


def kind_of(holding: Holding) -> str:
    """Return "both", "zero", "large" or ""."""
    if holding.both:
        return "both"
    return "zero" if holding.zero else "large" if holding.large else ""


def spot_of(holding: Holding, target: Target, weeks: int, chosen: bool) -> Spot:
    """Return a holder as the pictures draw it."""
    recent = f"近{weeks}周{recent_words(holding, target)}"
    words = "<br>".join(
        [
            f"{holding.holder.name}：剩余{left_words(holding, target)}，占{share(holding.share)}",
            gap_words(holding),
            recent,
        ]
    )
    return Spot(
        holding.holder.code,
        holding.holder.name,
        holding.remaining,
        holding.gap,
        holding.recent,
        holding.share,
        holding.cumulative,
        kind_of(holding),
        words,
        chosen,
    )


def left_words(holding: Holding, target: Target) -> str:
    """Return what is left: "2.8万套"."""
    return amount(holding.remaining, target.unit, holding.remaining)


def recent_words(holding: Holding, target: Target) -> str:
    """Return what was done in the last weeks: "+123套", "没有进展", "未上报"."""
    if "unreported" in holding.zero_reasons:
        return "没有上报"
    if math.isnan(holding.recent):
        return f"进展{NO_VALUE}"
    if holding.recent <= 0:
        return "没有进展"
    return f"+{amount(holding.recent, target.unit, holding.recent)}"


def gap_words(holding: Holding) -> str:
    """Return 完成率 against 序时: 完成率 and how many 百分点 it is ahead or behind."""
    if math.isnan(holding.gap):
        return f"完成率{NO_VALUE}"
    said = f"完成率{share(holding.completion)}"
    if abs(holding.gap) < 0.0005:
        return f"{said}，与序时持平"
    word = "快于" if holding.gap > 0 else "慢于"
    return f"{said}，{word}序时{points(100 * holding.gap)}"


def gap_number(holding: Holding) -> str:
    """Return the gap to 序时 as a signed number of 百分点."""
    if math.isnan(holding.gap):
        return NO_VALUE
    sign = "+" if holding.gap > 0 else MINUS if holding.gap < 0 else ""
    return f"{sign}{points(100 * holding.gap).removesuffix('个百分点')}"


def why(holding: Holding, rules: Rules, target: Target) -> str:
    """Return why somebody is on a list, as a sentence without its full stop."""
    parts = []
    if "unreported" in holding.zero_reasons:
        parts.append(f"近{rules.zero_weeks}周没有上报")
    if "quiet" in holding.zero_reasons:
        quiet = holding.quiet_weeks
        parts.append("一直没有进展" if quiet is None else f"{quiet}周没有进展")
    if "slow" in holding.zero_reasons:
        half = share(rules.zero_schedule_share, 0)
        parts.append(
            f"完成率{share(holding.completion)}，不到序时{share(holding.scheduled)}的{half}"
        )
    left = f"剩余{left_words(holding, target)}"
    parts.append(f"{left}，占全部剩余的{share(holding.share)}" if holding.large else left)
    return "，".join(parts)


def answer(result: Targeting, target: Target, noun: str) -> str:
    """Return the title: "3区列入抓零，4区列入抓大户，双抓1区".

    Args:
        result: the two lists.
        target: of what.
        noun: what is counted: "个区", "个项目".
    """
    if not result.holdings:
        return f"{target.name}：没有分{noun.removeprefix('个')}的存量"
    zero = f"{len(result.zero)}{noun}列入抓零" if result.zero else f"没有{noun[1:]}列入抓零"
    large = f"{len(result.large)}{noun}列入抓大户"
    both = f"双抓{len(result.both)}{noun}" if result.both else "没有双抓"
    return f"{target.name}：{zero}，{large}，{both}"


def target_lists(
    result: Targeting,
    target: Target,
    rules: Rules,
    hrefs: Mapping[str, str],
    chosen: frozenset[str],
    most: int = 6,
) -> html.Div:
    """Return the two lists side by side, each with its action.

    Args:
        result: the two lists.
        target: of what.
        rules: that put them there.
        hrefs: code → link of a holder.
        chosen: codes to be marked.
        most: names told of each list; the rest are counted.
    """

    def line(holding: Holding, weeks: int) -> html.Li:
        kind = kind_of(holding)
        code = holding.holder.code
        return html.Li(
            [
                kind_mark(kind),
                html.Span(
                    [
                        dcc.Link(holding.holder.name, href=hrefs[code]),
                        *([html.Strong("双抓", className="target-twice")] if holding.both else []),
                        html.Small(f"连续第{weeks}周", className="target-weeks"),
                    ],
                    className="target-name",
                ),
                html.Span(why(holding, rules, target), className="target-why"),
            ],
            className="target-line is-chosen" if code in chosen else "target-line",
        )

    def listed(name: str, action: str, lines: Sequence[html.Li]) -> html.Section:
        shown: list[html.Li] = list(lines[:most])
        if len(lines) > most:
            shown.append(html.Li(f"另有{len(lines) - most}个，见下表", className="target-more"))
        if not lines:
            shown.append(html.Li("没有列入的", className="target-more"))
        return html.Section(
            [
                html.Div(
                    [
                        html.H2([f"{name} → ", html.Strong(action), html.Small(f"{len(lines)}个")]),
                        figure_menu(name),
                    ],
                    className="panel-head",
                ),
                html.Ol(shown, className="target-list"),
            ],
            className="target-panel",
        )

    return html.Div(
        [
            listed(
                ZERO_WORDS, "定向指导", [line(each, each.zero_weeks_on) for each in result.zero]
            ),
            listed(
                LARGE_WORDS, "重点帮扶", [line(each, each.large_weeks_on) for each in result.large]
            ),
        ],
        className="target-lists",
    )


def kind_mark(kind: str) -> html.Span:
    """Return the shape of a list; the word stands beside it."""
    return html.Span(
        MARKS[kind], className=f"target-mark target-{kind or 'none'}", **{"aria-hidden": "true"}
    )


def target_tiles(
    result: Targeting,
    target: Target,
    places: Mapping[str, tuple[int, int]],
    hrefs: Mapping[str, str],
    chosen: frozenset[str],
) -> html.Div:
    """Return the districts as equal tiles: what is left, its share, the gap, the last weeks.

    Args:
        result: the two lists by district.
        target: of what.
        places: code → row and column on the tile map.
        hrefs: code → link.
        chosen: codes to be marked.
    """
    order = [each.holder.code for each in result.holdings]
    framed = dict(zip(order, in_frame([places.get(code) for code in order]), strict=True))
    columns = max((place[1] for place in framed.values() if place), default=0)
    tiles = []
    for each in result.holdings:
        kind, code = kind_of(each), each.holder.code
        place = framed[code]
        names = ["tile", f"tile-{kind or 'plain'}", *(["is-chosen"] if code in chosen else [])]
        tiles.append(
            html.Li(
                dcc.Link(
                    [
                        html.Span(
                            [
                                html.Span(each.holder.name, className="tile-name"),
                                *(
                                    [html.Span([kind_mark(kind), KIND_WORDS[kind]],
                                               className="tile-kind")]
                                    if kind else []
                                ),
                            ],
                            className="tile-head",
                        ),
                        html.Span(left_words(each, target), className="tile-value"),
                        html.Span(
                            f"{share(each.share)} · {gap_number(each)}", className="tile-share"
                        ),
                        html.Span(recent_words(each, target), className="tile-n"),
                    ],
                    href=hrefs[code],
                    className="tile-link",
                ),
                className=" ".join(names),
                style={"gridRow": str(place[0]), "gridColumn": str(place[1])} if place else None,
            )
        )  # fmt: skip
    return html.Div(
        html.Ul(
            tiles,
            className="tiles" if columns else "tiles tiles-flow",
            style={"--tile-columns": str(columns)} if columns else None,
        ),
        className="tile-map",
    )


QUESTIONS: dict[QuestionKey, str] = {
    "quiet": "卡在哪个环节，谁在办，何时恢复",
    "unreported": "为什么没有上报，实际办了多少",
    "slow": "按现有速度到期差多少，准备加多少力量",
    "large": "需要市级部门解决哪几件共性问题",
    "both": "是否由市级部门驻点，按项目定周计划",
}


def questions(holding: Holding) -> str:
    """Return the questions that the reasons suggest (追问)."""
    return "".join(f"{QUESTIONS[key]}？" for key in holding.questions)


def leverage_words(result: Targeting, gained: Gains, target: Target, faster: float) -> str:
    """Return what attention would bring by the due day, a sentence.

    Args:
        result: the two lists.
        gained: by 抓零 at the median pace, by 抓大户 at a faster one.
        target: of what.
        faster: by how much.
    """
    parts = []
    if result.zero:
        parts.append(
            f"若抓零的{len(result.zero)}个追到中位周速，到{target.due_on}"
            f"+{amount(gained.zero, target.unit, gained.zero)}"
        )
    if result.large:
        parts.append(
            f"若抓大户的{len(result.large)}个提速{share(faster, 0)}，"
            f"+{amount(gained.large, target.unit, gained.large)}"
        )
    return "；".join(parts) + ("。" if parts else "")


def leverage_row(each: Leverage) -> dict[str, Component | str]:
    """Return the cells of one holder in the table of what attention buys."""
    return {
        "name": each.holding.holder.name,
        "list": KIND_WORDS[kind_of(each.holding)],
        "to_median": plain_amount(each.to_median, each.holding.remaining),
        "faster": plain_amount(each.faster, each.holding.remaining),
    }
