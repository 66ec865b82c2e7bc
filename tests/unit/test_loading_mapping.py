"""Mapping files, known headers and the mistakes people make with them."""

import tomllib

import pytest

from data_access.loading.errors import LoadError
from data_access.loading.fields import CHOICES, FIELD_BY_NAME, FIELDS, known_words
from data_access.loading.mapping import (
    mapping_from,
    mapping_without_file,
    propose,
    read_mapping,
    to_toml,
)
from data_access.loading.privacy import is_personal

MINIMAL = '[columns]\ncase_id = "编号"\ncreated_at = "时间"\n'


def problem(text):
    with pytest.raises(LoadError) as caught:
        mapping_from(tomllib.loads(text), "m.toml")
    return str(caught.value)


def test_a_full_mapping():
    mapping = mapping_from(
        tomllib.loads(
            """
            source = "某市"
            city = "某市"
            encoding = "gbk"
            delimiter = ";"
            sheet = "导出"
            header_row = 3
            nulls = ["空"]
            drop = ["备注"]
            [columns]
            case_id = "编号"
            created_at = ["日期", "时刻"]
            status = "状态"
            resolved = "结果"
            [constants]
            channel = "网络"
            [formats]
            created_at = "%d/%m/%Y %H:%M"
            [values.resolved]
            "OK" = "解决"
            "0" = true
            "待定" = ""
            """
        ),
        "m.toml",
    )
    assert mapping.columns["created_at"] == ("日期", "时刻")
    assert mapping.options.header_row == 3
    assert mapping.options.delimiter == ";"
    assert "空" in mapping.nulls
    assert "-" in mapping.nulls
    assert mapping.words["resolved"]["ok"] == CHOICES["resolved"]["解决"]
    assert mapping.words["resolved"]["0"] == CHOICES["resolved"]["解决"]
    assert mapping.words["resolved"]["待定"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + 'distrct = "区"', "没有名为“distrct”的字段（是不是 district？）"),
        (MINIMAL + 'district = "编号"', "列“编号”同时对应了 case_id 和 district"),
        (MINIMAL + 'district = ["区", "街道"]', "“district”（区）只能来自一列，现写了 2 列"),
        (MINIMAL + 'summary = "联系电话"', "列“联系电话”是个人信息"),
        (MINIMAL + "district = 3", "columns.district 须为文字"),
        (MINIMAL + '[constants]\ndistrict = "朝阳区"\ncase_id = "1"', "“case_id”既有列又有常量"),
        ('[columns]\ncase_id = "编号"\n[constants]\ncreated_at = "2021-1-1"', "不能是常量"),
        (MINIMAL + "[values.district]", "values.district 不是可选值字段"),
        (MINIMAL + '[values.resolved]\n"x" = "好"', "values.resolved 的“好”不认识"),
        (MINIMAL + '[formats]\nsummary = "%Y"', "“summary”不是日期"),
        (MINIMAL + '[formats]\ncreated_at = "dd/mm"', "formats.created_at 的“dd/mm”不是日期格式"),
        (MINIMAL + '[formats]\ncreated_at = "%Q"', "formats.created_at 的“%Q”不是日期格式"),
        ("header_row = 0\n" + MINIMAL, "header_row 须为从 1 起的整数"),
        ('delimiter = ",,"\n' + MINIMAL, "delimiter 须为一个字符"),
        ('drop = ["编号"]\n' + MINIMAL, "列“编号”既在 drop 里又对应了 case_id"),
        ("colums = 1\n" + MINIMAL, "不认识“colums”（是不是 columns？）"),
        ('[columns]\ncase_id = "编号"', "缺少必需的字段：created_at（受理时间）"),
        ("columns = 3", "[columns] 须为一节"),
    ],
)
def test_mistakes_are_named(text, said):
    assert said in problem(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[columns]\ncase_id = "a"\ncase_id = "b"\n', "同一个字段写了两次"),
        (b"[columns]\ncase_id = abc\n", "第 2 行"),
        (b"\xff\xfe\x00", "须为 UTF-8 编码的 TOML"),
    ],
)
def test_files_that_are_no_toml(tmp_path, content, said):
    path = tmp_path / "m.toml"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=said):
        read_mapping(path)


def test_a_mapped_column_that_the_file_lacks_is_named_with_the_nearest():
    mapping = mapping_from(tomllib.loads(MINIMAL), "m.toml")
    with pytest.raises(LoadError) as caught:
        mapping.check_header(("工单编号", "时间"), "x.csv")
    assert "“编号”（是不是“工单编号”？）" in str(caught.value)


def test_no_header_means_two_fields_or_a_person():
    seen: dict[str, str] = {}
    for field in FIELDS:
        for header in field.headers.split():
            assert seen.setdefault(header, field.name) == field.name
            assert not is_personal(header), header


def test_known_headers_need_no_file():
    header = ("工单号", "来电时间", "所属区", "街乡镇", "姓名", "联系电话", "是否逾期", "备注")
    proposal = propose(header)
    mapping = mapping_without_file(proposal, "x.csv")
    assert mapping.columns == {
        "case_id": ("工单号",),
        "created_at": ("来电时间",),
        "district": ("所属区",),
        "subdistrict": ("街乡镇",),
        "on_time": ("是否逾期",),
    }
    assert mapping.words["on_time"]["是"] == 0
    assert proposal.personal == ("姓名", "联系电话")
    assert proposal.unmapped == ("备注",)


def test_a_date_and_a_time_of_day_are_put_together():
    header = ("工单编号", "受理日期", "受理时间")
    proposal = propose(header, [["1", "2021-04-01", "9:05"], ["2", "2021-04-02", "23:10:11"]])
    assert proposal.mapping.columns["created_at"] == ("受理日期", "受理时间")


def test_two_columns_for_one_field_are_not_guessed():
    header = ("工单编号", "受理时间", "创建时间")
    with pytest.raises(LoadError, match="列“受理时间”、“创建时间”都像“受理时间”"):
        mapping_without_file(propose(header, [["1", "2021-04-01", "2021-04-01"]]), "x.csv")


def test_a_proposal_is_a_mapping_file_whatever_the_header():
    header = ("工单编号", "受理时间", '怪"名\\', "换\n行", "是否联系", "[x]")
    proposal = propose(header)
    text = to_toml(proposal, 'a"b', {"contacted": ['不"明']}, {})
    mapping = mapping_from(tomllib.loads(text), "m.toml")
    assert mapping.columns == proposal.mapping.columns


def test_words_of_a_choice_may_have_either_sense():
    assert known_words("on_time")["是"] == 1
    assert known_words("on_time", opposite=True)["是"] == 0
    assert known_words("on_time", opposite=True)["逾期"] == 0
    assert all(word == word.lower() for field in CHOICES for word in known_words(field))
    assert set(CHOICES) == {name for name, field in FIELD_BY_NAME.items() if field.kind == "choice"}
