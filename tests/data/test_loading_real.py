"""Public data that nobody on this project wrote; skipped where it is absent."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from data_access import schema
from tests.data.conftest import store_settings
from tests.data.test_loading import account_of, loaded, rows_of

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
MAPPINGS = ROOT / "data_access" / "mappings"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")


@pytest.fixture
def store(tmp_path):
    return store_settings(tmp_path)


def test_the_three_files_of_pingshan_are_one_answer(store):
    folder, mapping = REAL / "pingshan2018", MAPPINGS / "pingshan2018.toml"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    first = loaded(store, folder / "pingshan_10000_utf8.csv", mapping=mapping, learn=True)
    account = account_of(first)
    assert (account.kept, account.rejected, account.findings) == (expected["rows"], 0, {})
    for name in ("pingshan_10000_gbk.csv", "pingshan_10000.xlsx"):
        again = loaded(store, folder / name, mapping=mapping)
        assert not again.published.changed, name

    names = {
        table.name: {row["id"]: row["name"] for row in rows_of(store, table)} | {None: "-"}
        for table in (schema.subdistricts, schema.categories, schema.channels, schema.districts)
    }
    level1 = {row["id"]: row["level1_id"] for row in rows_of(store, schema.categories)}
    cases = rows_of(store)
    streets = Counter(names["subdistricts"][row["subdistrict_id"]] for row in cases)
    assert streets == expected["count_by_所属街道"]
    types = Counter(names["categories"][level1[row["category_id"]]] for row in cases)
    assert types == expected["count_by_问题类型"]
    sources = Counter(names["channels"][row["channel_id"]] for row in cases)
    assert sources == expected["count_by_问题来源"]
    months = Counter(f"{row['created_at']:%Y-%m}" for row in cases)
    assert months == expected["count_by_month"]
    assert {names["districts"][row["district_id"]] for row in cases} == {"坪山区"}
    on_time = defaultdict(list)
    for row in cases:
        on_time[names["subdistricts"][row["subdistrict_id"]]].append(row["on_time"])
    for street, figures in expected["on_time_rate_by_所属街道_ranked"].items():
        assert (len(on_time[street]), sum(on_time[street])) == (figures["n"], figures["on_time"])
    # No revisits at all: that is not known, and not a "no".
    assert {row["valid_revisit"] for row in cases} == {None}
    assert all(row["closed"] for row in cases)
    units = {row["name"] for row in rows_of(store, schema.units)}
    assert {"市政服务中心（龙田街道办事处）", "市政服务中心（坪山街道办事处）"} <= units


def test_messages_to_the_mayor(store):
    path = REAL / "taidi2020" / "messages.xlsx"
    result = loaded(store, path, mapping=MAPPINGS / "taidi2020_messages.toml")
    account = account_of(result)
    assert (account.kept, account.rejected) == (4_326, 0)
    assert account.personal == ("留言用户",)
    cases = rows_of(store)
    assert {row["created_at"].year for row in cases} <= set(range(2010, 2021))
    assert all(row["summary"] and not set("\n\t") & set(row["summary"]) for row in cases)


def test_replies_of_the_mayor(store):
    path = REAL / "taidi2020" / "replies.xlsx"
    result = loaded(store, path, mapping=MAPPINGS / "taidi2020_replies.toml", accept=True)
    account = account_of(result)
    assert (account.read, account.rejected) == (2_816, 0)
    closed = [row for row in rows_of(store) if row["closed_at"]]
    assert len(closed) > 2_700
    assert all(row["closed_at"] >= row["created_at"] for row in closed)


def test_data_of_another_kind_is_refused(store):
    from data_access.loading.errors import LoadError

    with pytest.raises(LoadError, match="表头里认不出工单编号、受理时间"):
        loaded(store, REAL / "cityscore2026" / "metrics.csv")
