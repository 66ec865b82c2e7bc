"""The demo is repeatable, calibrated to what was published, and has what is planted in it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_access import schema
from data_access.demo import DEFAULT_CUTOFF, generate, planted
from data_access.publishing import SMALL_TABLES
from domain.rules import Rules, rules_from_rows

CASES = 60_000
CUTOFF = "TIMESTAMP '2021-04-12 23:59:59'"

RATE = "avg((resolved = 1)::INT) FILTER (valid_revisit AND NOT excluded)"
SATISFACTION = (
    "avg(CASE satisfaction WHEN 1 THEN 1 WHEN 2 THEN 0.9 ELSE 0 END)"
    " FILTER (valid_revisit AND NOT excluded)"
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("demo") / "staging.duckdb"
    generate(path, cases=CASES)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    (row,) = rows(connection, query)
    return row[0] if len(row) == 1 else row


def test_staged_says_what_is_in_the_file(tmp_path):
    told: list[tuple[str, float]] = []
    staged = generate(
        tmp_path / "staging.duckdb",
        cases=3_000,
        progress=lambda what, part: told.append((what, part)),
    )
    assert (staged.line, staged.new_line, staged.city) == ("demo", False, "北京市")
    assert staged.cutoff == dt.datetime(2021, 4, 12, 23, 59, 59)
    assert staged.tables == {table.name for table in SMALL_TABLES}
    assert told[-1] == ("演示数据已生成", 1.0)
    assert [part for _, part in told] == sorted(part for _, part in told)
    with duckdb.connect(str(staged.path), read_only=True) as connection:
        assert one(connection, "SELECT count(*) FROM incoming") == 3_000
        assert one(connection, "SELECT rows_read, rows_kept FROM loads") == (3_000, 3_000)
        for table in (schema.loads, *SMALL_TABLES):
            assert one(connection, f"SELECT count(*) FROM {table.name}") > 0
            described = rows(connection, f"SELECT * FROM {table.name} LIMIT 0")
            assert described == []
        names = [row[0] for row in rows(connection, "DESCRIBE incoming")]
        assert names == [column.name for column in schema.SOURCE_COLUMNS]


def test_the_same_arguments_give_the_same_rows(tmp_path):
    def checksum(name: str, seed: int) -> dict[str, Any]:
        path = tmp_path / name
        generate(path, cases=5_000, seed=seed)
        with duckdb.connect(str(path), read_only=True) as connection:
            return {
                table: one(connection, f"SELECT bit_xor(hash({table})), count(*) FROM {table}")
                for table in ("incoming", *(table.name for table in SMALL_TABLES))
            }

    first, second, other = checksum("a", 1), checksum("b", 1), checksum("c", 2)
    assert first == second
    assert first["incoming"] != other["incoming"]
    assert first["progress"] != other["progress"]
    assert first["categories"] == other["categories"]


def test_a_later_cutoff_adds_rows_and_moves_none(tmp_path):
    paths = [tmp_path / "early.duckdb", tmp_path / "late.duckdb"]
    for path, cutoff in zip(paths, (DEFAULT_CUTOFF, dt.date(2021, 5, 9)), strict=True):
        generate(path, cases=8_000, cutoff=cutoff)
    with duckdb.connect() as connection:
        for name, path in zip(("early", "late"), paths, strict=True):
            connection.execute(f"ATTACH '{path}' AS {name} (READ_ONLY)")
        lasting = (
            "case_id, created_at, district_id, subdistrict_id, community, category_id, kind_id,"
            " channel_id, lead_unit_id, repeat_of, summary, excluded, assessed"
        )
        lost = f"SELECT {lasting} FROM early.incoming EXCEPT SELECT {lasting} FROM late.incoming"
        assert rows(connection, lost) == []
        assert one(connection, "SELECT count(*) FROM early.incoming") == 8_000
        assert one(connection, "SELECT count(*) FROM late.incoming") > 8_300
        # Who was closed stays as closed; who was open may be closed now.
        both = "early.incoming e JOIN late.incoming l USING (case_id)"
        changed = f"SELECT count(*) FROM {both} WHERE e.closed AND e.closed_at <> l.closed_at"
        assert one(connection, changed) == 0
        assert one(connection, f"SELECT count(*) FROM {both} WHERE NOT e.closed AND l.closed") > 50
        # Certificates that were reported stay as reported.
        for table in ("progress", "project_log", "district_targets"):
            query = f"SELECT * FROM early.{table} EXCEPT SELECT * FROM late.{table}"
            assert rows(connection, query) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"cases": 100},
        {"cutoff": dt.date(2022, 1, 1)},
        {"cutoff": dt.date(2019, 12, 31)},
        {"seed": -1},
    ],
)
def test_refuses_what_it_cannot_make(tmp_path, arguments):
    with pytest.raises(ValueError, match="演示数据"):
        generate(tmp_path / "staging.duckdb", **arguments)
    assert not (tmp_path / "staging.duckdb").exists()


def test_ids_and_order(demo):
    assert one(demo, "SELECT count(*), count(DISTINCT case_id) FROM incoming") == (CASES, CASES)
    in_order = """
        SELECT count(*) FROM (
            SELECT created_at, case_id, lag(created_at) OVER (ORDER BY rowid) AS before_at,
                   lag(case_id) OVER (ORDER BY rowid) AS before_id
            FROM incoming)
        WHERE before_id IS NOT NULL AND (before_at, before_id) > (created_at, case_id)"""
    assert one(demo, in_order) == 0
    assert one(demo, "SELECT count(*) FROM incoming WHERE created_on <> created_at::DATE") == 0
    for column, table in (
        ("district_id", "districts"),
        ("subdistrict_id", "subdistricts"),
        ("category_id", "categories"),
        ("topic_id", "topics"),
        ("kind_id", "kinds"),
        ("channel_id", "channels"),
        ("lead_unit_id", "units"),
    ):
        lost = f"SELECT count(*) FROM incoming ANTI JOIN {table} t ON {column} = t.id"
        assert one(demo, f"{lost} WHERE {column} IS NOT NULL") == 0, column
        unique = (
            f"SELECT count(*) - count(DISTINCT id), count(*) - count(DISTINCT code) FROM {table}"
        )
        assert one(demo, unique) == (0, 0), table
    other_district = """
        SELECT count(*) FROM incoming i JOIN subdistricts s ON s.id = i.subdistrict_id
        WHERE s.district_id <> i.district_id"""
    assert one(demo, other_district) == 0
    # A case belongs to the topic of its category, and to none if the category has none.
    other_topic = """
        SELECT count(*) FROM incoming i LEFT JOIN topic_categories t USING (category_id)
        WHERE i.topic_id IS DISTINCT FROM t.topic_id"""
    assert one(demo, other_topic) == 0


@pytest.mark.parametrize(
    "impossible",
    [
        "closed <> (closed_at IS NOT NULL)",
        f"greatest(created_at, dispatched_at, responded_at, closed_at) > {CUTOFF}",
        "dispatched_at < created_at OR responded_at < dispatched_at OR closed_at < responded_at",
        "due_at <= dispatched_at",
        "(on_time IS NOT NULL) <> (closed AND assessed)",
        "on_time AND closed_at > due_at AND shelved_until IS NULL",
        "NOT on_time AND closed_at <= due_at",
        "valid_revisit IS NOT NULL AND NOT closed",
        "coalesce(valid_revisit, FALSE) <> (contacted IS NOT NULL)",
        "(contacted IS NULL) <> (resolved IS NULL) OR (resolved IS NULL) <> (satisfaction IS NULL)",
        "NOT contacted AND resolved <> 0",
        "NOT assessed AND (lead_unit_id IS NOT NULL OR dispatched_at IS NOT NULL OR kind_id <> 5)",
        "NOT assessed AND (valid_revisit IS NOT NULL OR excluded OR direct_dispatch)",
        "assessed AND lead_unit_id IS NULL",
        "(district_id IS NULL) <> (place_text IS NOT NULL)",
        "(category_id IS NULL) <> (category_text IS NOT NULL)",
        "(district_id IS NULL) <> (community IS NULL)",
        "summary IS NULL OR length(summary) NOT BETWEEN 12 AND 90",
    ],
)
def test_never_happens(demo, impossible):
    assert rows(demo, f"SELECT * FROM incoming WHERE {impossible} LIMIT 3") == []


def test_a_repeat_points_at_an_earlier_case_of_the_same_place_and_category(demo):
    pairs = "incoming later JOIN incoming root ON root.case_id = later.repeat_of"
    share, found = one(
        demo,
        f"""SELECT avg((repeat_of IS NOT NULL)::INT), (SELECT count(*) FROM {pairs})
            FROM incoming WHERE assessed""",
    )
    assert share == pytest.approx(0.06, abs=0.01)
    assert found == one(demo, "SELECT count(repeat_of) FROM incoming")
    wrong = f"""
        SELECT count(*) FROM {pairs}
        WHERE later.created_at < root.created_at OR root.repeat_of IS NOT NULL
           OR (later.subdistrict_id, later.community, later.category_id)
              IS DISTINCT FROM (root.subdistrict_id, root.community, root.category_id)"""
    assert one(demo, wrong) == 0


def test_no_personal_data(demo):
    texts = rows(demo, "SELECT DISTINCT summary FROM incoming")
    texts += rows(demo, "SELECT DISTINCT community FROM incoming WHERE community IS NOT NULL")
    texts += rows(demo, "SELECT DISTINCT place_text FROM incoming WHERE place_text IS NOT NULL")
    texts += rows(demo, "SELECT name FROM projects UNION SELECT owner FROM projects")
    with_digits = [text for (text,) in texts if re.search(r"\d", text)]
    assert with_digits == []
    ids = rows(demo, "SELECT case_id FROM incoming")
    assert not any(re.search(r"\d{11}", case_id) for (case_id,) in ids)


def test_volume_is_calibrated(demo):
    assessed_2020 = "assessed AND created_on < DATE '2021-01-01'"
    n_2020, n = one(
        demo,
        f"SELECT count(*) FILTER ({assessed_2020}), count(*) FILTER (assessed) FROM incoming",
    )
    assert n_2020 / n == pytest.approx(3.04 / 3.92, abs=0.01)
    phone = "avg((c.name = '电话')::INT) FROM incoming i JOIN channels c ON c.id = channel_id"
    assert one(demo, f"SELECT {phone}") == pytest.approx(0.907, abs=0.005)
    central = "avg((zone IN ('核心区', '中心城区'))::INT)"
    placed = "incoming i JOIN districts d ON d.id = district_id"
    assert one(demo, f"SELECT {central} FROM {placed}") == pytest.approx(0.60, abs=0.01)
    assert one(demo, "SELECT avg((district_id IS NULL)::INT) FROM incoming") < 0.005
    median = f"""
        SELECT median(n) FROM (
            SELECT s.id, count(i.case_id) AS n FROM subdistricts s
            LEFT JOIN incoming i ON i.subdistrict_id = s.id AND {assessed_2020} GROUP BY s.id)"""
    assert one(demo, median) / 12 * 3_040_000 / n_2020 == pytest.approx(400, rel=0.1)
    peak = "avg((hour(created_at) IN (9, 10, 14, 15))::INT)"
    assert one(demo, f"SELECT {peak} FROM incoming") == pytest.approx(0.33, abs=0.02)
    sunday = "count(*) FILTER (isodow(created_at) = 7) / count(*) FILTER (isodow(created_at) = 3)"
    assert one(demo, f"SELECT {sunday} FROM incoming") == pytest.approx(0.83, abs=0.05)


def test_fields_have_their_published_proportions(demo):
    published = {
        "市场管理": 98,
        "公共服务": 64.8,
        "住房": 61.2,
        "医疗卫生": 59.8,
        "城乡建设": 54.8,
        "交通管理": 47.2,
        "社会秩序": 46.5,
        "劳动和社会保障": 35.7,
        "教育": 35.1,
    }
    counts = dict(
        rows(
            demo,
            """SELECT f.name, count(*) FROM incoming i JOIN categories c ON c.id = category_id
               JOIN categories f ON f.id = c.level1_id
               WHERE assessed AND created_on < DATE '2021-01-01' GROUP BY f.name""",
        )
    )
    of_all = sum(counts[name] for name in published) / sum(published.values())
    for name, volume in published.items():
        assert counts[name] / of_all == pytest.approx(volume, rel=0.06), name


def test_heating_spikes_in_november_and_on_cold_snaps(demo):
    heating = dict(
        rows(
            demo,
            """SELECT created_on, count(*) FROM incoming i JOIN categories c ON c.id = category_id
               WHERE c.name LIKE '供暖%' GROUP BY created_on""",
        )
    )

    def daily(first: dt.date, last: dt.date) -> float:
        days = (last - first).days + 1
        return sum(heating.get(first + dt.timedelta(days=i), 0) for i in range(days)) / days

    spike = daily(dt.date(2020, 11, 7), dt.date(2020, 11, 15))
    assert spike > 2 * daily(dt.date(2020, 11, 16), dt.date(2020, 12, 20))
    assert spike > 20 * daily(dt.date(2020, 6, 1), dt.date(2020, 8, 31))
    assert daily(dt.date(2021, 1, 6), dt.date(2021, 1, 8)) > 1.8 * daily(
        dt.date(2021, 1, 14), dt.date(2021, 1, 31)
    )


@pytest.mark.parametrize(
    ("month", "resolved", "satisfied"),
    [("2020-01", 0.619, 0.782), ("2020-12", 0.859, 0.897), ("2021-03", 0.87, 0.908)],
)
def test_rates_rise_as_published(demo, month, resolved, satisfied):
    found = one(
        demo,
        f"""SELECT {RATE}, {SATISFACTION}, avg(contacted::INT),
                   avg((satisfaction = 2)::INT) FILTER (valid_revisit)
            FROM incoming WHERE assessed AND strftime(created_on, '%Y-%m') = '{month}'""",
    )
    assert found[0] == pytest.approx(resolved, abs=0.03)
    assert found[1] == pytest.approx(satisfied, abs=0.03)
    assert found[2] > 0.98
    assert found[3] == pytest.approx(0.045, abs=0.015)


def test_handling_is_calibrated(demo):
    mature = f"assessed AND due_at < {CUTOFF} - INTERVAL 7 DAY"
    valid, tried, excluded, shelved, spot = one(
        demo,
        f"""SELECT avg(coalesce(valid_revisit, FALSE)::INT) FILTER ({mature}),
                   avg((valid_revisit IS NOT NULL)::INT) FILTER ({mature}),
                   avg(excluded::INT) FILTER (assessed),
                   avg((shelved_until IS NOT NULL)::INT) FILTER (assessed),
                   avg((NOT assessed)::INT)
            FROM incoming""",
    )
    assert valid == pytest.approx(0.555, abs=0.015)
    assert 0.70 < tried < 0.85
    assert 0.03 < excluded < 0.05
    assert shelved == pytest.approx(0.009, abs=0.003)
    assert spot == pytest.approx(0.04, abs=0.005)
    on_time = f"""
        SELECT count(*) FILTER (on_time) / count(*) FROM incoming
        WHERE assessed AND (closed OR due_at < {CUTOFF}) AND shelved_until IS NULL"""
    assert 0.93 < one(demo, on_time) < 0.97
    # The last days are unfinished, the months before are not.
    revisited = "avg((valid_revisit IS NOT NULL)::INT) FILTER (assessed)"
    assert one(demo, f"SELECT {revisited} FROM incoming WHERE created_on > '2021-04-08'") < 0.35
    limits = rows(
        demo, "SELECT DISTINCT epoch(due_at - dispatched_at) FROM incoming WHERE due_at IS NOT NULL"
    )
    assert {seconds / 3_600 for (seconds,) in limits} == {2, 24, 168, 360}


def test_hard_categories_are_hard(demo):
    rate = dict(
        rows(
            demo,
            f"""SELECT c.name, {RATE} FROM incoming JOIN categories c ON c.id = category_id
                WHERE c.name IN ('拖欠工资', '房产证办理', '路灯照明', '井盖破损')
                GROUP BY c.name""",
        )
    )
    assert max(rate["拖欠工资"], rate["房产证办理"]) + 0.1 < min(rate["路灯照明"], rate["井盖破损"])


def test_planted_shop(demo):
    found = rows(
        demo,
        f"""SELECT count(*), min(created_on), max(created_on), count(DISTINCT subdistrict_id),
                   min(d.code), count(DISTINCT summary), count(repeat_of)
            FROM incoming JOIN districts d ON d.id = district_id
            WHERE summary LIKE '%{planted.SHOP_NAME}%'""",
    )[0]
    assert found[0] == planted.SHOP_CASES >= 60
    assert planted.SHOP_DAYS[0] <= found[1] <= found[2] <= planted.SHOP_DAYS[1]
    assert found[3:] == (1, "110102", 5, 0)


def test_planted_estate_grows(demo):
    months = dict(
        rows(
            demo,
            f"""SELECT strftime(created_on, '%Y-%m'), count(*)
                FROM incoming JOIN categories c ON c.id = category_id
                WHERE community = '{planted.ESTATE_NAME}' AND c.name = '房产证办理' GROUP BY 1""",
        )
    )
    assert months == {m: n for m, n in planted.ESTATE_CASES.items() if m <= "2021-04"}
    project = f"SELECT units, done, stage FROM projects WHERE name = '{planted.ESTATE_NAME}'"
    assert one(demo, project)[:2] == (planted.ESTATE_UNITS, 0)


def test_planted_overdue_burst(demo):
    overdue = f"NOT closed AND due_at < {CUTOFF} AND shelved_until IS NULL AND assessed"
    found = rows(
        demo,
        f"""SELECT s.code, count(*) FROM incoming JOIN subdistricts s ON s.id = subdistrict_id
            WHERE {overdue} GROUP BY s.code ORDER BY count(*) DESC LIMIT 2""",
    )
    assert found[0][0] == planted.BURST_STREET
    assert found[0][1] >= planted.BURST_CASES > 10 * found[1][1]


def test_planted_districts(tmp_path):
    # Rates of one district in one month need more cases than the other tests do.
    path = tmp_path / "staging.duckdb"
    generate(path, cases=600_000)
    query = f"""
        SELECT d.code, created_on >= DATE '2021-02-19' AS during, {RATE} AS rate,
               avg(excluded::INT), avg(coalesce(valid_revisit, FALSE)::INT)
        FROM incoming JOIN districts d ON d.id = district_id
        WHERE assessed AND created_on BETWEEN DATE '2020-12-19' AND DATE '2021-03-18'
        GROUP BY ALL"""
    with duckdb.connect(str(path), read_only=True) as connection:
        found = {(code, during): values for code, during, *values in rows(connection, query)}
    rate, excluded, valid = found[planted.SHRINKING_DISTRICT, True]
    rate_before, excluded_before, valid_before = found[planted.SHRINKING_DISTRICT, False]
    assert rate > rate_before + 0.02
    assert (excluded, excluded_before) == pytest.approx((0.14, 0.04), abs=0.02)
    assert (valid, valid_before) == pytest.approx((0.40, 0.56), abs=0.03)
    fallen, before = found[planted.FALLING_DISTRICT, True], found[planted.FALLING_DISTRICT, False]
    assert fallen[0] - before[0] == pytest.approx(-0.05, abs=0.025)
    others = [values[0] for (_, during), values in found.items() if during]
    assert max(others) - min(others) < 0.16


def test_topics(demo):
    count, themes, examples, months = one(
        demo,
        """SELECT count(*), count(DISTINCT theme), count(*) FILTER (is_example),
                  count(DISTINCT month) FROM topics""",
    )
    assert (count, themes, examples, months) == (27, 12, 13, 12)
    marked = "SELECT count(*) FROM topics WHERE is_example <> (name LIKE '%（示例）')"
    assert one(demo, marked) == 0
    leads, helpers = one(
        demo,
        """SELECT count(DISTINCT unit_id) FILTER (leads > 0),
                  count(DISTINCT unit_id) FILTER (leads = 0)
           FROM (SELECT unit_id, count(*) FILTER (role = '主责') AS leads
                 FROM topic_units GROUP BY unit_id)""",
    )
    assert (leads, helpers) == (12, 54)
    one_lead = "SELECT topic_id FROM topic_units WHERE role = '主责' GROUP BY 1 HAVING count(*) = 1"
    assert len(rows(demo, one_lead)) == 27
    assert one(demo, "SELECT count(DISTINCT topic_id) FROM topic_categories") == 27
    assert one(demo, "SELECT count(DISTINCT topic_id) FROM targets") == 27
    lists = rows(demo, "SELECT list, count(*) FROM milestones GROUP BY list")
    assert sum(n for _, n in lists) == 603
    assert {name for name, _ in lists} == {"任务清单", "政策清单", "责任清单"}


def test_certificates(tmp_path):
    path = tmp_path / "staging.duckdb"
    generate(path, cases=3_000, cutoff=dt.date(2021, 12, 31))
    with duckdb.connect(str(path), read_only=True) as demo:
        target = one(demo, "SELECT id, value, stock FROM targets WHERE code = '2021-01-1'")
        assert target[1:] == (100_000, 570_000)
        city = f"FROM progress WHERE target_id = {target[0]} AND district_id IS NULL"
        published = rows(demo, f"SELECT on_date::TEXT, value {city} AND NOT invented ORDER BY 1")
        assert published == [
            ("2021-03-31", 24_000),
            ("2021-05-31", 50_000),
            ("2021-06-30", 69_800),
            ("2021-11-30", 168_000),
        ]
        # Districts are invented, whole, never fall, and sum to the city at each date.
        wrong_sum = """
            SELECT c.target_id, c.on_date FROM progress c JOIN targets t ON t.id = c.target_id
            JOIN (SELECT target_id, on_date, sum(value) AS value FROM progress
                  WHERE district_id IS NOT NULL GROUP BY ALL) d
              ON (d.target_id, d.on_date) = (c.target_id, c.on_date)
            WHERE c.district_id IS NULL AND t.cumulative AND c.value <> d.value"""
        assert rows(demo, wrong_sum) == []
        falls = """
            SELECT count(*) FROM (
                SELECT p.value - lag(p.value) OVER (
                    PARTITION BY target_id, district_id ORDER BY on_date) AS step
                FROM progress p JOIN targets t ON t.id = target_id WHERE cumulative)
            WHERE step < 0"""
        assert one(demo, falls) == 0
        assert (
            one(demo, "SELECT count(*) FROM progress WHERE district_id > 0 AND NOT invented") == 0
        )
        too_much = f"""
            SELECT count(*) FROM (
                SELECT district_id, max(value) AS done FROM progress
                WHERE target_id = {target[0]} AND district_id IS NOT NULL GROUP BY 1)
            JOIN (SELECT district_id, sum(units) AS stock FROM projects GROUP BY 1)
              USING (district_id) WHERE done > stock"""
        assert one(demo, too_much) == 0


def test_planted_zero_district(demo):
    first, last = (f"DATE '{day}'" for day in planted.ZERO_DAYS)
    moved = rows(
        demo,
        f"""SELECT d.code, max(value) - min(value)
            FROM progress JOIN districts d ON d.id = district_id
            WHERE target_id = 1 AND on_date BETWEEN {first} - INTERVAL 1 DAY AND {last}
            GROUP BY d.code""",
    )
    assert [code for code, step in moved if step == 0] == [planted.ZERO_DISTRICT]
    remaining = f"""
        SELECT sum(units - done) FROM projects JOIN districts d ON d.id = district_id
        WHERE d.code = '{planted.ZERO_DISTRICT}'"""
    assert one(demo, remaining) > 20_000


def test_planted_topic_is_ahead_while_complaints_rise(demo):
    done, target = one(
        demo,
        f"""SELECT max(p.value), any_value(t.value)
            FROM progress p JOIN targets t ON t.id = target_id JOIN topics ON topics.id = t.topic_id
            WHERE topics.code = '{planted.RISING_TOPIC}' AND district_id IS NULL""",
    )
    assert done / target > 101 / 365 + 0.03
    per_day = f"""
        SELECT count(*) FILTER (created_on BETWEEN '2020-11-01' AND '2021-01-31') / 92,
               count(*) FILTER (created_on >= '2021-03-22') / 22
        FROM incoming JOIN topics ON topics.id = topic_id WHERE code = '{planted.RISING_TOPIC}'"""
    before, now = one(demo, per_day)
    assert now > 1.4 * before


def test_projects(demo):
    assert one(demo, "SELECT count(*), sum(units), min(units) > 0 FROM projects") == (
        911,
        570_000,
        True,
    )
    assert one(demo, "SELECT count(*) - count(DISTINCT name) FROM projects") == 0
    assert one(demo, "SELECT count(*) FROM projects WHERE done NOT BETWEEN 0 AND units") == 0
    assert (
        one(demo, "SELECT count(*) FROM projects WHERE (stage = '已办结') <> (done = units)") == 0
    )
    # What the projects say is done is what the districts reported.
    done = rows(demo, "SELECT district_id, sum(done) FROM projects GROUP BY 1 ORDER BY 1")
    reported = rows(
        demo,
        """SELECT district_id, max(value) FROM progress
           WHERE target_id = 1 AND district_id IS NOT NULL GROUP BY 1 ORDER BY 1""",
    )
    assert done == reported
    other_district = """
        SELECT count(*) FROM projects p JOIN subdistricts s ON s.id = subdistrict_id
        WHERE s.district_id <> p.district_id"""
    assert one(demo, other_district) == 0
    causes = "SELECT count(DISTINCT project_id), count(DISTINCT cause) FROM project_causes"
    assert one(demo, causes) == (911, 4)


def test_the_log_of_the_projects_leads_to_where_they_stand(demo):
    last = """
        SELECT count(*) FROM projects JOIN (
            SELECT project_id, coalesce(max(done), 0) AS done, arg_max(stage, on_date) AS stage,
                max(on_date) FILTER (stage IS NOT NULL) AS since
            FROM project_log GROUP BY 1) log ON log.project_id = projects.id
        WHERE log.done = projects.done AND log.stage = projects.stage
          AND log.since = projects.stage_since"""
    assert one(demo, last) == 911
    stages = "SELECT * FROM project_log JOIN project_stages ON name = stage"
    back = f"""
        SELECT count(*) FROM ({stages}) a JOIN ({stages}) b USING (project_id)
        WHERE a.on_date < b.on_date AND a.position >= b.position"""
    assert one(demo, back) == 0
    parts = "SELECT sum(value), sum(stock) FROM district_targets WHERE target_id = 1"
    assert one(demo, parts) == (100_000, 570_000)
    # Each week's sum over the projects of a district is what the district reported.
    weekly = """
        SELECT count(*), count(*) FILTER (reported.value <> total) FROM (
            SELECT r.district_id, r.on_date, any_value(r.value) AS value FROM progress r
            WHERE target_id = 1 AND district_id IS NOT NULL GROUP BY 1, 2) reported
        JOIN LATERAL (
            SELECT coalesce(sum(own.done), 0) AS total FROM projects p JOIN LATERAL (
                SELECT max(l.done) AS done FROM project_log l
                WHERE l.project_id = p.id AND l.on_date <= reported.on_date) own ON true
            WHERE p.district_id = reported.district_id) sums ON true"""
    assert one(demo, weekly)[1] == 0
    assert one(demo, weekly)[0] > 200


def test_reference(demo):
    assert one(demo, "SELECT count(*) FROM districts") == 17
    assert one(demo, "SELECT count(*) FROM subdistricts") == 343
    levels = dict(rows(demo, "SELECT level, count(*) FROM categories GROUP BY level"))
    assert levels == {1: 16, 2: 65, 3: 131}
    untagged = "SELECT count(*) FROM categories WHERE (level = 3) <> (tag IS NOT NULL)"
    assert one(demo, untagged) == 0
    names = [column.name for column in schema.rules.columns]
    as_rows = [
        dict(zip(names, row, strict=True))
        for row in rows(demo, f"SELECT {', '.join(names)} FROM rules")
    ]
    assert rules_from_rows(as_rows) == (Rules(effective_on=dt.date(2019, 1, 1)),)


def test_more_than_six_million_cases_go_further_back(monkeypatch, tmp_path: Path):
    # The same rule with a thousandth of the cases.
    from data_access.demo import rhythm

    monkeypatch.setattr(rhythm, "CASES_2020", 3_040)
    monkeypatch.setattr(rhythm, "DENSEST", 6_000)
    generate(tmp_path / "staging.duckdb", cases=30_000)
    with duckdb.connect(str(tmp_path / "staging.duckdb"), read_only=True) as demo:
        assert one(demo, "SELECT count(*) FROM incoming") == 30_000
        years = dict(rows(demo, "SELECT year(created_on), count(*) FROM incoming GROUP BY 1"))
    assert sorted(years) == list(range(2012, 2022))
    assert all(2_500 < years[year] < 4_000 for year in range(2012, 2020))
