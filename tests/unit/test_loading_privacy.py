"""No telephone, ID number or column about a person gets in."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_access.loading.privacy import is_personal, mask, masked_sql

MASKED = [
    ("请联系13812345678谢谢", "请联系***谢谢"),
    ("电话:138 1234 5678。", "电话:***。"),
    ("138-1234-5678", "***"),
    ("13812345678,13912345678", "***,***"),
    ("tel13812345678", "***"),
    ("微信号wx13812345678", "微信号***"),
    ("+8613812345678", "+***"),
    ("１３８１２３４５６７８", "***"),
    ("座机010-62345678", "座机***"),
    ("座机（010）62345678", "座机（***"),
    ("(0755)82345678", "(***"),
    ("致电62345678", "致电***"),
    ("身份证11010519491231002X", "身份证***"),
    ("证号110105194912310021。", "证号***。"),
    ("110105491231002", "***"),
]
KEPT = [
    "工单JSJB20210401000123",
    "JS13812345678",
    "20210401000123456",
    "2021-04-01 09:05:00",
    "20210401",
    "涉及金额12345678元",
    "赔偿1234567.89元",
    "3号楼2单元1201室",
    "12345热线",
    "京ICP备2021000123号",
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_numbers_of_persons_are_masked(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_stay(text):
    assert mask(text) == text


digits = st.text(alphabet="0123456789Xx０１３-— ()+电话:tel张,。", max_size=40)


@given(st.one_of(digits, st.text(max_size=30)))
def test_the_database_masks_as_python_does(text):
    text = text.replace("\0", "")
    statement = f"SELECT {masked_sql('x')} FROM (SELECT ?::VARCHAR AS x)"
    assert duckdb.execute(statement, [text]).fetchall() == [(mask(text),)]


@pytest.mark.parametrize(
    "header",
    [
        *("姓名", "诉求人姓名", "联系电话", "电话", "手机号码", "联系方式", "家庭住址", "诉求地址"),
        *("身份证号", "来电人", "来电号码", " 联 系 电 话*", "证件号码", "Phone", "E-mail", "name"),
    ],
)
def test_columns_about_persons(header):
    assert is_personal(header)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "是否联系",
            "是否联系诉求人",
            "来电时间",
            "联系时间",
            "来电渠道",
            "电话回访结果",
            "工单编号",
        ),
        *("诉求内容", "district_name", "unit_name", "办理时限", "小区", "诉求性质"),
    ],
)
def test_columns_about_cases(header):
    assert not is_personal(header)
