"""How fast the real command loads a CSV file: validated, aggregated, published."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pyarrow.csv

from benchmarks.processes import flask, run
from benchmarks.report import Figure
from data_access.store import Snapshot

_LONGEST_SECONDS = 1800

# The columns of a hotline's export under headers that the loader knows, names instead of ids.
_EXPORT = """
    SELECT c.case_id || '{suffix}' AS "工单编号",
        strftime(c.created_at, '%Y-%m-%d %H:%M:%S') AS "受理时间",
        strftime(c.dispatched_at, '%Y-%m-%d %H:%M:%S') AS "派单时间",
        strftime(c.responded_at, '%Y-%m-%d %H:%M:%S') AS "响应时间",
        strftime(c.due_at, '%Y-%m-%d %H:%M:%S') AS "办理时限",
        strftime(c.closed_at, '%Y-%m-%d %H:%M:%S') AS "办结时间",
        d.name AS "区", s.name AS "街道乡镇", c.community AS "社区",
        l1.name AS "一级分类", l2.name AS "二级分类", l3.name AS "三级分类",
        k.name AS "诉求性质", h.name AS "诉求渠道", u.name AS "承办单位",
        CASE WHEN c.valid_revisit THEN '是' WHEN NOT c.valid_revisit THEN '否' END
            AS "是否有效回访",
        CASE WHEN c.contacted THEN '是' WHEN NOT c.contacted THEN '否' END AS "是否联系",
        CASE c.resolved WHEN 1 THEN '解决' WHEN 2 THEN '部分解决' WHEN 0 THEN '未解决' END
            AS "是否解决",
        CASE c.satisfaction WHEN 1 THEN '满意' WHEN 2 THEN '基本满意' WHEN 0 THEN '不满意'
            WHEN 3 THEN '未评价' END AS "满意度",
        CASE WHEN c.excluded THEN '是' ELSE '否' END AS "是否剔除",
        c.summary AS "诉求内容"
    FROM (SELECT * FROM cases ORDER BY created_at DESC LIMIT {rows}) c
    LEFT JOIN districts d ON d.id = c.district_id
    LEFT JOIN subdistricts s ON s.id = c.subdistrict_id
    LEFT JOIN categories g ON g.id = c.category_id
    LEFT JOIN categories l1 ON l1.id = g.level1_id
    LEFT JOIN categories l2 ON l2.id = g.level2_id
    LEFT JOIN categories l3 ON l3.id = g.level3_id
    LEFT JOIN kinds k ON k.id = c.kind_id
    LEFT JOIN channels h ON h.id = c.channel_id
    LEFT JOIN units u ON u.id = c.lead_unit_id
"""


def write_csv(snapshot: Snapshot, path: Path, rows: int, suffix: str = "") -> int:
    """Return how many of the newest cases were written; with a suffix they are new cases."""
    written = 0
    connection = snapshot.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(_EXPORT.format(rows=int(rows), suffix=suffix))
        batches = cursor.fetch_record_batch(100_000)
        with pyarrow.csv.CSVWriter(path, batches.schema) as file:
            for batch in batches:
                file.write_batch(batch)
                written += batch.num_rows
    finally:
        connection.close()
    return written


def measure(snapshot: Snapshot, root: Path, rows: int) -> list[Figure]:
    """Return rows a second and memory of one load into an empty data directory."""
    directory = Path(tempfile.mkdtemp(prefix="load-", dir=root))
    try:
        file = directory / "cases.csv"
        written = write_csv(snapshot, file, rows)
        megabytes = file.stat().st_size / 1e6
        loaded = run(flask("data", "load", str(file), "--accept"), directory, _LONGEST_SECONDS)
    finally:
        shutil.rmtree(directory)
    note = f"{written:,} rows, {megabytes:,.0f} MB, {loaded.seconds:.0f} s with the command's start"
    return [
        Figure("load of a CSV file", written / loaded.seconds, "rows/s", "load", note),
        Figure("memory of the loader, at most", loaded.peak_rss / 1e6, "MB"),
    ]
