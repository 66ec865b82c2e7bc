"""Turns rows of text into typed cases inside a staging DuckDB file, a block at a time.

Their headers never reach an SQL statement: columns are named by our fields, and words of a
mapping or of the data are rows of a table or quoted literals.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from data_access import schema
from domain.outcomes import NOT_RATED, RESOLVED_NO

from .account import FINDING_BIT, FINDING_KINDS, FileAccount
from .errors import LoadError
from .fields import (
    CHOICES,
    FIELD_BY_NAME,
    FIELDS,
    STATUS_CLOSED,
    STATUS_LATE,
    STATUS_ON_TIME,
    YES,
)
from .mapping import Mapping
from .placing import (
    MOST_LABELS,
    MOST_NAMES,
    Categories,
    Learner,
    Names,
    Placed,
    Places,
    topics_by_category,
)
from .privacy import mask, masked_sql
from .rejects import RejectFile, row_content, torn_content
from .small_tables import column_type
from .sources import DAMAGED, OPEN_QUOTE, Source
from .times import day_only_sql, literal, time_sql

# Rows and bytes of text that are converted at once while the next ones are read.
_BLOCK_ROWS = 100_000
_BLOCK_BYTES = 64 << 20

_BLANKS = " \t\r\n\u3000\u00a0\u200b\ufeff"
_EARLIEST, _LATEST = "TIMESTAMP '1990-01-01'", "TIMESTAMP '2100-01-01'"
_EXAMPLES = 3
_NO_ID, _DAMAGED_ID, _NO_TIME = 1, 2, 3
_REASONS = {
    _NO_ID: "没有工单编号",
    _DAMAGED_ID: "工单编号含无法解码的字符",
    _NO_TIME: "受理时间空缺或读不出",
}
_TORN = "列数不符（断行或多余的分隔符）"
_TIMES = tuple(field.name for field in FIELDS if field.kind in ("time", "date"))
# Fields whose words mean a row of a reference table, by the name of that meaning.
_WORDS: dict[str, tuple[str, ...]] = {
    "place": ("district", "subdistrict"),
    "category": ("category", "category1", "category2", "category3"),
    "unit": ("unit",),
    "topic": ("topic",),
    "channel": ("channel",),
    "kind": ("kind",),
}


@dataclass(frozen=True)
class CaseFile:
    """One source of cases with its mapping and its account."""

    source: Source
    mapping: Mapping
    account: FileAccount


def stage_cases(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[CaseFile],
    rejects: RejectFile,
    learner: Learner,
    *,
    now: dt.datetime,
    cutoff: dt.datetime | None,
    advance: Callable[[int], None],
) -> None:
    """Read every file and leave table ``incoming`` behind; the accounts are filled in.

    Raises:
        LoadError: a file cannot be read, or a column cannot be what the mapping says.
    """
    columns = ", ".join(f"{column.name} {column_type(column)}" for column in schema.SOURCE_COLUMNS)
    # ``place`` is where a row was read: file and line.
    connection.execute(f"CREATE TABLE incoming ({columns}, place BIGINT)")
    words = _Words(connection, learner)
    for number, file in enumerate(files):
        _Conversion(connection, number, file, words, rejects, now, cutoff).run(advance)
    _merge_duplicates(connection, files)
    (kept,) = connection.execute("SELECT count(*) FROM incoming").fetchall()[0]
    if kept != sum(file.account.kept for file in files):
        raise LoadError(f"核对不符：账上应保留的行数与实有 {kept:,} 行不等，没有发布")


def _merge_duplicates(connection: duckdb.DuckDBPyConnection, files: Sequence[CaseFile]) -> None:
    """Leave of the rows with one id the last one, and count the others as merged."""
    connection.execute("""
        CREATE TABLE last AS
        SELECT case_id, max(place) AS place FROM incoming GROUP BY case_id HAVING count(*) > 1
    """)
    superseded = "incoming.case_id = last.case_id AND incoming.place <> last.place"
    merged = connection.execute(
        f"SELECT incoming.place >> 32, count(*) FROM incoming JOIN last ON {superseded} GROUP BY 1"
    ).fetchall()
    for number, rows in merged:
        files[number].account.merged = rows
    connection.execute(f"DELETE FROM incoming USING last WHERE {superseded}")
    connection.execute("ALTER TABLE incoming DROP COLUMN place")


class _Words:
    """What the words of a load mean: looked up once each, in tables that rows are joined with."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, learner: Learner) -> None:
        self._connection = connection
        self._tables = learner.tables
        self._places, self._categories = Places(learner), Categories(learner)
        self._units = Names(learner, "units", learn=learner.learn)
        self._topics = Names(learner, "topics", learn=False)
        self._channels = Names(learner, "channels", learn=True)
        self._kinds = Names(learner, "kinds", learn=True)
        self._count = dict.fromkeys(_WORDS, 0)
        self._derived_from = (-1, -1)
        for name, fields in _WORDS.items():
            words = ", ".join(f"w{n} VARCHAR" for n in range(len(fields)))
            connection.execute(
                f"CREATE TEMP TABLE {name}_words ({words},"
                " first_id INTEGER, second_id INTEGER, text VARCHAR, findings BIGINT)"
            )
        connection.execute("CREATE TEMP TABLE consultation (id INTEGER)")
        connection.execute(
            "CREATE TEMP TABLE category_topic"
            " (category_id INTEGER, topic_id INTEGER, first INTEGER, last INTEGER)"
        )

    def learn_from(self, text: Callable[[str], str], mapping: Mapping) -> None:
        """Look up the words in ``raw`` that are new; ``text`` gives the SQL for a field's text."""
        for name, fields in _WORDS.items():
            if any(mapping.has(field) for field in fields):
                self._learn(name, [f"coalesce({text(field)}, '')" for field in fields], mapping)
        self._derive()

    def _learn(self, name: str, texts: Sequence[str], mapping: Mapping) -> None:
        keys = ", ".join(f"w{n}" for n in range(len(texts)))
        selected = ", ".join(f"{text} AS w{n}" for n, text in enumerate(texts))
        most = MOST_LABELS if name in ("channel", "kind") else MOST_NAMES
        new = self._connection.execute(
            f"SELECT {keys} FROM (SELECT {selected}, min(line) AS line FROM raw GROUP BY {keys})"
            f" ANTI JOIN {name}_words USING ({keys}) ORDER BY line LIMIT {most + 1}"
        ).fetchall()
        self._count[name] += len(new)
        if self._count[name] > most:
            labels = "、".join(FIELD_BY_NAME[f].label for f in _WORDS[name] if mapping.has(f))
            raise LoadError(f"{labels}有 {most:,} 种以上不同的值，不像名称；请检查映射对应的列")
        rows = []
        for words in new:
            place = self._place(name, words)
            findings = sum(FINDING_BIT[key] for key in place.findings)
            if any(DAMAGED in word for word in words):
                findings |= FINDING_BIT["damaged_text"]
            if any(mask(word) != word for word in words):
                findings |= FINDING_BIT["masked_numbers"]
            rows.append((*words, place.first_id, place.second_id, place.text, findings))
        _insert(self._connection, f"{name}_words", rows)

    def _place(self, name: str, words: tuple[str, ...]) -> Placed:
        if name == "place":
            return self._places.place(words[0], words[1])
        if name == "category":
            return self._categories.place(words[0], words[1:])
        if name == "unit":
            return self._units.place(words[0], "unknown_unit")
        if name == "topic":
            return self._topics.place(words[0], "unknown_topic")
        return (self._channels if name == "channel" else self._kinds).place(words[0])

    def _derive(self) -> None:
        """Bring up to date what follows from categories and kinds, when some were learned."""
        sizes = (len(self._tables.rows("categories")), len(self._tables.rows("kinds")))
        if sizes == self._derived_from:
            return
        self._derived_from = sizes
        self._connection.execute("DELETE FROM consultation")
        consultation = [
            (row["id"],) for row in self._tables.rows("kinds") if row["name"].startswith("咨询")
        ]
        _insert(self._connection, "consultation", consultation)
        self._connection.execute("DELETE FROM category_topic")
        _insert(self._connection, "category_topic", topics_by_category(self._tables))


class _Conversion:
    """One file on its way into ``incoming``: read in this thread, converted in another."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        number: int,
        file: CaseFile,
        words: _Words,
        rejects: RejectFile,
        now: dt.datetime,
        cutoff: dt.datetime | None,
    ) -> None:
        self._connection = connection
        self._source, self._mapping, self._account = file.source, file.mapping, file.account
        self._words = words
        self._rejects = rejects
        self._now = now
        self._cutoff = cutoff
        # Names of the columns of ``raw``, with those of the file that they come from.
        self._columns = {
            f"{name}_{part}": column
            for name, columns in self._mapping.columns.items()
            for part, column in enumerate(columns)
        }
        self._nulls = pa.array(_spellings(self._mapping.nulls), pa.string())
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE choice (field VARCHAR, word VARCHAR, code INTEGER)"
        )
        _insert(
            connection,
            "choice",
            [
                (f, word, code)
                for f, codes in self._mapping.words.items()
                for word, code in codes.items()
            ],
        )
        self._statement = self._conversion_sql(number)

    def run(self, advance: Callable[[int], None]) -> None:
        """Read the whole file."""
        source, account = self._source, self._account
        places = [source.header.index(column) for column in self._columns.values()]
        created = source.header.index(self._mapping.columns["created_at"][0])
        torn_rows: dict[str, int] = {}

        def torn(line: int, fields: Sequence[str], reason: str) -> None:
            kind = OPEN_QUOTE if reason == OPEN_QUOTE else _TORN
            torn_rows[kind] = torn_rows.get(kind, 0) + 1
            withheld = bool(account.personal or account.unmapped)
            content = torn_content(fields, personal=withheld)
            self._rejects.add(source.name, line, reason, content)

        def is_row(fields: Sequence[str]) -> bool:
            return fields[created].strip()[:2] in ("19", "20")

        with ThreadPoolExecutor(max_workers=1) as executor:
            converting: Future[None] | None = None
            for block in _blocks(source.batches(places, torn, is_row, advance)):
                if converting is not None:
                    converting.result()
                converting = executor.submit(self._convert, block)
            if converting is not None:
                converting.result()
        account.read += sum(torn_rows.values())
        account.rejected += sum(torn_rows.values())
        account.reasons = {**torn_rows, **account.reasons}
        account.blank = source.blank_rows
        if not account.read:
            raise LoadError(f"{source.name}：只有表头，没有数据行")

    def _convert(self, block: list[pa.RecordBatch]) -> None:
        rows = pa.Table.from_batches(block)
        texts = [_cleaned(rows.column(n), self._nulls) for n in range(len(self._columns))]
        arriving = pa.table([*texts, rows.column("line")], names=[*self._columns, "line"])
        # Each scan of what is registered waits for the thread that reads; a table does not.
        self._connection.register("arriving", arriving)
        self._connection.execute("CREATE OR REPLACE TEMP TABLE raw AS SELECT * FROM arriving")
        self._connection.unregister("arriving")
        self._words.learn_from(self._text, self._mapping)
        self._connection.execute(self._statement)
        self._connection.execute(
            "INSERT INTO incoming SELECT * EXCLUDE (line, findings, reject) FROM converted"
            " WHERE reject = 0"
        )
        self._account.read += arriving.num_rows
        self._account_rejects()
        self._account_findings()

    def _text(self, name: str) -> str:
        """Return the SQL for the text of a field in ``raw``; NULL where there is none."""
        if name in self._mapping.constants:
            return literal(self._mapping.constants[name])
        parts = [f"{name}_{part}" for part in range(len(self._mapping.columns.get(name, ())))]
        if not parts:
            return "CAST(NULL AS VARCHAR)"
        if len(parts) == 1:
            return parts[0]
        if FIELD_BY_NAME[name].kind == "time":
            # The date of a workbook may carry a midnight that the time column replaces.
            day = rf"regexp_replace({parts[0]}, ' 00:00(:00)?$', '')"
            rest = f"concat_ws(' ', {', '.join(parts[1:])})"
            return f"CASE WHEN {parts[1]} IS NULL THEN {parts[0]} ELSE {day} || ' ' || {rest} END"
        return f"nullif(concat_ws(' ', {', '.join(parts)}), '')"

    def _conversion_sql(self, number: int) -> str:
        """Return the statement that makes ``converted`` of ``raw``.

        It has the columns of ``incoming`` and ``line``, ``findings`` (bits) and ``reject``.
        """
        names = [field.name for field in FIELDS if self._mapping.has(field.name)]
        texts = ", ".join(f"{self._text(field.name)} AS {field.name}" for field in FIELDS)

        joins = []
        for table, keys in _WORDS.items():
            condition = " AND ".join(
                f"{table}_words.w{n} = coalesce(t.{key}, '')" for n, key in enumerate(keys)
            )
            joins.append(f"LEFT JOIN {table}_words ON {condition}")
        choices = [name for name in CHOICES if name in names]
        for name in choices:
            joins.append(
                f"LEFT JOIN choice AS {name}_choice ON {name}_choice.field = '{name}'"
                f" AND {name}_choice.word = lower(t.{name})"
            )
        codes = ", ".join(
            f"{name}_choice.code AS {name}_code" if name in choices else f"NULL AS {name}_code"
            for name in CHOICES
        )
        moments = ", ".join(
            f"{time_sql(name, self._mapping.formats.get(name, ()))} AS {name}_read"
            if name in names
            else f"NULL AS {name}_read"
            for name in _TIMES
        )
        in_range = ", ".join(
            f"CASE WHEN {name}_read >= {_EARLIEST} AND {name}_read < {_LATEST}"
            f" THEN {name}_read END::TIMESTAMP AS {name}_at"
            for name in _TIMES
        )
        unread = [
            (f"unreadable_{name}", f"{name} IS NOT NULL AND {name}_at IS NULL")
            for name in _TIMES
            if name != "created_at"
        ]
        unread += [
            (f"unreadable_{name}", f"{name} IS NOT NULL AND {name}_word IS NULL")
            for name in choices
        ]
        words_known = "".join(f", {name}_choice.word AS {name}_word" for name in choices)
        masked = {name: masked_sql(_one_line(name)) for name in ("summary", "community")}

        now = literal(self._now.isoformat(" ", "seconds"))
        cutoff = literal((self._cutoff or self._now).isoformat(" ", "seconds"))
        findings = [
            *unread,
            ("closed_before_created", "closed_before"),
            ("closed_in_future", "closed_later"),
            ("created_after_cutoff", f"created_at_at > TIMESTAMP {cutoff}"),
            ("incomplete_revisit", "incomplete"),
            (
                "damaged_text",
                f"contains(summary, '{DAMAGED}') OR contains(community, '{DAMAGED}')"
                f" OR contains(repeat_of, '{DAMAGED}')",
            ),
            ("masked_numbers", "summary_plain <> summary_masked"),
            ("masked_numbers", "community_plain <> community_masked"),
        ]
        bits = " | ".join(f"coalesce({name}_words.findings, 0)" for name in _WORDS)
        own_bits = " | ".join(
            f"CASE WHEN {condition} THEN {FINDING_BIT[key]}::BIGINT ELSE 0 END"
            for key, condition in findings
        )
        revisit = self._revisit_sql()
        columns = {
            "case_id": "case_id",
            "created_at": "created_at_at",
            "created_on": "CAST(created_at_at AS DATE)",
            "dispatched_at": "dispatched_at_at",
            "responded_at": "responded_at_at",
            "due_at": "due",
            "closed_at": "closed_moment",
            "closed": "is_closed",
            "on_time": "CASE WHEN is_closed THEN coalesce("
            f"on_time_code = {YES},"
            f" CASE status_code WHEN {STATUS_ON_TIME} THEN true WHEN {STATUS_LATE} THEN false END,"
            " closed_moment <= due) END",
            "district_id": "district_id",
            "subdistrict_id": "subdistrict_id",
            "place_text": "place_text",
            "community": "community_masked",
            "category_id": "category_id",
            "category_text": "category_text",
            "topic_id": "topic_id",
            "kind_id": "kind_id",
            "channel_id": "channel_id",
            "lead_unit_id": "unit_id",
            "unit_text": "unit_text",
            "direct_dispatch": f"direct_dispatch_code = {YES}",
            "valid_revisit": "valid",
            "contacted": f"contacted_code = {YES}",
            "resolved": f"CASE WHEN valid AND contacted_code <> {YES}"
            f" THEN coalesce(resolved_code, {RESOLVED_NO}) ELSE resolved_code END",
            "satisfaction": f"CASE WHEN valid THEN coalesce(satisfaction_code, {NOT_RATED})"
            " ELSE satisfaction_code END",
            "excluded": f"coalesce(excluded_code = {YES}, false)",
            "shelved_until": "shelved_until_at",
            "repeat_of": "repeat_of",
            "summary": "summary_masked",
            "assessed": "NOT (kind_id IS NOT NULL AND kind_id IN (SELECT id FROM consultation)"
            " AND unit IS NULL AND dispatched_at_at IS NULL)",
        }
        selected = ", ".join(
            f"CAST({columns[column.name]} AS {column_type(column)}) AS {column.name}"
            for column in schema.SOURCE_COLUMNS
        )
        return f"""
            CREATE OR REPLACE TEMP TABLE converted AS
            WITH texts AS (SELECT line, {texts} FROM raw),
            times AS (SELECT *, {moments} FROM texts),
            placed AS (
                SELECT t.*, {in_range}, {codes}{words_known},
                    place_words.first_id AS district_id,
                    place_words.second_id AS subdistrict_id,
                    place_words.text AS place_text,
                    category_words.first_id AS category_id,
                    category_words.text AS category_text,
                    unit_words.first_id AS unit_id,
                    unit_words.text AS unit_text,
                    topic_words.first_id AS named_topic_id,
                    channel_words.first_id AS channel_id,
                    kind_words.first_id AS kind_id,
                    {_one_line("summary")} AS summary_plain,
                    {masked["summary"]} AS summary_masked,
                    {_one_line("community")} AS community_plain,
                    {masked["community"]} AS community_masked,
                    {bits} AS word_findings
                FROM times AS t {" ".join(joins)}
            ),
            topical AS (
                SELECT placed.*, coalesce(named_topic_id, category_topic.topic_id) AS topic_id
                FROM placed LEFT JOIN category_topic
                    ON category_topic.category_id = placed.category_id
                    AND year(created_at_at) BETWEEN category_topic.first AND category_topic.last
            ),
            closing AS (
                SELECT *,
                    -- A limit that is a day ends with that day.
                    CASE WHEN due_at_at = date_trunc('day', due_at_at) AND {day_only_sql("due_at")}
                        THEN due_at_at + INTERVAL 1 DAY - INTERVAL 1 SECOND
                        ELSE due_at_at END AS due,
                    -- So a closing that is a day may be the day of creation.
                    CASE WHEN closed_at_at = date_trunc('day', closed_at_at)
                            AND {day_only_sql("closed_at")}
                            AND CAST(closed_at_at AS DATE) = CAST(created_at_at AS DATE)
                        THEN greatest(closed_at_at, created_at_at)
                        ELSE closed_at_at END AS closed_stated
                FROM topical
            ),
            judged AS (
                SELECT *,
                    coalesce(closed_stated < created_at_at, false) AS closed_before,
                    coalesce(closed_stated > TIMESTAMP {now}, false) AS closed_later
                FROM closing
            ),
            answered AS (
                SELECT *,
                    CASE WHEN closed_before OR closed_later THEN NULL ELSE closed_stated END
                        AS closed_moment,
                    coalesce(status_code >= {STATUS_CLOSED}, false)
                        OR (closed_stated IS NOT NULL AND NOT closed_later)
                        OR coalesce(on_time_code = {YES}, false) AS is_closed,
                    contacted_code IS NOT NULL
                        AND (resolved_code IS NOT NULL OR contacted_code <> {YES}) AS complete
                FROM judged
            ),
            revisited AS (SELECT *, {revisit} FROM answered)
            SELECT {selected}, {number}::BIGINT << 32 | line AS place,
                line, word_findings | {own_bits} AS findings,
                CASE WHEN case_id IS NULL THEN {_NO_ID}
                    WHEN contains(case_id, '{DAMAGED}') THEN {_DAMAGED_ID}
                    WHEN created_at_at IS NULL THEN {_NO_TIME} ELSE 0 END AS reject
            FROM revisited
        """

    def _revisit_sql(self) -> str:
        """Return the SQL for ``valid`` (three-valued) and ``incomplete``."""
        mapping = self._mapping
        if mapping.has("valid_revisit"):
            valid = f"valid_revisit_code = {YES} AND complete"
            valid = f"CASE WHEN valid_revisit_code IS NOT NULL THEN {valid} END"
        elif mapping.has("contacted") and mapping.has("resolved"):
            valid = "CASE WHEN complete THEN true END"
        else:
            valid = "NULL::BOOLEAN"
        return (
            f"{valid} AS valid,"
            f" coalesce(valid_revisit_code = {YES} AND NOT complete, false) AS incomplete"
        )

    def _account_rejects(self) -> None:
        names = list(self._columns)
        texts = "".join(f", raw.{name}" for name in names)
        rows = self._connection.execute(
            f"SELECT line, reject{texts} FROM converted JOIN raw USING (line)"
            " WHERE reject <> 0 ORDER BY line"
        ).fetchall()
        account = self._account
        for line, reject, *values in rows:
            reason = _REASONS[reject]
            account.rejected += 1
            account.reasons[reason] = account.reasons.get(reason, 0) + 1
            content = dict(zip(self._columns.values(), values, strict=True))
            self._rejects.add(self._source.name, line, reason, row_content(content))

    def _account_findings(self) -> None:
        """Count the findings of the rows that are cases and note the first examples."""
        counts = ", ".join(
            f"count(*) FILTER (findings & {bit} <> 0)" for bit in FINDING_BIT.values()
        )
        found = self._connection.execute(
            f"SELECT {counts} FROM converted WHERE reject = 0 AND findings <> 0"
        ).fetchall()
        account = self._account
        for kind, count in zip(FINDING_KINDS, found[0], strict=True):
            if not count:
                continue
            account.findings[kind.key] = account.findings.get(kind.key, 0) + count
            examples = account.examples.setdefault(kind.key, [])
            if len(examples) >= _EXAMPLES:
                continue
            texts = ", ".join(self._text(name) for name in kind.fields)
            chosen = f"concat_ws(' / ', {texts})" if texts else "''"
            rows = self._connection.execute(
                f"SELECT line, {chosen} FROM raw WHERE line IN (SELECT line FROM converted"
                f" WHERE reject = 0 AND findings & {FINDING_BIT[kind.key]} <> 0"
                f" ORDER BY line LIMIT {_EXAMPLES - len(examples)}) ORDER BY line"
            ).fetchall()
            examples += [
                f"第 {line} 行" + (f"：{mask(text)[:60]}" if text else "") for line, text in rows
            ]


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Yield batches in groups of about ``_BLOCK_ROWS`` rows or ``_BLOCK_BYTES`` of text."""
    block: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        block.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _BLOCK_ROWS or size >= _BLOCK_BYTES:
            yield block
            block, rows, size = [], 0, 0
    if block:
        yield block


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    if rows:
        arrays = [pa.array(values) for values in zip(*rows, strict=True)]
        arriving = pa.table(arrays, names=[f"c{n}" for n in range(len(arrays))])
        connection.register("arriving", arriving)
        connection.execute(f"INSERT INTO {table} SELECT * FROM arriving")
        connection.unregister("arriving")


def _one_line(name: str) -> str:
    return (
        f"CASE WHEN regexp_matches({name}, '[\\t\\r\\n]|  ')"
        f" THEN regexp_replace({name}, '\\s+', ' ', 'g') ELSE {name} END"
    )


def _spellings(nulls: Sequence[str]) -> list[str]:
    """Return the null spellings in the letter cases that occur."""
    return sorted({v for null in nulls for v in (null, null.upper(), null.title())})


def _cleaned(texts: pa.ChunkedArray, nulls: pa.Array) -> pa.ChunkedArray:
    """Return texts without blanks around them, null where they say that there is nothing."""
    trimmed = pc.utf8_trim(texts, _BLANKS)
    empty = pc.is_in(trimmed, value_set=nulls)
    if not pc.any(empty).as_py():
        return trimmed
    return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)
