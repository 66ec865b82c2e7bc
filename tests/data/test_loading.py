"""Loads from files to a published version: the account, the meaning of rows, and what is kept."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import xlsxwriter
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data_access import schema
from data_access.loading.load import LoadRequest, load
from data_access.store import open_store
from tests.data.conftest import store_settings

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "data_access" / "reference"
FIELDS = {
    "工单编号": "1",
    "受理时间": "2021-03-01 09:00:00",
    "区": "朝阳区",
    "街道": "八里庄街道",
    "一级分类": "住房",
    "二级分类": "供暖",
    "承办单位": "某局",
    "是否联系": "是",
    "是否解决": "是",
    "满意度": "满意",
    "办结时间": "2021-03-02 10:00:00",
    "办理时限": "2021-03-16",
    "诉求内容": "暖气不热",
}
HEADER = list(FIELDS)
ROW = ",".join(FIELDS.values())


class Silent:
    """Progress that nobody watches."""

    def start(self, total_bytes):
        self.total, self.read = total_bytes, 0

    def advance(self, read_bytes):
        self.read += read_bytes

    def stage(self, what, share=None):
        pass


@pytest.fixture
def store(tmp_path):
    return store_settings(tmp_path)


def loaded(settings, *paths, **options):
    progress = Silent()
    result = load(settings, LoadRequest(paths, **options), progress)
    assert progress.read <= progress.total
    for file in result.account.files:
        assert file.read == file.kept + file.merged + file.rejected
        assert file.kept >= 0
    return result


def rows_of(settings, table=schema.cases, key=None):
    store = open_store(settings)
    try:
        snapshot = store.get(key) if key else store.current()
        assert snapshot is not None
        with snapshot.engine.connect() as connection:
            found = connection.execute(sa.select(table).order_by(*table.columns)).mappings().all()
    finally:
        store.close()
    return [dict(row) for row in found]


def case_file(path, *rows, header=HEADER, encoding="utf-8", end="\n"):
    lines = [",".join(header), *rows]
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def variation(number, **changes):
    """Return ROW with another number and some fields changed by header."""
    fields = FIELDS | {"工单编号": str(number)} | changes
    return ",".join(fields.values())


def account_of(result):
    return next(file for file in result.account.files if file.table == "cases")


def test_a_case_on_both_engines(settings, tmp_path):
    result = loaded(settings, REFERENCE, case_file(tmp_path / "a.csv", ROW), learn=True)
    (case,) = rows_of(settings)
    districts = {row["id"]: row for row in rows_of(settings, schema.districts)}
    streets = {row["id"]: row for row in rows_of(settings, schema.subdistricts)}
    categories = {row["id"]: row for row in rows_of(settings, schema.categories)}
    assert districts[case["district_id"]]["code"] == "110105"
    assert streets[case["subdistrict_id"]]["code"] == "110105015"
    assert categories[case["category_id"]]["name"] == "供暖"
    assert categories[categories[case["category_id"]]["level1_id"]]["name"] == "住房"
    assert case["created_at"] == dt.datetime(2021, 3, 1, 9)
    assert case["created_on"] == dt.date(2021, 3, 1)
    # A limit that is a day ends with that day.
    assert case["due_at"] == dt.datetime(2021, 3, 16, 23, 59, 59)
    assert (case["closed"], case["on_time"], case["assessed"]) == (True, True, True)
    assert (case["valid_revisit"], case["contacted"]) == (True, True)
    assert (case["resolved"], case["satisfaction"]) == (1, 1)
    assert case["summary"] == "暖气不热"
    assert case["place_text"] is case["category_text"] is case["unit_text"] is None
    assert result.published.cutoff == dt.datetime(2021, 3, 2, 10)
    stored = {row["source"]: row for row in rows_of(settings, schema.loads)}
    assert stored["a.csv"]["rows_kept"] == 1
    assert json.loads(stored["a.csv"]["account"])["新加入"]["承办单位"] == ["某局"]
    # The same again changes nothing; a later export of the same case replaces it.
    again = loaded(settings, tmp_path / "a.csv")
    assert not again.published.changed
    later = case_file(tmp_path / "b.csv", variation(1, 满意度="不满意"), variation(2))
    second = loaded(settings, later)
    assert second.published.key == "real-1.2"
    assert (account_of(second).kept, account_of(second).merged) == (1, 1)
    assert [case["satisfaction"] for case in rows_of(settings)] == [0, 1]


def formats_of(folder):
    """Yield the same two rows in every format that can be loaded."""
    rows = [HEADER, ROW.split(","), variation(2, 诉求内容="两行\n一个逗号").split(",")]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    plain = text.getvalue()
    for name, content in {
        "utf8.csv": plain.encode(),
        "bom.csv": plain.encode("utf-8-sig"),
        "lf.csv": plain.replace("\r\n", "\n").encode(),
        "gbk.csv": plain.encode("gb18030"),
        "utf16.csv": plain.encode("utf-16"),
        "a.csv.gz": gzip.compress(plain.encode("gb18030")),
        "semicolon.csv": plain.replace(",", ";").encode(),
        "tabs.tsv": plain.replace(",", "\t").encode(),
        "misnamed.xls": plain.replace(",", "\t").encode("gbk"),
    }.items():
        path = folder / name
        path.write_bytes(content)
        yield path
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("内/a.csv", plain)
        archive.writestr("说明.pdf", "x")
    yield folder / "a.zip"
    with xlsxwriter.Workbook(folder / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet("导出")
        moment = workbook.add_format({"num_format": "yyyy/m/d h:mm"})
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
            if number:
                sheet.write_number(number, 0, int(row[0]))
                sheet.write_datetime(number, 1, dt.datetime(2021, 3, 1, 9), moment)
                sheet.write_datetime(number, 11, dt.datetime(2021, 3, 16), day)
    yield folder / "a.xlsx"
    columns = [list(column) for column in zip(*rows[1:], strict=True)]
    arrays = [pa.array(column) for column in columns]
    arrays[0] = pa.array([1.0, 2.0])  # what pandas makes of whole numbers with gaps
    arrays[1] = pa.array([dt.datetime(2021, 3, 1, 9)] * 2)
    arrays[11] = pa.array([dt.date(2021, 3, 16)] * 2)
    pq.write_table(pa.table(arrays, names=HEADER), folder / "a.parquet")
    yield folder / "a.parquet"


def test_every_format_gives_the_same_cases(store, tmp_path):
    folder = tmp_path / "formats"
    folder.mkdir()
    answers = {}
    for path in formats_of(folder):
        result = loaded(store, REFERENCE, path, learn=True, new_line=True)
        assert account_of(result).kept == 2, path.name
        answers[path.name] = [
            row | {"summary": row["summary"].replace(";", ",").replace("\t", ",")}
            for row in rows_of(store)
        ]
    assert len(answers) == 12
    assert all(answer == answers["utf8.csv"] for answer in answers.values())


def test_torn_rows_are_rejected_and_reading_goes_on(store, tmp_path):
    path = case_file(
        tmp_path / "torn.csv",
        variation(1),
        "2,2021-03-01",
        variation(3) + ",多一列",
        variation(4, 诉求内容='"没有闭合'),
        variation(5),
        variation(6, 诉求内容='"有\n换行,""引号"""'),
        ",,,,,,,,,,,,",
        "",
        variation(7, 诉求内容='"到文件末尾'),
        variation(8),
    )
    result = loaded(store, REFERENCE, path, learn=True, accept=True)
    account = account_of(result)
    assert [row["case_id"] for row in rows_of(store)] == ["1", "5", "6", "8"]
    assert (account.read, account.rejected, account.blank) == (8, 4, 2)
    with result.rejects.open(encoding="utf-8-sig", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [row["行号"] for row in rejects] == ["3", "4", "5", "11"]
    assert rejects[0]["原因"] == "应有 13 列，实有 2 列"
    assert "第2项=2021-03-01" in rejects[0]["原始内容"]
    assert rejects[2]["原因"] == "引号没有闭合"


def test_rows_that_cannot_be_cases(store, tmp_path):
    path = case_file(
        tmp_path / "a.csv",
        *(variation(n) for n in range(1, 60)),
        variation(" - "),
        variation(99, 受理时间="昨天"),
        header=HEADER,
    )
    result = loaded(store, REFERENCE, path, learn=True)
    account = account_of(result)
    assert account.reasons == {"没有工单编号": 1, "受理时间空缺或读不出": 1}
    text = result.rejects.read_text("utf-8-sig")
    assert "受理时间=昨天" in text
    assert "61" in text


def test_nothing_about_persons_is_stored_anywhere(store, tmp_path):
    header = ["工单编号", "受理时间", "诉求内容", "来电人", "联系电话", "诉求地址", "备注"]
    path = case_file(
        tmp_path / "a.csv",
        "1,2021-03-01,请打13800001111,欧阳锋,13800002222,桃花岛1号,秘密甲",
        "2,,请打13800003333,欧阳锋,13800004444,桃花岛2号,秘密乙",
        "3,2021-03-01,多,一列,欧阳锋,13800005555,桃花岛3号,秘密丙",
        header=header,
    )
    result = loaded(store, path, accept=True)
    account = account_of(result)
    assert account.personal == ("来电人", "联系电话", "诉求地址")
    assert account.unmapped == ("备注",)
    assert account.findings == {"masked_numbers": 1}
    (case,) = rows_of(store)
    assert case["summary"] == "请打***"
    rejects = result.rejects.read_text("utf-8-sig")
    assert "请打***" in rejects
    everything = b"".join(p.read_bytes() for p in store.data_dir.rglob("*") if p.is_file())
    everything += result.account.printed().encode()
    for word in ("欧阳锋", "桃花岛", "秘密", "1380000"):
        assert word.encode() not in everything
    assert not list((store.data_dir / "staging").iterdir())


def test_findings_keep_the_row_and_the_words(store, tmp_path):
    path = case_file(
        tmp_path / "a.csv",
        variation(1, 区="桃花岛"),
        variation(2, 街道="东直门街道"),
        variation(3, 区="", 街道="八里庄街道"),
        variation(4, 区="", 街道="荣华街道"),
        variation(5, 区="大兴", 街道="荣华街道"),
        variation(6, 区="海淀", 街道="110108005"),
        variation(7, 街道="天涯街道"),
        variation(8, 办结时间="2021-02-01 00:00:00"),
        variation(9, 办结时间="2099-01-01"),
        variation(10, 办结时间="2021/3/1"),
        variation(11, 办结时间="待定"),
        variation(12, 满意度="还行"),
        variation(13, 受理时间="2098-01-01", 办结时间=""),
        variation(14, 是否联系="否", 是否解决="", 满意度=""),
        variation(15, 是否联系="", 是否解决=""),
    )
    result = loaded(store, REFERENCE, path, accept=True)
    account = account_of(result)
    assert account.kept == 15
    assert account.findings == {
        "unknown_district": 1,
        "contradicting_place": 1,
        "ambiguous_subdistrict": 1,
        "unknown_subdistrict": 1,
        "closed_before_created": 1,
        "closed_in_future": 1,
        "created_after_cutoff": 1,
        "unreadable_closed_at": 1,
        "unreadable_satisfaction": 1,
        "unknown_category": 15,
        "unknown_unit": 15,
    }
    assert account.examples["unknown_district"] == ["第 2 行：桃花岛 / 八里庄街道"]
    assert account.examples["unreadable_closed_at"] == ["第 12 行：待定"]
    cases = {int(row["case_id"]): row for row in rows_of(store)}
    code = {row["id"]: row["code"] for row in rows_of(store, schema.districts)}
    streets = {row["id"]: row["code"] for row in rows_of(store, schema.subdistricts)}
    assert cases[1]["district_id"] is None
    assert cases[1]["place_text"] == "桃花岛 八里庄街道"
    assert code[cases[2]["district_id"]] == "110105"
    assert (cases[2]["subdistrict_id"], cases[2]["place_text"]) == (None, "东直门街道")
    assert (cases[3]["district_id"], cases[3]["place_text"]) == (None, "八里庄街道")
    assert code[cases[4]["district_id"]] == code[cases[5]["district_id"]] == "BDA"
    assert streets[cases[6]["subdistrict_id"]] == "110108005"
    assert cases[7]["place_text"] == "天涯街道"
    assert cases[1]["category_text"] == "住房/供暖"
    assert cases[1]["unit_text"] == "某局"
    assert (cases[8]["closed_at"], cases[8]["closed"]) == (None, True)
    assert (cases[9]["closed_at"], cases[9]["closed"]) == (None, False)
    # Closed on the day of creation, time unknown.
    assert cases[10]["closed_at"] == cases[10]["created_at"]
    assert cases[12]["satisfaction"] == 3
    assert (cases[14]["valid_revisit"], cases[14]["resolved"]) == (True, 0)
    assert cases[14]["satisfaction"] == 3
    assert cases[15]["valid_revisit"] is None


def test_a_stated_revisit_needs_its_answers(store, tmp_path):
    header = ["工单编号", "受理时间", "回访结果", "是否联系", "是否解决", "满意度"]
    path = case_file(
        tmp_path / "a.csv",
        "1,2021-03-01,有效,是,是,满意",
        "2,2021-03-01,有效,是,,满意",
        "3,2021-03-01,未接通,,,",
        "4,2021-03-01,未回访,,,",
        "5,2021-03-01,,是,是,满意",
        header=header,
    )
    result = loaded(store, path, accept=True)
    assert account_of(result).findings == {"incomplete_revisit": 1}
    valid = [row["valid_revisit"] for row in rows_of(store)]
    assert valid == [True, False, False, None, None]


def test_consultations_answered_on_the_spot_are_not_assessed(store, tmp_path):
    header = ["工单编号", "受理时间", "诉求性质", "承办单位", "派单时间"]
    path = case_file(
        tmp_path / "a.csv",
        "1,2021-03-01,咨询,,",
        "2,2021-03-01,咨询,某局,",
        "3,2021-03-01,咨询,,2021-03-02",
        "4,2021-03-01,投诉,,",
        header=header,
    )
    loaded(store, path, accept=True)
    assert [row["assessed"] for row in rows_of(store)] == [False, True, True, True]


def test_of_rows_with_one_id_the_last_wins(store, tmp_path):
    first = case_file(tmp_path / "1.csv", variation(1), variation(1, 诉求内容="第二"), variation(2))
    second = case_file(tmp_path / "2.csv", variation(1, 诉求内容="第三"), variation(1, 受理时间=""))
    result = loaded(store, first, second, learn=True, accept=True)
    assert [(f.merged, f.rejected) for f in result.account.files] == [(2, 0), (0, 1)]
    assert [row["summary"] for row in rows_of(store)] == ["第三", "暖气不热"]


def test_rejected_or_damaged_rows_stop_a_load_until_accepted(store, tmp_path):
    from data_access.loading.load import TooMuchDamageError

    good = [variation(n) for n in range(90)]
    path = case_file(tmp_path / "a.csv", *good, *(variation(n, 区="外地") for n in range(90, 100)))
    with pytest.raises(TooMuchDamageError, match=r"区未定位（保留原文） 10 行，占 10.0%") as caught:
        loaded(store, REFERENCE, path)
    assert caught.value.result.account.files
    assert open_store(store).current() is None
    assert loaded(store, REFERENCE, path, dry_run=True).published is None
    assert open_store(store).current() is None
    assert loaded(store, REFERENCE, path, accept=True).published.key == "real-1.1"


def test_a_trial_counts_what_would_be_merged(store, tmp_path):
    loaded(store, case_file(tmp_path / "a.csv", variation(1), variation(2)), learn=True)
    path = case_file(tmp_path / "b.csv", variation(2), variation(3), variation(3))
    trial = account_of(loaded(store, path, dry_run=True))
    assert (trial.read, trial.kept, trial.merged) == (3, 1, 2)
    real = account_of(loaded(store, path))
    assert (real.kept, real.merged) == (trial.kept, trial.merged)


def test_what_was_learned_keeps_its_id(store, tmp_path):
    loaded(store, case_file(tmp_path / "a.csv", variation(1)), learn=True)
    before = rows_of(store, schema.units)
    loaded(store, case_file(tmp_path / "b.csv", variation(2, 承办单位="A局")), learn=True)
    after = rows_of(store, schema.units)
    assert after[: len(before)] == before
    assert [(row["id"], row["code"], row["name"]) for row in after] == [
        (1, "U0001", "某局"),
        (2, "U0002", "A局"),
    ]


def test_times_in_three_notations_in_one_column(store, tmp_path):
    times = ["2021-03-01 09:05:00", "2021/3/1 9:05", "2021年3月1日9时5分", "20210301090500"]
    rows = [variation(n, 受理时间=time) for n, time in enumerate(times)]
    loaded(store, case_file(tmp_path / "a.csv", *rows), learn=True)
    assert {row["created_at"] for row in rows_of(store)} == {dt.datetime(2021, 3, 1, 9, 5)}


def test_bytes_that_cannot_be_decoded_are_said(store, tmp_path):
    rows = [variation(n) for n in range(50)] + [
        variation("A50", 诉求内容="坏#字"),
        variation("B#1"),
    ]
    text = "\n".join([",".join(HEADER), *rows]).encode("gb18030").replace(b"#", b"\xff")
    (tmp_path / "a.csv").write_bytes(text)
    result = loaded(store, tmp_path / "a.csv", learn=True)
    account = account_of(result)
    assert account.findings["damaged_text"] == 1
    assert account.examples["damaged_text"] == ["第 52 行"]
    assert account.reasons == {"工单编号含无法解码的字符": 1}
    assert {row["summary"] for row in rows_of(store)} == {"暖气不热", "坏\ufffd字"}


def test_an_encoding_that_shows_late_is_found(store, tmp_path):
    ascii_rows = "".join(f"{n},2021-03-01,{'x' * 1000}\n" for n in range(6_000))
    text = ("case_id,created_at,summary\n" + ascii_rows + "z,2021-03-01,暖气").encode("gb18030")
    (tmp_path / "a.csv").write_bytes(text)
    loaded(store, tmp_path / "a.csv")
    assert rows_of(store)[-1]["summary"] == "暖气"


def test_headers_and_words_are_never_code(store, tmp_path):
    evil = """'; DROP TABLE incoming; --"""
    path = case_file(tmp_path / "a.csv", variation(1, 区=evil, 承办单位=evil, 诉求内容=f'"{evil}"'))
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        f'city = """{evil}"""\n[columns]\ncase_id = "工单编号"\ncreated_at = "受理时间"\n'
        f'district = "区"\nunit = "承办单位"\nsummary = "诉求内容"\n'
        f'[constants]\nkind = """{evil}"""\n'
        f'[values.contacted]\n"{evil}" = "是"\n[formats]\nclosed_at = "%d\'%m"\n',
        encoding="utf-8",
    )
    loaded(store, path, mapping=mapping, learn=True)
    (case,) = rows_of(store)
    assert case["summary"] == evil
    assert rows_of(store, schema.districts)[0]["name"] == evil
    assert rows_of(store, schema.kinds)[0]["name"] == evil


def test_a_load_after_the_demo_starts_empty(tmp_path, demo_settings):
    import shutil

    from data_access.publishing import rollback, versions

    settings = store_settings(tmp_path)
    shutil.copytree(demo_settings.data_dir, settings.data_dir)
    result = loaded(settings, case_file(tmp_path / "a.csv", ROW), learn=True)
    assert result.published.key == "real-1.1"
    assert result.published.cases == 1
    assert len(rows_of(settings, schema.districts)) == 1
    assert {version.key for version in versions(settings)} == {"demo.1", "real-1.1"}
    assert rollback(settings, "demo.1").line == "demo"


# What a field may hold in a file that csv wrote: no NUL, no lone surrogate.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=8))
@example([("a\r\nb", "c\rd", "\u2028\x85\x0b"), ('"', '""', ',"\n')])
def test_any_text_is_kept_or_accounted_for(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    path = folder / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["工单编号", "受理时间", "诉求内容", "区", "承办单位"])
        for number, (summary, district, unit) in enumerate(rows):
            writer.writerow([f"n{number}", "2021-03-01 09:00:00", summary, district, unit])
    settings = store_settings(folder)
    result = loaded(settings, path, accept=True)
    account = account_of(result)
    assert (account.read, account.rejected, account.blank) == (len(rows), 0, 0)
    kept = {row["case_id"]: row for row in rows_of(settings)}
    for number, (summary, district, unit) in enumerate(rows):
        case = kept[f"n{number}"]
        for stored, text in (
            (case["summary"], summary),
            (case["place_text"], district),
            (case["unit_text"], unit),
        ):
            # Blanks around a text go, blanks within become one; nothing else changes.
            if stored is None or "***" in stored:
                continue
            assert "".join(stored.split()) == "".join(text.split()).strip("\u200b\ufeff")
