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
    "district_targets": "target,district,任务数,存量\n2021-01-1,朝阳,14000,81500\n",
    "progress": "目标,区,日期,累计值\n"
    "2021-01-1,,2021-03-31,24000\n2021-01-1,朝阳,2021-03-31,5000\n",
    "milestones": "topic,list,name,unit,due_on,done_on\n2021-01,任务清单,出台办法,U1,2021-06-30,\n",
    "projects": "code,name,target,district,subdistrict,units,done,stage\n"
    "P1,某小区,2021-01-1,朝阳区,八里庄街道,100,20,补办手续\n",
    "project_causes": "project,cause\nP1,建设手续\n",
    "project_log": "项目,日期,阶段,累计完成,说明\nP1,2021-02-01,补办手续,10,首批\n",
    "project_stages": "阶段,次序,周数\n补办手续,1,20\n已办结,2,0\n",
    "causes": "成因,周数\n建设手续,8\n",
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
        ("progress", "target,on_date,value\n2021-01-1,2021-03-31,-5\n", "“value”：-5 小于 0"),
        ("progress", "target,on_date,value\n2021-01-1,2021-03-31,nan\n", "“value”：不能为空"),
        ("progress", "target,on_date,value\n2021-01-1,2021-03-31,inf\n", "“inf”不是数字"),
        (
            "progress",
            "目标,日期,累计值,单位\n2021-01-1,2021-03-31,2.4,套\n2021-01-1,2021-04-30,2.6,万套\n",
            "第 3 行“unit”：写的是“万套”，目标 2021-01-1 的单位是“套”；导入不作换算",
        ),
        (
            "target_plan",
            "target,on_date,value,计量单位\n2021-01-1,2021-03-31,2.5,万套\n",
            "第 2 行“unit”：写的是“万套”，目标 2021-01-1 的单位是“套”",
        ),
        (
            "target_plan",
            "target,on_date,value\n2021-01-1,2021-03-31,1\n2021-01-1,2021/3/31,2\n",
            "第 3 行“target、on_date”：与第 2 行重复",
        ),
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
            "district_targets",
            "target,district,value,stock,unit\n2021-01-1,朝阳,1.4,8.15,万套\n",
            "第 2 行“unit”：写的是“万套”",
        ),
        ("district_targets", "target,district,stock\n2021-01-1,朝阳,-1\n", "“stock”：-1 小于 0"),
        ("district_targets", "target,district,stock\n2021-01-1,,5\n", "“district”：不能为空"),
        ("project_log", "project,on_date,done\nP1,2021-02-01,101\n", "101 大于 units 100"),
        ("project_log", "project,on_date,done\nP1,2021-02-01,\n", "至少填一项"),
        ("project_log", "project,on_date,done\nP9,2021-02-01,1\n", "“P9”在项目中没有"),
        ("project_stages", "name,position\n甲,1\n甲,2\n", "第 3 行“name”：与第 2 行重复"),
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


TARGETS = "code,topic,name,unit,value,start_on,due_on,direction,cumulative\n"
MORE_TARGETS = (
    TARGETS + "2021-01-1,2021-01,办证,套,100000,2021-01-01,2021-12-31,up,是\n"
    "2021-01-2,2021-01,审批时限,天,10,2021-01-01,2021-12-31,down,否\n"
    "2021-01-3,2021-01,摸底,个,,2021-01-01,2021-12-31,up,是\n"
)


@pytest.fixture
def told(store, tmp_path):
    """Return a function that loads tables over a programme and returns what is said of them."""
    loaded(store, REFERENCE, files_in(tmp_path / "tables", **FILES | {"targets": MORE_TARGETS}))
    folders = (tmp_path / f"more-{number}" for number in range(100))

    def notes(cutoff=dt.datetime(2021, 12, 31), **contents):
        result = loaded(store, files_in(next(folders), **contents), cutoff=cutoff)
        return [note for file in result.account.files for note in file.notes]

    return notes


def figures_of(store, table=schema.progress):
    """Return target code → its rows without ids, by date."""
    codes = {row["id"]: row["code"] for row in rows_of(store, schema.targets)}
    found = {}
    for row in sorted(rows_of(store, table), key=lambda row: row["on_date"]):
        found.setdefault(codes[row["target_id"]], []).append((row["on_date"], row["value"]))
    return found


def test_districts_that_sum_to_more_than_the_city_are_said(told, store):
    rows = "target,district,on_date,value\n"
    # What the fixture has: 24000 in the city, 5000 in 朝阳.
    assert told(progress=rows + "2021-01-1,海淀,2021-03-31,19000.01\n") == []
    over = rows + "2021-01-1,海淀,2021-03-31,19001\n"
    assert told(progress=over) == ["注意：目标 2021-01-1 2021-03-31 各区合计 24001，大于全市 24000"]
    districts = {row["id"]: row["short_name"] for row in rows_of(store, schema.districts)}
    stored = {districts.get(r["district_id"]): r["value"] for r in rows_of(store, schema.progress)}
    assert stored == {None: 24000, "朝阳": 5000, "海淀": 19001}
    # A level has no sum; a city without a figure of its own is not exceeded.
    level = "2021-01-2,,2021-03-31,9\n2021-01-2,海淀,2021-03-31,8\n2021-01-2,朝阳,2021-03-31,11\n"
    alone = "2021-01-3,海淀,2021-03-31,8\n"
    again = told(progress=over + level + alone)
    assert len(again) == 1
    assert "2021-01-1" in again[0]


def test_no_more_than_three_examples_are_said_and_how_many_there_are(told):
    dates = [f"2021-0{month}-01" for month in range(4, 9)]
    rows = [
        f"2021-01-1,{place},{date},{value + number}"
        for number, date in enumerate(dates)
        for place, value in (("", 30_000), ("朝阳", 20_000), ("海淀", 20_000))
    ]
    notes = told(progress="\n".join(["target,district,on_date,value", *rows]) + "\n")
    assert len(notes) == 4
    assert notes[0] == "注意：目标 2021-01-1 2021-04-01 各区合计 40000，大于全市 30000"
    assert notes[3] == "注意：各区合计大于全市共 5 处"


def test_progress_before_the_start_is_said(told, store):
    notes = told(
        progress="target,on_date,value,unit\n2021-01-3,2020-12-31,4,个\n2021-01-3,2021-01-01,5,\n"
    )
    assert notes == ["注意：目标 2021-01-3 从 2021-01-01 开始，进度日期为 2020-12-31（第 2 行）"]
    stored = figures_of(store)["2021-01-3"]
    assert stored == [(dt.date(2020, 12, 31), 4), (dt.date(2021, 1, 1), 5)]


def test_a_target_without_plan_and_value_is_allowed(told, store):
    assert told(progress="target,on_date,value\n2021-01-3,2021-03-31,5\n") == []
    without = next(r for r in rows_of(store, schema.targets) if r["code"] == "2021-01-3")
    assert without["value"] is None
    assert "2021-01-3" not in figures_of(store, schema.target_plan)


PLAN = "target,on_date,value\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2021-01-1,2021-06-30,40000\n2021-01-1,2021-12-31,100000\n", []),
        ("2021-01-1,2021-06-30,40000\n", []),
        ("2021-01-2,2021-06-30,20\n2021-01-2,2021-12-31,10\n", []),
        ("2021-01-3,2021-12-31,20\n", []),
        (
            "2021-01-1,2021-09-30,40000\n2021-01-1,2021-06-30,50000\n",
            ["注意：目标 2021-01-1 的计划下降：2021-06-30 为 50000，2021-09-30 为 40000"],
        ),
        (
            "2021-01-3,2020-12-31,1\n2021-01-3,2022-01-01,2\n",
            [
                f"注意：目标 2021-01-3 的计划日期 {date}不在 2021-01-01 至 2021-12-31 之内"
                for date in ("2020-12-31（第 2 行）", "2022-01-01（第 3 行）")
            ],
        ),
        (
            "2021-01-1,2021-12-31,90000\n2021-01-2,2021-12-31,9\n",
            [
                "注意：目标 2021-01-1 的计划到 2021-12-31 为 90000，与目标值 100000 不符",
                "注意：目标 2021-01-2 的计划到 2021-12-31 为 9，与目标值 10 不符",
            ],
        ),
        (
            "2021-01-1,2021-10-31,120000\n",
            ["注意：目标 2021-01-1 的计划到 2021-10-31 为 120000，与目标值 100000 不符"],
        ),
    ],
)
def test_plans_that_look_wrong_are_said_and_kept(told, store, rows, said):
    assert told(target_plan=PLAN + rows) == said
    stored = sum(len(points) for points in figures_of(store, schema.target_plan).values())
    assert stored == rows.count("\n")


def test_a_changed_unit_is_said_and_converts_nothing(told, store):
    changed = MORE_TARGETS.replace("办证,套,100000", "办证,万套,10")
    changed = changed.replace("摸底,个", "摸底,户")  # has no figures yet
    assert told(targets=changed) == [
        "注意：目标 2021-01-1 的单位由“套”改为“万套”，已有的计划和进度不换算"
    ]
    assert figures_of(store)["2021-01-1"][0][1] in (5000, 24000)


def test_milestones_done_long_ago_or_after_the_cut_off_are_said(told, store):
    notes = told(
        cutoff=dt.datetime(2021, 4, 12),
        milestones="topic,list,name,unit,due_on,done_on\n"
        "2021-01,任务清单,出台办法,U1,2021-06-30,1921-03-01\n"
        "2021-01,任务清单,开展摸底,U1,2021-03-31,2021-04-12\n"
        "2021-01,任务清单,全面办理,U1,2021-06-30,2021-04-13\n"
        "2021-01,任务清单,总结,U1,2021-12-31,\n",
    )
    assert notes == [
        "注意：“出台办法”的完成日期 1921-03-01（第 2 行）早于 2000 年",
        "注意：“全面办理”的完成日期 2021-04-13（第 4 行）晚于数据截至 2021-04-12",
    ]
    done = {row["name"]: row["done_on"] for row in rows_of(store, schema.milestones)}
    assert done["出台办法"] == dt.date(1921, 3, 1)
    assert (done["全面办理"], done["总结"]) == (dt.date(2021, 4, 13), None)


def test_without_cases_the_newest_progress_is_the_cut_off(store, tmp_path):
    """A day that is not over ends now; --cutoff goes before."""
    folder = files_in(tmp_path / "tables", **FILES)
    assert loaded(store, REFERENCE, folder).published.cutoff == dt.datetime(2021, 3, 31, 23, 59, 59)
    later = files_in(
        tmp_path / "later",
        progress="target,on_date,value\n2021-01-1,2021-05-31,30000\n2021-01-1,2199-01-01,40000\n",
    )
    result = loaded(store, later)
    assert result.published.cutoff == dt.datetime(2021, 5, 31, 23, 59, 59)
    (note,) = [note for file in result.account.files for note in file.notes]
    assert note.startswith("注意：1 行进度日期晚于数据截至")
    assert not loaded(store, later).published.changed
    chosen = dt.datetime(2021, 4, 12)
    assert loaded(store, later, cutoff=chosen).published.cutoff == chosen
    today = dt.date.today()
    now = files_in(tmp_path / "now", progress=f"target,on_date,value\n2021-01-1,{today},50000\n")
    assert loaded(store, now).published.cutoff > dt.datetime(2021, 5, 31, 23, 59, 59)
    assert not loaded(store, now).published.changed
    # Cases decide again as soon as there are any.
    cases = files_in(tmp_path / "cases", cases="工单编号,受理时间\n1,2021-03-01 09:00\n")
    assert loaded(store, cases).published.cutoff == dt.datetime(2021, 3, 1, 9)


def test_a_ledger_loaded_every_week_makes_its_own_history(store, tmp_path):
    """Since when nothing moves is known only if somebody remembers what was said before."""
    plain = {name: text for name, text in FILES.items() if name != "project_log"}
    first, second, third = (dt.datetime(2021, 4, day) for day in (12, 19, 26))
    loaded(store, REFERENCE, files_in(tmp_path / "tables", **plain), cutoff=first)
    head = "code,name,target,district,units,done,stage,stage_since\n"
    same = "P1,某小区,2021-01-1,朝阳,100,20,补办手续,\n"
    loaded(store, files_in(tmp_path / "a", projects=head + same), cutoff=second)
    moved = (
        "P1,某小区,2021-01-1,朝阳,100,35,补办手续,\n"
        "P2,新小区,2021-01-1,朝阳,9,0,补办手续,2020-08-01\n"  # it says since when
        "P3,又一小区,2021-01-1,朝阳,9,4,首次登记,2021-05-01\n"  # a day to come is not believed
    )
    for folder in ("b", "c"):  # the same file twice adds nothing
        loaded(store, files_in(tmp_path / folder, projects=head + moved), cutoff=third)
    code = {row["id"]: row["code"] for row in rows_of(store, schema.projects)}
    log = [
        (code[row["project_id"]], row["on_date"], row["stage"], row["done"])
        for row in rows_of(store, schema.project_log)
    ]
    assert sorted(log) == [
        ("P1", first.date(), "补办手续", 20),
        ("P1", third.date(), None, 35),
        ("P2", dt.date(2020, 8, 1), "补办手续", None),
        ("P3", third.date(), "首次登记", 4),
    ]


def test_a_log_that_looks_wrong_is_said_and_kept(told, store):
    head = "project,on_date,done\n"
    assert told(project_log=head + "P1,2021-03-01,20\n") == []
    falls = told(project_log=head + "P1,2021-02-20,5\n")
    assert falls == ["注意：项目 P1 的完成数下降：2021-02-01 为 10，2021-02-20 为 5"]
    differing = told(project_log=head + "P1,2021-02-20,15\nP1,2021-12-31,30\n")
    assert differing == ["注意：项目 P1 台账写完成 20，最近一次进展（2021-12-31）写 30"]
    late = told(cutoff=dt.datetime(2021, 4, 1), project_log=head + "P1,2021-12-31,20\n")
    assert late == ["注意：项目 P1 的进展日期 2021-12-31"]
