"""A wide file of metrics becomes targets and progress, as its mapping says and never by guess."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_access import schema
from data_access.loading.errors import LoadError
from data_access.loading.scorecard import scorecard_from
from tests.data.conftest import store_settings
from tests.data.test_loading import loaded, rows_of

ROOT = Path(__file__).resolve().parents[2]
CITYSCORE = ROOT.parent / "shared" / "real" / "cityscore2026" / "metrics.csv"
MAPPING = ROOT / "data_access" / "mappings" / "cityscore2026.toml"

SMALL_MAPPING = """
city = "某市"
nulls = ["缺"]
drop = ["备注"]

[scorecard]
name = "指标"
on_date = "计算时间"
target = "目标"
logic = "算法"
numerator = "分子"
denominator = "分母"

[topic]
code = "S"
year = 2026
month = 3
theme = "城市运行"
name = "城市指标"

[target]
unit = "比值"
start_on = 2026-01-01
due_on = 2026-12-31

[logic]
share = { value = "numerator / denominator", direction = "up" }
median = { value = "denominator", direction = "down", unit = "分钟" }
history = { value = "numerator", direction = "down", target = false }
"""
HEADER = "指标,计算时间,目标,算法,分子,分母,当日,联系电话,备注"
ROWS = (
    "按时率,2026-03-31 11:00:00,0.9,share,90,100,1,2,3",
    "等候,2026-03-31 11:00:01,6,median,6,7.5,1,2,3",
    "满意度,2026-03-31 11:00:02,4,share,9,2,1,2,3",
    "满意度,2026-03-31 11:00:03,4,share,7,2,1,2,3",
    "火情,2026-03-31 11:00:04,,history,40.5,,1,2,3",
    "出勤率,2026-03-31 11:00:05,0.95,share,缺,,1,2,3",
    "按时率,2026-04-30 11:00:00,0.9,share,80,100,1,2,3",
    "满意度,2026-04-30 11:00:01,4,share,,2,1,2,3",
    "满意度,2026-04-30 11:00:02,4,share,6,2,1,2,3",
)


@pytest.fixture
def store(tmp_path):
    return store_settings(tmp_path)


@pytest.fixture
def scored(store, tmp_path):
    """Return a function that loads rows as a scorecard and returns the result."""
    mapping = tmp_path / "m.toml"
    mapping.write_text(SMALL_MAPPING, encoding="utf-8")

    def load(*rows, header=HEADER, name="metrics.csv", **options):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return loaded(store, path, **{"mapping": mapping} | options)

    return load


def stored_in(store):
    """Return the stored targets by code, and their progress by code and day."""
    targets = {row["code"]: row for row in rows_of(store, schema.targets)}
    codes = {row["id"]: code for code, row in targets.items()}
    progress = {
        (codes[row["target_id"]], row["on_date"].isoformat()): row["value"]
        for row in rows_of(store, schema.progress)
    }
    return targets, progress


def is_met(value, target, direction):
    """Return whether a value reaches a target; None without one of them."""
    if value is None or target is None:
        return None
    return value >= target if direction == "up" else value <= target


def notes_of(result):
    return [note for file in result.account.files for note in file.notes]


def test_an_empty_installation_can_load_a_scorecard(scored, store):
    result = scored(*ROWS)
    assert result.published.changed
    assert (result.published.city, result.published.cases) == ("某市", 0)
    assert result.published.cutoff == dt.datetime(2026, 4, 30, 23, 59, 59)
    (topic,) = rows_of(store, schema.topics)
    assert (topic["code"], topic["year"], topic["month"]) == ("S", 2026, 3)
    assert (topic["theme"], topic["name"]) == ("城市运行", "城市指标")
    targets, progress = stored_in(store)
    shown = {
        code: (row["name"], row["value"], row["direction"], row["unit"])
        for code, row in targets.items()
    }
    assert shown == {
        "S-01": ("按时率", 0.9, "up", "比值"),
        "S-02": ("等候", 6, "down", "分钟"),
        "S-03": ("满意度", 4, "up", "比值"),
        "S-04": ("满意度 (2)", 4, "up", "比值"),
        "S-05": ("火情", None, "down", "比值"),
        "S-06": ("出勤率", 0.95, "up", "比值"),
    }
    for row in targets.values():
        assert (row["topic_id"], row["cumulative"]) == (topic["id"], False)
        assert (row["start_on"], row["due_on"]) == (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert progress == {
        ("S-01", "2026-03-31"): 0.9,
        ("S-01", "2026-04-30"): 0.8,
        ("S-02", "2026-03-31"): 7.5,
        ("S-03", "2026-03-31"): 4.5,
        ("S-04", "2026-03-31"): 3.5,
        ("S-04", "2026-04-30"): 3,
        ("S-05", "2026-03-31"): 40.5,
    }
    met = {
        key: is_met(value, targets[key[0]]["value"], targets[key[0]]["direction"])
        for key, value in progress.items()
    }
    assert [met[code, "2026-03-31"] for code in ("S-01", "S-02", "S-03", "S-04", "S-05")] == [
        *(True, False, True, False, None)
    ]


def test_the_account_is_exact(scored, store):
    result = scored(*ROWS, "")
    (file,) = result.account.files
    assert (file.read, file.kept, file.merged, file.rejected, file.blank) == (9, 9, 0, 0, 1)
    assert (file.personal, file.unmapped) == (("联系电话", "备注"), ("当日",))
    assert file.notes == [
        "6 个指标成为“城市指标”的目标：有目标值 5 个，无目标 1 个",
        "9 行指标：有数值 7 行，无数据 2 行（只有目标，没有进度）",
        "注意：“满意度”在同一日期出现 2 次，按先后成为 2 个目标，从第二个起加序号",
    ]
    (row,) = rows_of(store, schema.loads)
    # The history on the screen knows the tables of a version.
    assert (row["table_name"], row["source"]) == ("targets", "metrics.csv")
    assert (row["rows_read"], row["rows_kept"], row["rows_merged"]) == (9, 9, 0)
    assert json.loads(row["account"])["说明"] == file.notes


def test_the_same_targets_are_updated_whatever_the_order(scored, store):
    scored(*ROWS)
    assert not scored(*ROWS, name="again.csv").published.changed
    before, _ = stored_in(store)
    result = scored(
        "新指标,2026-05-31,1,share,1,1,1,2,3",
        "等候,2026-05-31,6,median,6,5,1,2,3",
        "等候,2026-03-31,6,median,6,,1,2,3",  # corrected: there is no figure
        "按时率,2026-05-31,0.85,share,90,100,1,2,3",
    )
    after, progress = stored_in(store)
    assert {code: row["id"] for code, row in after.items() if code in before} == {
        code: row["id"] for code, row in before.items()
    }
    assert (after["S-07"]["name"], after["S-01"]["value"]) == ("新指标", 0.85)
    assert progress["S-02", "2026-05-31"] == 5
    assert ("S-02", "2026-03-31") not in progress
    assert progress["S-01", "2026-03-31"] == 0.9
    assert "注意：原有 1 个数值在这个文件里无数据，已删去" in notes_of(result)


def test_what_had_to_be_decided_is_said(scored, store):
    result = scored(
        "按时率,2026-03-31,0.9,share,0,0,1,2,3",
        "按时率,2026-04-30,0.95,share,5,0,1,2,3",
        "满意度,2026-03-31,4,share,9,2,1,2,3",
        "满意度,2026-03-31,4,share,7,2,1,2,3",
        "满意度,2026-04-30,4,share,6,2,1,2,3",
        "等候,2026-03-31,6,median,6,0,1,2,3",
        "次数,2025-12-31,,history,3,,1,2,3",
    )
    assert notes_of(result)[2:] == [
        "注意：“满意度”在同一日期出现 2 次，按先后成为 2 个目标，从第二个起加序号",
        "注意：“满意度”在 2026-04-30 只出现 1 次，按先后对应，请核对",
        "注意：“按时率”的目标值或算法前后不同，以最新的 2026-04-30 为准",
        "注意：“按时率”（第 2 行）除数为 0，没有数值",
        "注意：“按时率”（第 3 行）除数为 0，没有数值",
        "注意：目标 S-05 从 2026-01-01 开始，进度日期为 2025-12-31（第 8 行）",
    ]
    targets, progress = stored_in(store)
    assert targets["S-01"]["value"] == 0.95
    # A median of nothing is a figure; a share of nothing is none.
    assert progress["S-04", "2026-03-31"] == 0
    assert not [key for key in progress if key[0] == "S-01"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,2026-03-31,1,ratio,1,2,1,2,3", "第 2 行“算法”：算法“ratio”在 m.toml 的 [logic] 中没有"),
        ("x,2026-03-31,1,,1,2,1,2,3", "第 2 行“算法”：算法“”在 m.toml 的 [logic] 中没有"),
        ("x,2026-03-31,1,history,1,2,1,2,3", "第 2 行“目标”：算法“history”没有目标值"),
        ("x,31/3/2026,1,share,1,2,1,2,3", "第 2 行“计算时间”：“31/3/2026”不是日期"),
        ("x,,1,share,1,2,1,2,3", "第 2 行“计算时间”：“”不是日期"),
        (",2026-03-31,1,share,1,2,1,2,3", "第 2 行“指标”：不能为空"),
        ("x,2026-03-31,many,share,1,2,1,2,3", "第 2 行“目标”：“many”不是数字"),
        ("x,2026-03-31,1,share,inf,2,1,2,3", "第 2 行“分子”：“inf”不是数字"),
        ("x,2026-03-31,1,share,-1,2,1,2,3", "第 2 行“value”：-0.5 小于 0"),
        ("x,2026-03-31,1,share,1,2", "第 2 行应有 9 列，实有 6 列"),
    ],
)
def test_a_wrong_row_stops_the_load(scored, row, said):
    with pytest.raises(LoadError) as caught:
        scored(row)
    assert said in str(caught.value)
    assert str(caught.value).startswith("metrics.csv：")


def test_missing_columns_are_named(scored):
    header = HEADER.replace("分母", "分母数").replace("算法", "公式")
    with pytest.raises(LoadError) as caught:
        scored(*ROWS, header=header)
    said = str(caught.value)
    assert "映射里的列在表头中没有：“算法”、“分母”（是不是“分母数”？）" in said
    assert "[scorecard]" in said


def test_a_wrong_topic_is_the_mistake_of_the_mapping(scored, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(SMALL_MAPPING.replace("month = 3", "month = 13"), encoding="utf-8")
    with pytest.raises(LoadError) as caught:
        scored(*ROWS, mapping=path)
    assert str(caught.value) == (
        "wrong.toml：[topic]：有 1 处错误，未导入\n  “month”：“13”不是月份"
    )


def test_which_files_a_scorecard_mapping_is_for(scored, store, tmp_path):
    with pytest.raises(LoadError, match=r"须用 --mapping 指明有 \[scorecard\] 的映射文件"):
        scored(*ROWS, mapping=None, table="scorecard")
    with pytest.raises(LoadError, match="只用于指标表（scorecard），这次没有这样的文件"):
        scored("U1,某局", header="code,name", name="units.csv")
    # A file that is named like another table; and a plan for targets of the same load.
    (tmp_path / "target_plan.csv").write_text("target,on_date,value\nS-01,2026-06-30,0.5\n")
    path = tmp_path / "metrics.csv"
    scored(*ROWS, name="targets.csv", table="scorecard")
    path.write_text("\n".join([HEADER, *ROWS]) + "\n", encoding="utf-8")
    loaded(store, path, tmp_path / "target_plan.csv", mapping=tmp_path / "m.toml")
    assert [row["value"] for row in rows_of(store, schema.target_plan)] == [0.5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('numerator = "分子"', ""), "[scorecard] 缺少：numerator"),
        (('numerator = "分子"', 'numerators = "分子"'), "不认识“numerators”（是不是 numerator？）"),
        (('"分子"', '"分母"'), "scorecard.denominator 须为一列"),
        (('"分子"', '["分子", "分数"]'), "scorecard.numerator 须为一列"),
        (('"分子"', '"备注"'), "scorecard.numerator 须为一列"),
        (('"指标"', '"联系人"'), "列“联系人”是个人信息"),
        (('theme = "城市运行"', ""), "[topic] 缺少：theme"),
        (('theme = "城市运行"', 'kind = "a"'), "[topic] 不认识“kind”"),
        (('unit = "比值"\n', ""), "[target] 缺少：unit"),
        (("2026-01-01", '"2026-01-01"'), "target.start_on 须为日期，不加引号"),
        (("2026-01-01", "2027-01-01"), "target.due_on 早于 start_on"),
        (('"numerator / denominator"', '"a / b"'), "“share”的 value 须为"),
        (('direction = "up"', 'direction = "more"'), "“share”的 direction 须为 up"),
        (('direction = "up"', 'towards = "up"'), "[share] 不认识“towards”"),
        (("target = false", 'target = "no"'), "“history”的 target 须为 true 或 false"),
        (("[logic]", "[logics]"), "不认识“logics”（是不是 logic？）"),
        (("[logic]", '[formats]\non_date = "昨天"\n[logic]'), "“昨天”不是日期格式"),
        (("[logic]", '[columns]\ncase_id = "a"\n[logic]'), "不认识“columns”"),
    ],
)
def test_mistakes_in_the_mapping_are_named(change, said):
    assert scorecard_from(tomllib.loads(SMALL_MAPPING), "m.toml").logics["share"].unit == "比值"
    with pytest.raises(LoadError) as caught:
        scorecard_from(tomllib.loads(SMALL_MAPPING.replace(*change, 1)), "m.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("m.toml：")


def test_dates_in_the_order_of_another_country(scored, store, tmp_path):
    path = tmp_path / "formats.toml"
    path.write_text(SMALL_MAPPING + '\n[formats]\non_date = "%m/%d/%Y"\n', encoding="utf-8")
    scored("按时率,03/04/2026,0.9,share,1,2,1,2,3", mapping=path)
    _, progress = stored_in(store)
    assert progress == {("S-01", "2026-03-04"): 0.5}


def plain_scores():
    """Return the metrics of the raw file by name and day, worked out without our code."""
    raw = pd.read_csv(CITYSCORE)
    raw["on_date"] = raw["score_calculated_ts"].str[:10]
    again = raw.groupby(["metric_name", "on_date"]).cumcount()
    raw["name"] = raw["metric_name"].where(again == 0, raw["metric_name"] + " (2)")
    assert again.max() == 1
    trend_down = raw["metric_logic"] == "historical_average / current_average"
    trend_up = raw["metric_logic"] == "current_average / historical_average"
    median = raw["metric_logic"] == "target / median"
    shares = raw["metric_logic"].str.contains("sum(numerator_value)/sum(", regex=False)
    assert (trend_down ^ trend_up ^ median ^ shares).all()
    raw["value"] = np.select(
        [trend_down | median, trend_up],
        [raw["month_denominator"], raw["month_numerator"]],
        raw["month_numerator"] / raw["month_denominator"],
    )
    raw["direction"] = np.where(trend_down | median, "down", "up")
    reached = np.where(
        raw["direction"] == "up", raw["value"] >= raw["target"], raw["value"] <= raw["target"]
    )
    known = raw["value"].notna() & raw["target"].notna()
    raw["met"] = [
        bool(met) if is_known else None for met, is_known in zip(reached, known, strict=True)
    ]
    return raw


@pytest.mark.skipif(not CITYSCORE.is_file(), reason="the real data is not here")
def test_the_scorecard_of_a_city(store):
    raw = plain_scores()
    result = loaded(store, CITYSCORE, mapping=MAPPING)
    (file,) = result.account.files
    assert (file.read, file.kept, file.rejected) == (len(raw), len(raw), 0)
    assert result.published.cutoff.date().isoformat() == raw["on_date"].max()
    targets, progress = stored_in(store)
    assert len(targets) == raw["name"].nunique() == raw["metric_name"].nunique() + 1
    assert len(progress) == raw["value"].notna().sum()
    code_of = {row["name"]: code for code, row in targets.items()}
    for expected in raw.to_dict("records"):
        code = code_of[expected["name"]]
        target, value = targets[code], progress.get((code, expected["on_date"]))
        wanted = None if pd.isna(expected["target"]) else expected["target"]
        assert (target["value"], target["direction"]) == (wanted, expected["direction"])
        if pd.isna(expected["value"]):
            assert value is None
        else:
            assert value == pytest.approx(expected["value"], rel=1e-12)
        assert is_met(value, target["value"], target["direction"]) is expected["met"]
        # The publisher's score of the month agrees, up to its limit of 1.25.
        score = expected["month_score"]
        if expected["met"] is not None and not pd.isna(score):
            assert expected["met"] == (score >= 1)
    assert raw["met"].value_counts().to_dict().keys() == {True, False}
    assert any("CITY SERVICES SATISFACTION SURVEYS" in note for note in file.notes)
    assert not loaded(store, CITYSCORE, mapping=MAPPING).published.changed
