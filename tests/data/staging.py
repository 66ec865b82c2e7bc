"""Makes staging files with invented cases in SQL, for tests and measurements of publishing."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import duckdb
import pandas as pd
from sqlalchemy.dialects import postgresql

from data_access import schema
from data_access.publishing import Staged
from data_access.settings import Settings
from data_access.versions import staging_dir

REFERENCE = {
    "districts": [
        (n, f"1101{n:02d}", f"第{n}区", f"{n}区", 500_000 + n, "中心城区", None, n // 4, n % 4)
        for n in range(1, 18)
    ],
    "subdistricts": [(n, f"1101{n:05d}", f"第{n}街道", 1 + n % 17, "街道") for n in range(1, 344)],
    "categories": [(n, f"c{n:03d}", f"分类{n}", 1, n, None, None, None) for n in range(1, 21)]
    + [(n, f"c{n:03d}", f"分类{n}", 2, 1 + n % 20, n, None, None) for n in range(21, 221)],
    "units": [(n, f"u{n:03d}", f"单位{n}", "委办局") for n in range(1, 101)],
    "channels": [(1, "phone", "电话"), (2, "web", "网络")],
    "kinds": [(n, f"k{n}", name) for n, name in enumerate(("投诉", "求助", "举报", "建议"), 1)],
    "topics": [
        (n, f"2021-{n:02d}", 2021, 1 + n % 12, "主题", f"问题{n}", dt.date(2021, 1, 1), None, False)
        for n in range(1, 28)
    ],
    "topic_categories": [(n, 20 + n) for n in range(1, 28)],
}

# {first} and {days}: when the cases were created; {shift}: a number added to the case numbers.
_CASES = """
CREATE TABLE incoming AS
WITH numbers AS (
    SELECT i, hash(i) AS h, hash(i + 1000000007) AS g, hash(i + 5000000029) AS k
    FROM range({shift}, {shift} + {cases}) t(i)
), times AS (
    SELECT *, TIMESTAMP '{first}' + to_seconds((h % ({days} * 86400))::BIGINT) AS created_at,
        g % 100 < 90 AS closed
    FROM numbers
)
SELECT
    printf('%012d', i * 7919 % 1000000000039) AS case_id,
    created_at,
    created_at::DATE AS created_on,
    created_at + to_minutes((g % 60)::BIGINT) AS dispatched_at,
    created_at + to_hours((g % 24)::BIGINT) AS responded_at,
    CASE WHEN g % 13 <> 0 THEN created_at + to_days([1, 7, 15][1 + (h % 3)::INT]) END AS due_at,
    CASE WHEN closed AND g % 17 <> 0 THEN created_at + to_minutes((k % 20000)::BIGINT) END
        AS closed_at,
    closed,
    CASE WHEN closed AND g % 19 <> 0 THEN k % 10 > 0 END AS on_time,
    CASE WHEN h % 50 > 0 THEN 1 + (sqrt(h % 343 * 343)::INT % 343 + 1) % 17 END::SMALLINT
        AS district_id,
    CASE WHEN h % 50 > 0 THEN 1 + sqrt(h % 343 * 343)::INT % 343 END::SMALLINT AS subdistrict_id,
    CASE WHEN h % 50 = 0 THEN '某地' END AS place_text,
    '社区' || (k % 3000) AS community,
    CASE WHEN k % 40 > 0 THEN 21 + (k % 14 * (g % 14))::INT END AS category_id,
    CASE WHEN k % 40 = 0 THEN '其他' END AS category_text,
    CASE WHEN k % 40 > 0 AND k % 14 * (g % 14) < 27 THEN 1 + (k % 14 * (g % 14)) END::SMALLINT
        AS topic_id,
    (1 + k % 4)::SMALLINT AS kind_id,
    (1 + (k % 10 = 0)::INT)::SMALLINT AS channel_id,
    (1 + g % 100)::INTEGER AS lead_unit_id,
    CAST(NULL AS VARCHAR) AS unit_text,
    k % 3 = 0 AS direct_dispatch,
    CASE WHEN h % 20 < 11 THEN true WHEN h % 20 < 14 THEN false END AS valid_revisit,
    CASE WHEN h % 20 < 11 THEN h % 23 > 0 END AS contacted,
    CASE WHEN h % 20 < 11 THEN CASE WHEN h % 23 = 0 THEN 0 WHEN g % 10 < 8 THEN 1 ELSE g % 3 END
        END::SMALLINT AS resolved,
    CASE WHEN h % 20 < 11 THEN [1, 1, 1, 2, 0, 3][1 + (k % 6)::INT] END::SMALLINT AS satisfaction,
    h % 31 = 0 AS excluded,
    CASE WHEN NOT closed AND g % 3 = 0 THEN created_at::DATE + 90 END AS shelved_until,
    CASE WHEN g % 29 = 0 THEN printf('%012d', i * 7919 % 1000000000039 - 1) END AS repeat_of,
    format(
        '市民反映{{}},编号{{}},位置{{}}号楼,希望尽快处理并答复',
        ['小区供暖不热', '房产证办理迟缓', '道路停车混乱', '物业收费不明'][1 + (g % 4)::INT],
        h % 100000,
        k % 5000
    ) AS summary,
    k % 37 > 0 AS assessed
FROM times
"""


def stage(
    settings: Settings,
    *,
    name: str = "one",
    line: Literal["demo", "real"] = "real",
    cases: int = 1000,
    shift: int = 0,
    first: dt.date = dt.date(2020, 1, 1),
    days: int = 460,
    change: str = "",
    tables: frozenset[str] = frozenset(REFERENCE),
    cutoff: dt.datetime | None = None,
    city: str | None = None,
    new_line: bool = False,
) -> Staged:
    """Return a staging file below ``data_dir`` with invented cases and reference tables.

    The cases are those with the numbers ``shift`` to ``shift + cases``; ``cases=0`` leaves
    ``incoming`` out. ``change`` is SQL run on the finished file.
    """
    path = staging_dir(settings) / f"{name}.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path), config={"threads": 2}) as staging:
        if cases:
            staging.execute(_CASES.format(shift=shift, cases=cases, first=first, days=days))
        for table in sorted(tables | {"loads"}):
            columns = schema.metadata.tables[table].columns
            types = (f"{c.name} {c.type.compile(dialect=postgresql.dialect())}" for c in columns)
            staging.execute(f"CREATE TABLE {table} ({', '.join(types)})")
            rows = REFERENCE.get(table, [])
            if rows:
                frame = pd.DataFrame(rows, columns=[column.name for column in columns])
                staging.register("frame", frame)
                staging.execute(f"INSERT INTO {table} SELECT * FROM frame")
                staging.unregister("frame")
        staging.execute(
            "INSERT INTO loads VALUES (0, 'cases', ?, 'sha', now()::TIMESTAMP, ?, 0, 0, 0, '{}')",
            [f"{name}.csv", cases],
        )
        if change:
            staging.execute(change)
    return Staged(
        path=path,
        line=line,
        new_line=new_line,
        cutoff=cutoff,
        city=city,
        tables=tables,
        has_cases=cases > 0,
    )
