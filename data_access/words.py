"""Words in summaries: which cases have them, without reading every summary.

``word_index`` has, for every four neighbouring letters (a 4-gram), the positions of the assessed
cases whose summary has them; behind the last letter of a summary stand zeros. A word of up to four
letters, as most Chinese ones, is answered from it exactly. A longer one has its candidates, the
cases with all its 4-grams: only their summaries are read. What comes out is always what reading all
summaries would give.

Large and small Latin letters are the same letter; every other sign, ``%`` and ``_`` among them, is
itself. A row holds the 4-grams of one first letter in a stretch of 65,536 consecutive cases:

    4 bytes     length of the rest once decompressed (Zstandard); integers are little-endian
    uint32      how many 4-grams
    uint32 …    the second letters, rising
    uint32 …    the third letters, rising for each second one
    uint32 …    the fourth letters, rising for each third one
    uint32 …    how many cases each 4-gram has
    uint8 …     for each 4-gram the steps from case to case, the first from the start of the
    uint8 …     stretch: all high bytes, then all low bytes
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from data_access import schema
from data_access.store import Snapshot

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STRETCH = 65_536
# Parts summaries while they are indexed. No word to search for has it: they end at such signs.
_PART = "\x1f"
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_FOLD = str.maketrans(_UPPER, _LOWER)
_GRAM = 4
# A place in a stretch needs 16 bits, the number of a pair of letters 24: two pairs and a place are
# one integer to sort by. Pairs are numbered in a table of all there could be, if there are no more
# letters than this. A code point needs 21 bits.
_PLACE, _PAIR, _LETTERS, _POINT = 16, 24, 6_000, 21
# More stretches than there are.
_EVERY = 2**31 - 1
# Of a longer word only so many 4-grams are looked up; the summaries are read afterwards anyway.
_GRAMS = 12
# Beyond so many cases a condition is a string of bits rather than a list of numbers. PostgreSQL
# finds those of a list by its index and reads all of a range to look at bits. DuckDB reads the
# range either way; there a number costs as much as a look at the bits of so many cases.
_LISTED = {"duckdb": 2_000, "postgresql": 50_000}
_BITS_PER_NUMBER = {"duckdb": 25, "postgresql": 10**9}
# DuckDB reads the blocks of up to so many cases only, of more cases all blocks that the list is
# looked up in; up to so many parts of a list cost less than that.
_FEW, _PARTS = 50, 10
# From so many candidates on the summaries of all cases between them are read.
_DENSE = 100_000

# Positions of cases, rising, each once: uint32.
Positions: TypeAlias = np.ndarray[Any, np.dtype[np.uint32]]

_cases = schema.cases.c


def folded(text: str) -> str:
    """Return a text with small Latin letters."""
    return text.translate(_FOLD)


# --- At publish ---------------------------------------------------------------------------------


def index_words(
    connection: Connection,
    cases: int,
    threads: int,
    previous: tuple[sa.Table, sa.Table] | None,
) -> None:
    """Fill ``word_index`` of the version being built, which has so many cases.

    ``previous``: cases and index of the version before. Whatever stretch has the same summaries is
    taken over: a daily load changes the last ones.
    """
    index = schema.word_index
    in_files = connection.dialect.name == "duckdb"
    if in_files:
        # Rows come stretch by stretch and are asked for letter by letter: in order of letters
        # they lie together.
        index = index.to_metadata(sa.MetaData(), name="unordered_words")
        index._prefixes = ["TEMPORARY"]
        index.create(connection)
    columns = index.columns.keys()
    stretches = set(range(-(-cases // STRETCH)))
    if previous is not None:
        old_cases, old_index = previous
        same = _unchanged(connection, old_cases) & stretches
        kept = sa.select(*old_index.columns).where(old_index.c.stretch.in_(sorted(same)))
        connection.execute(index.insert().from_select(columns, kept))
        stretches -= same
    for stretch, rows in _indexed(connection, sorted(stretches), threads):
        if rows:
            connection.execute(
                index.insert(),
                [
                    {"letter": letter, "stretch": stretch, "grams": packed}
                    for letter, packed in rows
                ],
                execution_options={"duckdb_copy_threshold": 1},
            )
    if in_files:
        ordered = sa.select(*index.columns).order_by(index.c.letter, index.c.stretch)
        connection.execute(schema.word_index.insert().from_select(columns, ordered))
        index.drop(connection)


def _searched(cases: sa.Table) -> sa.ColumnElement[str]:
    """Return the summary of a case as far as it is searched; "" for none."""
    return sa.func.coalesce(sa.case((cases.c.assessed, cases.c.summary)), "")


def _stretch_of(cases: sa.Table) -> sa.ColumnElement[int]:
    return sa.func.floor(cases.c.position / sa.literal(float(STRETCH)))


def _unchanged(connection: Connection, previous: sa.Table) -> set[int]:
    """Return the stretches whose cases have the summaries that the previous version has there."""
    cases = schema.cases

    def numbers(source: sa.FromClause, column: sa.ColumnElement[int]) -> dict[int, int]:
        counted = sa.select(column, sa.func.count()).select_from(source).group_by(column)
        return {int(row[0]): int(row[1]) for row in connection.execute(counted)}

    same = sa.and_(cases.c.position == previous.c.position, _searched(cases) == _searched(previous))
    alike = numbers(cases.join(previous, same), _stretch_of(cases))
    now, before = (numbers(each, _stretch_of(each)) for each in (cases, previous))
    return {each for each, number in alike.items() if number == now[each] == before[each]}


def _indexed(
    connection: Connection, stretches: Sequence[int], threads: int
) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """Yield each stretch with its rows: first letter and 4-grams. A few stretches are in memory."""
    waiting: deque[tuple[int, Future[list[tuple[int, bytes]]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for stretch in stretches:
            waiting.append((stretch, pool.submit(_rows_of, _texts(connection, stretch))))
            if len(waiting) > threads:
                number, future = waiting.popleft()
                yield number, future.result()
        for number, future in waiting:
            yield number, future.result()


def _texts(connection: Connection, stretch: int) -> str:
    """Return the summaries of the assessed cases of a stretch by position, parted by ``_PART``."""
    first = stretch * STRETCH
    searched = _searched(schema.cases)
    for summary in (searched, sa.func.replace(searched, _PART, " ")):
        ordered = postgresql.aggregate_order_by(sa.literal(_PART), _cases.position)
        number, texts = connection.execute(
            sa.select(sa.func.count(), sa.func.string_agg(summary, ordered)).where(
                _cases.position.between(first, first + STRETCH - 1)
            )
        ).one()
        if texts.count(_PART) == number - 1:
            break
        # Somebody wrote that sign: it must be taken out, which costs as much as reading.
    result: str = texts
    return result


def _rows_of(texts: str) -> list[tuple[int, bytes]]:
    """Return the rows of ``word_index`` for the summaries of one stretch."""
    letters = np.frombuffer(texts.encode("utf-32-le"), np.uint32)
    is_part = letters == ord(_PART)
    written = ~is_part
    if not written.any():
        return []
    letters = np.where((letters >= ord("A")) & (letters <= ord("Z")), letters + 32, letters)
    letters[is_part] = 0
    grams = [letters]
    for further in range(1, _GRAM):
        following = np.zeros_like(letters)
        following[:-further] = letters[further:]
        following[grams[-1] == 0] = 0
        grams.append(following)
    place = np.cumsum(is_part, dtype=np.uint32)[written]
    columns, places = _sorted_once([each[written] for each in grams], place)
    starts = np.flatnonzero(reduce(np.logical_or, map(_first_of_each, columns)))
    steps = np.diff(places, prepend=places[:1])
    steps[starts] = places[starts]
    high, low = (steps >> np.uint16(8)).astype(np.uint8), steps.astype(np.uint8)
    firsts, *others = (each[starts] for each in columns)
    ends = np.append(starts, len(places))
    numbers = np.diff(ends).astype(np.uint32)
    rows = np.append(np.flatnonzero(_first_of_each(firsts)), len(firsts)).tolist()
    result = []
    for begin, end in itertools.pairwise(rows):
        some = slice(int(ends[begin]), int(ends[end]))
        parts = [
            np.uint32(end - begin), *(each[begin:end] for each in (*others, numbers)),
            high[some], low[some],
        ]  # fmt: skip
        row = b"".join(part.tobytes() for part in parts)
        packed = zstd.compress(row, level=1)
        result.append((int(firsts[begin]), len(row).to_bytes(4, "little") + packed))
    return result


def _sorted_once(
    columns: list[np.ndarray[Any, np.dtype[np.uint32]]],
    places: np.ndarray[Any, np.dtype[np.uint32]],
) -> tuple[list[np.ndarray[Any, np.dtype[np.uint32]]], np.ndarray[Any, np.dtype[np.uint16]]]:
    """Return four columns of code points and the rising places in their order, each row once."""
    there = np.zeros(1 << _POINT, np.bool_)
    for each in columns:
        there[each] = True
    points = np.flatnonzero(there).astype(np.uint32)
    if len(points) > _LETTERS:
        return _sorted_slowly(columns, places)
    letters = len(points)
    number = np.cumsum(there, dtype=np.uint32) - np.uint32(1)
    pairs = [
        number[one] * np.uint32(letters) + number[next_one]
        for one, next_one in (columns[:2], columns[2:])
    ]
    there = np.zeros(letters * letters, np.bool_)
    for each in pairs:
        there[each] = True
    known = np.flatnonzero(there).astype(np.uint32)
    if len(known) > 1 << _PAIR:
        return _sorted_slowly(columns, places)
    # What is not known is never looked up, and its memory never touched.
    number = np.empty(letters * letters, np.uint32)
    number[known] = np.arange(len(known), dtype=np.uint32)
    keys = number[pairs[0]].astype(np.uint64) << np.uint64(_PAIR) | number[pairs[1]]
    keys = keys << np.uint64(_PLACE) | places
    keys.sort()
    keys = keys[_first_of_each(keys)]
    found = []
    for shift in (_PAIR + _PLACE, _PLACE):
        pair = known[(keys >> np.uint64(shift)).astype(np.uint32) & np.uint32((1 << _PAIR) - 1)]
        found += [points[pair // np.uint32(letters)], points[pair % np.uint32(letters)]]
    return found, keys.astype(np.uint16)


def _sorted_slowly(
    columns: list[np.ndarray[Any, np.dtype[np.uint32]]],
    places: np.ndarray[Any, np.dtype[np.uint32]],
) -> tuple[list[np.ndarray[Any, np.dtype[np.uint32]]], np.ndarray[Any, np.dtype[np.uint16]]]:
    """Return the same for far more letters than anybody writes: a file may bring them."""
    halves = [
        one.astype(np.uint64) << np.uint64(_POINT) | next_one
        for one, next_one in (columns[:2], columns[2:])
    ]
    order = np.lexsort((places, halves[1], halves[0]))
    once = reduce(np.logical_or, (_first_of_each(each[order]) for each in (*halves, places)))
    order = order[once]
    return [each[order] for each in columns], places[order].astype(np.uint16)


def _first_of_each(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return where a value differs from the one before it; where there is none it does."""
    return np.concatenate(([True], values[1:] != values[:-1]))


# --- Looked up ----------------------------------------------------------------------------------


def positions_of(snapshot: Snapshot, terms: Sequence[str]) -> Positions:
    """Return the positions of the assessed cases whose summary has every term.

    Whoever may not see a case must be kept from it by other conditions: an index knows no scope.
    """
    asked = tuple(sorted({folded(term) for term in terms}))
    return snapshot.searches.result(asked, lambda: _read_positions(snapshot, asked))


def is_indexed(term: str) -> bool:
    """Return whether the index tells exactly which cases have a term."""
    return len(term) <= _GRAM


def likely_positions(snapshot: Snapshot, terms: Sequence[str], stretches: range) -> Positions:
    """Return the positions of all cases in some stretches that may have every term; those that do
    if each is indexed. No summary is read.
    """
    wanted = {gram for term in terms for gram in _grams_in(folded(term))}
    letters = sorted({gram[0] for gram in wanted})
    index = schema.word_index.c
    rows: dict[int, list[_Row]] = {}
    with snapshot.engine.connect() as connection:
        for letter in letters:
            # One value each: an index or the order of the letters leads to a few rows.
            statement = sa.select(index.stretch, index.grams).where(
                index.letter == letter, index.stretch.between(stretches.start, stretches.stop - 1)
            )
            found = connection.execute(statement.order_by(index.stretch)).all()
            if not found:
                return np.zeros(0, np.uint32)
            rows[letter] = [_Row.of(stretch, bytes(packed)) for stretch, packed in found]
    every = [np.concatenate([row.positions(gram[1:]) for row in rows[gram[0]]]) for gram in wanted]
    # The rarest first: what is left is small from the start.
    every.sort(key=len)
    return reduce(lambda some, more: np.intersect1d(some, more, assume_unique=True), every)


def _read_positions(snapshot: Snapshot, terms: tuple[str, ...]) -> Positions:
    candidates = likely_positions(snapshot, terms, range(_EVERY))
    long = [term for term in terms if not is_indexed(term)]
    return _having(snapshot, candidates, long) if long and len(candidates) else candidates


def _grams_in(term: str) -> Sequence[tuple[int, ...]]:
    """Return the 4-grams of a word; a shorter word is the beginning of some."""
    points = tuple(map(ord, term))
    return [points[start : start + _GRAM] for start in range(max(len(points) - _GRAM + 1, 1))][
        :_GRAMS
    ]


@dataclass(frozen=True)
class _Row:
    """A row of the index, taken apart."""

    stretch: int
    others: tuple[np.ndarray[Any, np.dtype[np.uint32]], ...]  # letters but the first
    ends: np.ndarray[Any, np.dtype[np.int64]]  # of each 4-gram among the steps, after a 0
    high: np.ndarray[Any, np.dtype[np.uint8]]
    low: np.ndarray[Any, np.dtype[np.uint8]]

    @classmethod
    def of(cls, stretch: int, packed: bytes) -> _Row:
        row = zstd.decompress(packed[4:])  # after its length
        number = int.from_bytes(row[:4], "little")
        *others, numbers = (
            np.frombuffer(row, np.uint32, number, 4 + 4 * number * column)
            for column in range(_GRAM)
        )
        ends = np.concatenate(([0], np.cumsum(numbers, dtype=np.int64)))
        steps = np.frombuffer(row, np.uint8, offset=4 + 4 * _GRAM * number)
        return cls(stretch, tuple(others), ends, steps[: ends[-1]], steps[ends[-1] :])

    def positions(self, following: tuple[int, ...]) -> Positions:
        """Return the positions of the cases with the first letter, followed by these."""
        begin, end = 0, len(self.ends) - 1
        for letters, letter in zip(self.others, following, strict=False):
            within = np.searchsorted(letters[begin:end], [letter, letter + 1])
            begin, end = begin + int(within[0]), begin + int(within[1])
        if begin == end:
            return np.zeros(0, np.uint32)
        some = slice(int(self.ends[begin]), int(self.ends[end]))
        steps = self.high[some].astype(np.uint32) << np.uint32(8) | self.low[some]
        places = np.cumsum(steps, dtype=np.uint32)
        if end - begin > 1:
            # The steps of every 4-gram begin anew; cases that have several are there once.
            starts = self.ends[begin : end + 1] - self.ends[begin]
            before = np.concatenate(([0], places))[starts[:-1]].astype(np.uint32)
            there = np.zeros(STRETCH, np.bool_)
            there[places - np.repeat(before, np.diff(starts))] = True
            places = np.flatnonzero(there).astype(np.uint32)
        return places + np.uint32(self.stretch * STRETCH)


# --- Summaries ----------------------------------------------------------------------------------


def has_term(term: str) -> sa.ColumnElement[bool]:
    """Return the condition that the summary has a word, letter by letter.

    A position needs no escaping, as a pattern would: ``%`` and ``_`` are letters like any other.
    """
    term = folded(term)
    summary: sa.ColumnElement[str] = _cases.summary
    if any(letter in _LOWER for letter in term):
        # Not lower(): what it takes for large letters depends on the database.
        summary = sa.func.translate(summary, _UPPER, _LOWER)
    return sa.func.strpos(summary, term) > 0


def _having(snapshot: Snapshot, candidates: Positions, terms: Sequence[str]) -> Positions:
    """Return those of the candidates whose summary has every term."""
    has = [has_term(term) for term in terms]
    # One value with all of them: a row each would cost more than the reading. As a filter of that
    # value, not of the cases: DuckDB would look for the words before it looks at the list.
    held = sa.func.array_agg(_cases.position).filter(*has)
    between = _cases.position.between(int(candidates[0]), int(candidates[-1]))
    conditions = [between] if len(candidates) > _DENSE else near(snapshot, candidates)
    found = sa.union_all(*(sa.select(held).where(each) for each in conditions))
    with snapshot.engine.connect() as connection:
        lists = [row[0] for row in connection.execute(found) if row[0]]
    every = [np.array(each, np.uint32) for each in lists]
    read = np.sort(np.concatenate(every)) if every else np.zeros(0, np.uint32)
    # Others may lie between the candidates: of those that are not counted.
    return np.intersect1d(read, candidates, assume_unique=True)


# --- Positions as conditions --------------------------------------------------------------------


def near(snapshot: Snapshot, positions: Positions) -> list[sa.ColumnElement[bool]]:
    """Return conditions that together give the cases at some positions, each once, to read wide
    columns of.
    """
    if snapshot.engine.dialect.name != "duckdb":
        return [among(snapshot, positions)]
    few = len(positions) <= _FEW * _PARTS
    parts = range(0, len(positions), _FEW) if few else [0]
    return [_AtRows(_as_text(positions[start:][: _FEW if few else None])) for start in parts]


def _as_text(positions: Positions) -> sa.ColumnElement[str]:
    """Return positions as DuckDB reads a list fastest: a Python number costs it a microsecond."""
    return sa.literal(str(positions.tolist()))


class _AtRows(FunctionElement[bool]):
    """Whether a case is one of a list, on DuckDB: there its position is the number of its row."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_AtRows)
def _at_rows(element: _AtRows, compiler: Any, **kw: Any) -> str:
    (listed,) = (compiler.process(each, **kw) for each in element.clauses)
    return f"rowid IN (SELECT unnest(CAST({listed} AS BIGINT[])))"


class _OneOf(FunctionElement[bool]):
    """Whether a position is one of a list."""

    type = sa.Boolean()
    inherit_cache = True


class _BitSet(FunctionElement[bool]):
    """Whether the bit of a position is set in a string of bits, the first one leftmost."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_OneOf, "duckdb")
def _one_of_in_duckdb(element: _OneOf, compiler: Any, **kw: Any) -> str:
    position, listed = (compiler.process(each, **kw) for each in element.clauses)
    return f"{position} IN (SELECT unnest(CAST({listed} AS INTEGER[])))"


@compiles(_OneOf)
def _one_of_in_postgresql(element: _OneOf, compiler: Any, **kw: Any) -> str:
    position, listed = (compiler.process(each, **kw) for each in element.clauses)
    return f"{position} = ANY (CAST({listed} AS INTEGER[]))"


@compiles(_BitSet, "duckdb")
def _bit_set_in_duckdb(element: _BitSet, compiler: Any, **kw: Any) -> str:
    bits, place = (compiler.process(each, **kw) for each in element.clauses)
    return f"get_bit(CAST({bits} AS BIT), CAST({place} AS INTEGER)) = 1"


@compiles(_BitSet)
def _bit_set_in_postgresql(element: _BitSet, compiler: Any, **kw: Any) -> str:
    # PostgreSQL counts the bits of a byte from the right.
    bits, place = (compiler.process(each, **kw) for each in element.clauses)
    return f"get_bit({bits}, ({place}) # 7) = 1"


def among(snapshot: Snapshot, positions: Positions) -> sa.ColumnElement[bool]:
    """Return the condition that a case is at one of some positions."""
    if not len(positions):
        return sa.false()
    first, last = int(positions[0]), int(positions[-1])
    within = _cases.position.between(first, last)
    engine = snapshot.engine.dialect.name
    if len(positions) <= max(_LISTED[engine], (last - first) // _BITS_PER_NUMBER[engine]):
        listed = (
            _as_text(positions)
            if engine == "duckdb"
            else sa.literal(positions.tolist(), sa.ARRAY(sa.Integer))
        )
        return sa.and_(within, _OneOf(_cases.position, listed))
    # Whole bytes: the bit of a position stays at the same place within its byte.
    start = first // 8 * 8
    bits = np.zeros(last - start + 1, np.bool_)
    bits[positions - start] = True
    packed = sa.literal(np.packbits(bits).tobytes(), sa.LargeBinary)
    return sa.and_(within, _BitSet(packed, _cases.position - start))
