"""Small tables from files: strict, with codes for ids, and stable ids."""

from __future__ import annotations

import datetime as dt

import pytest

from data_access import schema
from data_access.loading.errors import LoadError
from data_access.loading.table_files import TABLE_FILES, TABLE_ORDER
from data_access.publishing import SMALL_TABLES
from tests.data.conftest import store_settings
from tests.data.test_loading import REFERENCE, loaded, rows_of

FILES = {
    "categories": "代码,名称,级别,上级\nA,住房,1,\nB,供暖,2,A\nC,温度不达标,3,B\n",
    "units": "code,name,kind\nU1,市住建委,市级部门\n",
    "topics": "代码,年,月,主题,名称,启动日期\n2021-01,2021,1,房屋产权,房产证难,2021-01-05\n"
    "2020-01,2020,1,房屋产权,房产证难,\n",
    "topic_units": "topic,unit,role\n2021-01,市住建委,主责\n",
    "topic_categories": "topic,category\n2021-01,B\n2020-01,A\n",
    "targets": "code,topic,name,unit,value,stock,start_on,due_on\n"
    '2021-01-1,2021-01,办证,套,"100,000",570000,2021-01-01,2021-12-31\n',
    "target_plan": "target,on_date,value\n2021-01-1,2021-03-31,25000\n",
    "progress": "目标,区,日期,累计值\n"
    "2021-01-1,,2021-03-31,24000\n2021-01-1,朝阳,2021-03-31,5000\n",
    "milestones": "topic,list,name,unit,due_on,done_on\n2021-01,任务清单,出台办法,U1,2021-06-30,\n",
    "projects": "code,name,target,district,subdistrict,units,done,stage\n"
    "P1,某小区,2021-01-1,朝阳区,八里庄街道,100,20,补办手续\n",
    "project_causes": "project,cause\nP1,建设手续\n",
    "rules": "version,effective_on,name,value\n本市,2021-01-01,minimum_revisits,20\n",
}


@pytest.fixture
def store(tmp_path):
    return store_settings(tmp_path)


def files_in(folder, **contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def test_every_small_table_can_be_loaded_at_once_and_again(store, tmp_path):
    folder = files_in(tmp_path / "tables", **FILES)
    result = loaded(store, REFERENCE, folder)
    assert result.published.changed
    labels = {"channels", "kinds"}
    assert set(TABLE_FILES) == {table.name for table in SMALL_TABLES} - labels
    counts = {name: len(rows_of(store, schema.metadata.tables[name])) for name in TABLE_ORDER}
    assert (counts["districts"], counts["subdistricts"]) == (17, 343)
    assert all(counts.values())
    assert not loaded(store, folder).published.changed

    categories = {row["code"]: row for row in rows_of(store, schema.categories)}
    assert categories["C"]["level"] == 3
    assert [categories["C"][f"level{n}_id"] for n in (1, 2, 3)] == [
        categories[code]["id"] for code in "ABC"
    ]
    (target,) = rows_of(store, schema.targets)
    assert (target["value"], target["direction"], target["cumulative"]) == (100_000, "up", True)
    districts = {row["id"]: row for row in rows_of(store, schema.districts)}
    assert [row["district_id"] for row in rows_of(store, schema.progress)].count(None) == 1
    (project,) = rows_of(store, schema.projects)
    assert districts[project["district_id"]]["name"] == "朝阳区"
    assert project["subdistrict_id"] is not None


def test_the_reference_of_beijing(store):
    loaded(store, REFERENCE)
    districts = {row["short_name"]: row for row in rows_of(store, schema.districts)}
    streets = rows_of(store, schema.subdistricts)
    assert len(streets) == 343
    assert len({(row["tile_row"], row["tile_column"]) for row in districts.values()}) == 17
    assert sum(row["population"] or 0 for row in districts.values()) == 21_893_095
    area = districts["经开区"]
    assert (area["population"], area["counted_in"]) == (None, districts["大兴"]["code"])
    assert {s["name"] for s in streets if s["district_id"] == area["id"]} == {
        "荣华街道",
        "博兴街道",
    }


def test_tables_with_a_key_are_updated_and_others_replaced(store, tmp_path):
    loaded(store, REFERENCE, files_in(tmp_path / "tables", **FILES))
    before = {row["code"]: row["id"] for row in rows_of(store, schema.categories)}
    second = files_in(
        tmp_path / "second",
        categories="code,name,parent\nD,物业,\nB,集中供暖,A\n",
        progress="target,district,on_date,value\n2021-01-1,,2021-04-30,23000\n",
        topic_categories="topic,category\n2021-01,D\n",
    )
    result = loaded(store, second, cutoff=dt.datetime(2021, 4, 12))
    after = {row["code"]: row for row in rows_of(store, schema.categories)}
    assert {code: after[code]["id"] for code in before} == before
    assert (after["B"]["name"], after["C"]["level2_id"]) == ("集中供暖", before["B"])
    assert len(rows_of(store, schema.progress)) == 3
    assert len(rows_of(store, schema.topic_categories)) == 1
    notes = [note for file in result.account.files for note in file.notes]
    assert any("进度日期晚于数据截至 2021-04-12" in note for note in notes)
    assert any("累计值下降：2021-03-31 为 24000，2021-04-30 为 23000" in note for note in notes)


def test_cases_find_their_topic(store, tmp_path):
    folder = files_in(
        tmp_path / "tables",
        **FILES,
        cases="工单编号,受理时间,一级分类,二级分类,三级分类,每月一题\n"
        "1,2021-03-01,住房,供暖,温度不达标,\n"  # the nearest category with a topic: 供暖
        "2,2019-03-01,住房,供暖,,\n"  # compared with what came before
        "3,2021-03-01,住房,,,\n"
        "4,2021-03-01,B,,,2020-01\n"  # as the source says
        "5,2021-03-01,物业,,,\n",
    )
    loaded(store, REFERENCE, folder, accept=True)
    code = {row["id"]: row["code"] for row in rows_of(store, schema.topics)} | {None: None}
    topics = [code[row["topic_id"]] for row in rows_of(store)]
    assert topics == ["2021-01", "2021-01", "2020-01", "2020-01", None]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("units", "code,name\nU1,a\nU1,b\n", "第 3 行“code”：与第 2 行重复"),
        ("units", "code,title\nU1,a\n", "缺少列：name（名称）；不认识的列：title"),
        ("units", "code,代码,name\nU1,U1,a\n", "列“code”和“代码”都是 code"),
        ("units", "code,name\n,a\n", "第 2 行“code”：不能为空"),
        ("units", "code,name\nU1,a,b\n", "第 2 行应有 2 列，实有 3 列"),
        (
            "subdistricts",
            "code,name,district\n1,a,桃花岛\n",
            "“桃花岛”在区中没有，请先导入 districts",
        ),
        ("districts", "code,name,人口\n1,a区,很多\n", "第 2 行“人口”：“很多”不是数字"),
        ("districts", "code,name,counted_in\n1,a区,99\n", "没有代码为“99”的区"),
        ("categories", "code,name,parent\nX,a,Y\n", "没有代码为“Y”的分类"),
        ("categories", "code,name,parent\nX,a,Z\nZ,b,X\n", "分类最多三级，也不能循环"),
        ("categories", "code,name,level,parent\nX,a,2,\n", "写的是 2 级，按上级是 1 级"),
        ("topics", "code,year,month,theme,name\nT,2021,13,a,b\n", "“13”不是月份"),
        (
            "progress",
            "target,district,on_date,value\n2021-01-1,桃花岛,2021-03-31,1\n",
            "第 2 行“district”：“桃花岛”在区中没有",
        ),
        ("progress", "target,on_date,value\n2021-01-1,31/3/2021,1\n", "不是日期（例：2021-04-12）"),
        (
            "targets",
            "code,topic,name,unit,start_on,due_on,direction\n1,2021-01,a,套,2021-2-1,2021-1-1,上\n",
            "“上”须为up、down之一",
        ),
        (
            "projects",
            "code,name,target,district,subdistrict,units,done,stage\n"
            "P1,a,2021-01-1,海淀区,东直门街道,10,20,b\n",
            "“东直门街道”在街道乡镇中没有",
        ),
        (
            "rules",
            "version,effective_on,name,value\na,2021-01-01,weight_response,0.9\n",
            "三项权重之和",
        ),
        (
            "rules",
            "version,effective_on,name,value\na,2021-01-01,nonsense,1\n",
            "没有名为“nonsense”",
        ),
    ],
)
def test_any_mistake_stops_and_is_named(store, tmp_path, name, content, said):
    loaded(store, REFERENCE, files_in(tmp_path / "tables", **FILES))
    with pytest.raises(LoadError) as caught:
        loaded(store, files_in(tmp_path / "bad", **{name: content}))
    assert said in str(caught.value)
    assert f"{name}.csv" in str(caught.value)
