"""Reads files of rows: delimited text (plain, gzip, zip), workbooks and Parquet, as streams.

A source says its header at once and gives its rows in batches, chosen columns only, so that a
column that must not be stored is never copied anywhere. Rows that cannot be told apart or have
the wrong number of fields are handed to the caller with their line, and reading goes on.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import io
import itertools
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import python_calamine as calamine

from .errors import LoadError

# How much of a text is looked at to find its encoding and header.
_SAMPLE_BYTES = 4 << 20
# What is in memory at a time, of text (small: it stays in the processor's cache) and of others.
_CHUNK_BYTES = 1 << 20
_BATCH_ROWS = 20_000
# A longer field is an unclosed quotation mark that swallows the rest of the file.
_LONGEST_FIELD = 1_000_000
# The share of undecodable characters up to which a text still is in this encoding. Text in
# another encoding hardly ever passes for UTF-8, but often for GB18030.
_FEW_DAMAGED = {"utf-8": 0.2, "gb18030": 0.05}

DAMAGED = "\ufffd"
OPEN_QUOTE = "引号没有闭合"

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_SUFFIXES = (*TEXT_SUFFIXES, ".gz", ".zip", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet")
_DELIMITERS = {",": "逗号", ";": "分号", "\t": "制表符", "|": "竖线"}
_CODECS = {"gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "utf8": "utf-8-sig"}

Torn = Callable[[int, Sequence[str], str], None]
Advance = Callable[[int], None]
IsRow = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class ReadOptions:
    """How to read where the file itself does not say; None: find out."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None  # physical line or row, from 1; None: the first that is not empty


class Source(Protocol):
    """One file (or one member of a zip) with one header."""

    name: str
    path: Path
    bytes: int  # what ``advance`` adds up to
    header: tuple[str, ...]
    format: str  # in Chinese
    blank_rows: int
    damaged: bool  # some bytes could not be decoded; their characters are U+FFFD

    def batches(
        self, columns: Sequence[int], torn: Torn, is_row: IsRow, advance: Advance
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows: texts ``c0``, ``c1``… for the chosen columns, ``line`` (int32, from 1).

        ``torn`` gets line, fields and reason of a row that has not as many fields as the header;
        ``is_row`` says whether fields look like a row of their own, not like the middle of a text;
        ``advance`` gets bytes as they are read.

        Raises:
            LoadError: the file cannot be read further.
        """
        ...


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files that the paths mean, and files in directories that are not data.

    Raises:
        LoadError: a path that does not exist, or a directory without data.
    """
    files: list[Path] = []
    ignored: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                entry
                for entry in path.rglob("*")
                if entry.is_file() and not entry.name.startswith((".", "~$"))
            )
            data = [entry for entry in inside if entry.suffix.lower() in _SUFFIXES]
            if not data:
                raise LoadError(f"{path.name}：目录里没有可以导入的文件（CSV、XLSX、Parquet）")
            files += data
            ignored += [entry for entry in inside if entry not in data]
        elif path.is_file():
            files.append(path)
        else:
            raise LoadError(f"{path}：没有这个文件")
    return list(dict.fromkeys(files)), ignored


def open_sources(path: Path, options: ReadOptions) -> list[Source]:
    """Return the sources of a file: several for a zip with several members.

    What a file is, is told by its first bytes: exports are often misnamed.

    Raises:
        LoadError: not a file of rows, damaged, empty, or without a usable header.
    """
    with reading(path.name):
        with path.open("rb") as file:
            start = file.read(4096)
        if not start:
            raise LoadError(f"{path.name}：文件是空的")
        if start.startswith(b"PAR1"):
            return [ParquetSource(path)]
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            return [SheetSource(path, options)]
        if start.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if any(name in names for name in ("[Content_Types].xml", "content.xml")):
                    return [SheetSource(path, options)]
                members = [
                    member
                    for member in archive.infolist()
                    if Path(member.filename).suffix.lower() in TEXT_SUFFIXES
                    and not Path(member.filename).name.startswith((".", "~$"))
                    and not member.filename.startswith("__MACOSX")
                ]
            if not members:
                raise LoadError(f"{path.name}：压缩包里没有 CSV、TSV 文件；XLSX、Parquet 请先解压")
            return [TextSource(path, options, member) for member in members]
        return [TextSource(path, options)]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say in Chinese, with the file's name, why a file cannot be read."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise LoadError(f"{name}：压缩文件不完整或已损坏，请重新导出或重新传输") from error
    except calamine.PasswordError as error:
        raise LoadError(f"{name}：工作簿有密码，请另存为没有密码的 XLSX") from error
    except calamine.CalamineError as error:
        raise LoadError(f"{name}：工作簿打不开，可能已损坏；请另存为 XLSX 或 CSV") from error
    except pa.ArrowException as error:
        raise LoadError(f"{name}：Parquet 文件不完整或已损坏，请重新导出") from error
    except PermissionError as error:
        raise LoadError(f"{name}：没有读取权限") from error
    except (RuntimeError, NotImplementedError) as error:
        # What zipfile raises for a password or an unknown compression.
        raise LoadError(f"{name}：压缩包有密码或用了不支持的压缩方式，请解压后再导入") from error


def first_rows(source: Source, count: int) -> list[list[str]]:
    """Return the first rows of a source, all columns."""
    width = len(source.header)
    rows: list[list[str]] = []
    for batch in source.batches(range(width), lambda *_: None, lambda _: False, lambda _: None):
        arrays = [batch.column(f"c{n}").slice(0, count - len(rows)) for n in range(width)]
        texts = zip(*(array.to_pylist() for array in arrays), strict=True)
        rows += [[text or "" for text in row] for row in texts]
        if len(rows) >= count:
            break
    source.blank_rows = 0
    return rows


def detect_encoding(sample: bytes, name: str) -> str | None:
    """Return the encoding of a text's first megabytes; None when they are all ASCII.

    Raises:
        LoadError: not a text, or neither UTF-8 nor GB18030 nor UTF-16 with its mark.
    """
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in sample or sample.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"Rar!")):
        raise LoadError(f"{name}：不是文本文件，也不是 XLSX、Parquet；请导出为 CSV（UTF-8）或 XLSX")
    if sample.isascii():
        return None
    for encoding, few_damaged in _FEW_DAMAGED.items():
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(sample)
        damaged = text.count(DAMAGED)
        characters = sum(1 for character in text if character > "\x7f")
        if damaged <= few_damaged * characters:
            return encoding
    raise LoadError(
        f"{name}：文字编码无法识别（不是 UTF-8，也不是 GBK/GB18030）；"
        "请另存为 UTF-8，或在映射文件里写 encoding"
    )


_ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8（有 BOM）",
    "gb18030": "GBK/GB18030",
    "utf-16": "UTF-16",
    "ascii": "ASCII",
}


class TextSource:
    """Delimited text; one pass, whatever its size."""

    def __init__(
        self, path: Path, options: ReadOptions, member: zipfile.ZipInfo | None = None
    ) -> None:
        self.path = path
        self._member = member
        self.name = f"{path.name}/{member.filename}" if member else path.name
        self.bytes = member.compress_size if member else path.stat().st_size
        self.blank_rows = 0
        self.damaged = False
        self._encoding = _codec(options.encoding, self.name) if options.encoding else None
        with reading(self.name), self._open() as (stream, _raw):
            sample = stream.read(_SAMPLE_BYTES)
            chunks = self._decoded(iter([sample]), final=False)
            text = next(chunks, "")
        if not text.strip():
            raise LoadError(f"{self.name}：文件是空的")
        if re.match(r"\s*(<!doctype|<html|<table|<\?xml|\{|\[\s*\{)", text, re.IGNORECASE):
            raise LoadError(f"{self.name}：是网页、XML 或 JSON，不是表格；请另存为 XLSX 或 CSV")
        self._delimiter = options.delimiter or _delimiter(text)
        csv.field_size_limit(_LONGEST_FIELD)
        self._header_lines, header = self._find_header(text, options.header_row)
        self.header = _checked_header(header, self.name)
        shown = _ENCODING_NAMES.get(self._encoding or "ascii", self._encoding)
        delimiter = _DELIMITERS.get(self._delimiter, repr(self._delimiter))
        self.format = f"文本 · {shown} · {delimiter}分隔"

    @contextmanager
    def _open(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Give the stream of the text's bytes and the file whose position is the progress."""
        with self.path.open("rb") as raw:
            if self._member is not None:
                with zipfile.ZipFile(raw) as archive, archive.open(self._member) as stream:
                    yield stream, raw
            elif raw.read(2) == b"\x1f\x8b":
                raw.seek(0)
                with gzip.open(raw) as unpacked:
                    yield cast(IO[bytes], unpacked), raw
            else:
                raw.seek(0)
                yield raw, raw

    def _decoded(self, chunks: Iterator[bytes], *, final: bool = True) -> Iterator[str]:
        """Yield the text of the chunks. Undecodable bytes become U+FFFD and set ``damaged``.

        As long as everything is ASCII the encoding is open: what comes first decides it.
        """
        decoder: codecs.IncrementalDecoder | None = None
        for chunk in itertools.chain(chunks, [b""]):
            at_end = not chunk
            if at_end and not final:
                return
            if decoder is None:
                if self._encoding is None:
                    self._encoding = detect_encoding(chunk, self.name)
                encoding = self._encoding or "ascii"
                if self._encoding is not None or at_end:
                    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            text = decoder.decode(chunk, at_end) if decoder else chunk.decode("ascii")
            if "\0" in text:
                text = text.replace("\0", DAMAGED)
            if DAMAGED in text:
                self.damaged = True
            yield text

    def _find_header(self, text: str, header_row: int | None) -> tuple[int, list[str]]:
        """Return how many physical lines the header takes with all before it, and its fields."""
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        try:
            for row in rows:
                blank = not any(field.strip() for field in row)
                if rows.line_num >= (header_row or 1) and not blank:
                    return rows.line_num, row
        except csv.Error as error:
            raise LoadError(f"{self.name}：第 {rows.line_num} 行起引号没有闭合") from error
        raise LoadError(f"{self.name}：没有找到表头（第 {header_row or 1} 行）")

    def batches(
        self, columns: Sequence[int], torn: Torn, is_row: IsRow, advance: Advance
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see ``Source``."""
        with reading(self.name), self._open() as (stream, raw):

            def chunks() -> Iterator[bytes]:
                position = raw.tell()
                while chunk := stream.read(_CHUNK_BYTES):
                    advance(raw.tell() - position)
                    position = raw.tell()
                    yield chunk

            csv.field_size_limit(_LONGEST_FIELD)
            texts = _cut_at_lines(self._decoded(chunks()))
            first = io.StringIO(next(texts), newline="")
            for _ in range(self._header_lines):
                first.readline()
            done = self._header_lines
            for text in itertools.chain([first.read()], texts):
                rows = self._plain_rows(text)
                if rows is not None:
                    numbers = list(range(done + 1, done + 1 + len(rows)))
                    done += len(rows)
                else:
                    rows, numbers, done = self._careful_rows(text, texts, done, torn, is_row)
                if batch := self._batch(rows, numbers, columns):
                    yield batch

    def _plain_rows(self, text: str) -> list[list[str]] | None:
        """Return the rows of a text in which every physical line is one whole row; else None."""
        if text.count('"') % 2:
            return None
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        try:
            rows = list(reader)
        except csv.Error:
            return None
        whole = reader.line_num == len(rows) and all(len(row) == len(self.header) for row in rows)
        return rows if whole else None

    def _careful_rows(
        self, text: str, texts: Iterator[str], done: int, torn: Torn, is_row: IsRow
    ) -> tuple[list[list[str]], list[int], int]:
        """Return the rows of a text, their lines, and the number of lines read now.

        Goes on into the next texts where a row does. Of rows that are wrong only the first line
        is given up, because the next one may be a good row.
        """
        left = deque(io.StringIO(text, newline=""))
        record: list[str] = []

        def lines() -> Iterator[str]:
            while left or (more := next(texts, None)) is not None:
                if not left:
                    left.extend(io.StringIO(more, newline=""))
                    continue
                record.append(left.popleft())
                yield record[-1]

        reader = csv.reader(lines(), delimiter=self._delimiter)
        width = len(self.header)
        rows: list[list[str]] = []
        numbers: list[int] = []
        while left:
            row: list[str] = []
            try:
                row = next(reader)
                problem = "" if len(row) == width else f"应有 {width} 列，实有 {len(row)} 列"
                if len(record) > 1 and self._swallowed(record, is_row):
                    problem = OPEN_QUOTE
            except csv.Error:
                problem = OPEN_QUOTE
            except StopIteration:
                # The last row ran to the end of the file; what it swallowed is read again.
                reader = csv.reader(lines(), delimiter=self._delimiter)
                continue
            if problem and any(line.strip() for line in record):
                torn(done + 1, row if len(record) == 1 else self._fields(record[0]), problem)
                left.extendleft(reversed(record[1:]))
                done += 1
            else:
                rows.append(row)
                numbers.append(done + 1)
                done += len(record)
            record.clear()
        return rows, numbers, done

    def _batch(
        self, rows: list[list[str]], numbers: list[int], columns: Sequence[int]
    ) -> pa.RecordBatch | None:
        filled = [any(row) for row in rows]
        if not all(filled):
            rows = list(itertools.compress(rows, filled))
            numbers = list(itertools.compress(numbers, filled))
            self.blank_rows += len(filled) - len(rows)
        return _text_batch(rows, numbers, columns) if rows else None

    def _fields(self, line: str) -> list[str]:
        # The quotation marks are what is wrong with this line.
        return line.rstrip("\r\n").replace('"', "").split(self._delimiter)

    def _swallowed(self, record: list[str], is_row: IsRow) -> bool:
        """Return whether an open quotation mark swallowed a later line, which is a row."""
        return any(
            len(fields) == len(self.header) and is_row(fields)
            for fields in map(self._fields, record[1:])
        )


class SheetSource:
    """One sheet of a workbook. The format ends at 1,048,576 rows, so it is read as a whole."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        self.name = path.name
        self.bytes = path.stat().st_size
        self.blank_rows = 0
        self.damaged = False
        with reading(self.name):
            workbook = calamine.CalamineWorkbook.from_path(path)
        names = workbook.sheet_names
        if options.sheet is not None and options.sheet not in names:
            raise LoadError(f"{self.name}：没有工作表“{options.sheet}”；现有：{'、'.join(names)}")
        with reading(self.name):
            sheets = [options.sheet] if options.sheet else names
            for name in sheets:
                self._sheet = workbook.get_sheet_by_name(name)
                if self._sheet.height:
                    break
            else:
                raise LoadError(f"{self.name}：工作表是空的")
        self._header_row, header = self._find_header(options.header_row)
        self.header = _checked_header(header, self.name)
        others = [name for name in names if name != self._sheet.name]
        self.format = f"工作簿 · 工作表“{self._sheet.name}”"
        if others:
            self.format += f"（未读：{'、'.join(others)}）"

    def _find_header(self, header_row: int | None) -> tuple[int, list[str]]:
        for number, cells in enumerate(self._sheet.iter_rows(), start=1):
            row = [cell_text(cell) for cell in cells]
            while row and not row[-1].strip():
                row.pop()
            if number >= (header_row or 1) and row:
                return number, row
        raise LoadError(f"{self.name}：没有找到表头（第 {header_row or 1} 行）")

    def batches(
        self, columns: Sequence[int], torn: Torn, is_row: IsRow, advance: Advance
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see ``Source``."""
        width = len(self.header)
        height = max(self._sheet.total_height, 1)
        numbered = enumerate(self._sheet.iter_rows(), start=1)
        told = 0
        while batch := list(itertools.islice(numbered, _BATCH_ROWS)):
            rows: list[list[str]] = []
            numbers: list[int] = []
            for number, cells in batch:
                if number <= self._header_row:
                    continue
                row = [cell_text(cell) for cell in cells]
                row += [""] * (width - len(row))
                if not any(field.strip() for field in row):
                    self.blank_rows += 1
                elif any(field.strip() for field in row[width:]):
                    torn(number, row, f"应有 {width} 列，表头以外还有内容")
                else:
                    rows.append(row)
                    numbers.append(number)
            if rows:
                yield _text_batch(rows, numbers, columns)
            so_far = min(self.bytes, self.bytes * batch[-1][0] // height)
            advance(so_far - told)
            told = so_far


class ParquetSource:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.bytes = path.stat().st_size
        self.blank_rows = 0
        self.damaged = False
        self.format = "Parquet"
        with reading(self.name):
            self._file = pq.ParquetFile(path)
            self.header = _checked_header(self._file.schema_arrow.names, self.name)

    def batches(
        self, columns: Sequence[int], torn: Torn, is_row: IsRow, advance: Advance
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see ``Source``."""
        rows = max(self._file.metadata.num_rows, 1)
        names = [self._file.schema_arrow.names[column] for column in columns]
        done = told = 0
        with reading(self.name):
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                lines = pa.array(range(done + 1, done + 1 + batch.num_rows), pa.int32())
                arrays = [_as_text(batch.column(name)) for name in names]
                yield pa.RecordBatch.from_arrays(
                    [*arrays, lines], names=[*_names(len(columns)), "line"]
                )
                done += batch.num_rows
                so_far = self.bytes * done // rows
                advance(so_far - told)
                told = so_far


def _as_text(values: pa.Array) -> pa.Array:
    """Return the texts that a CSV export of the same column would have."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _as_text(values.dictionary_decode())
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("s", kind.tz), safe=False)
    elif pa.types.is_floating(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind):
        # A column of whole numbers with gaps is floating in pandas; 9148.0 is the number 9148.
        return pa.array(
            [None if v is None or v != v else cell_text(v) for v in values.to_pylist()], pa.string()
        )
    return values.cast(pa.string())


def _names(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


def _text_batch(
    rows: list[list[str]], numbers: list[int], columns: Sequence[int]
) -> pa.RecordBatch:
    by_column = list(zip(*rows, strict=False))
    arrays = [_strings(by_column[column]) for column in columns]
    return pa.RecordBatch.from_arrays(
        [*arrays, pa.array(numbers, pa.int32())], names=[*_names(len(columns)), "line"]
    )


def _strings(values: Sequence[str]) -> pa.Array:
    """Return ``pa.array(values)``, several times faster for text that is not ASCII.

    Encoded in one piece with a separator, from whose places the offsets follow.
    """
    encoded = np.frombuffer("\0".join(values).encode(), dtype=np.uint8)
    ends = np.flatnonzero(encoded == 0)
    if len(ends) != len(values) - 1:
        return pa.array(values, pa.string())
    offsets = np.empty(len(values) + 1, dtype=np.int32)
    offsets[0] = 0
    offsets[1:-1] = ends - np.arange(len(ends))
    offsets[-1] = len(encoded) - len(ends)
    texts = pa.py_buffer(encoded[encoded != 0])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), texts)


def cell_text(cell: Any) -> str:
    """Return the text that a CSV export of a workbook's cell would have, dates in ISO form."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e18 else repr(cell)
    if isinstance(cell, dt.datetime):
        # Excel keeps times as fractions of a day: half a second is rounding, not time.
        rounded = (cell + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        return rounded.isoformat(" ")
    if isinstance(cell, dt.time):
        return cell.replace(microsecond=0).isoformat()
    return str(cell)


def _cut_at_lines(texts: Iterator[str]) -> Iterator[str]:
    """Yield texts of whole lines: a line cut off at the end of one goes before the next one.

    Only \\n, \\r and \\r\\n end a line; ``str.splitlines`` knows others that may stand in a text.
    """
    rest = ""
    for text in texts:
        text = rest + text
        # A carriage return at the very end may be half of a line end.
        end = max(text.rfind("\n"), text.rfind("\r", 0, max(len(text) - 1, 0))) + 1
        rest = text[end:]
        if len(rest) > 16 * _LONGEST_FIELD:
            raise LoadError("一行超过 1,600 万字，不是逐行的表格；请检查文件")
        yield text[:end]
    yield rest


def _codec(name: str, source: str) -> str:
    wanted = _CODECS.get(name.lower().replace("_", "-"), name)
    try:
        return codecs.lookup(wanted).name
    except LookupError:
        raise LoadError(f"{source}：没有名为“{name}”的编码；可写 utf-8 或 gb18030") from None


def _delimiter(text: str) -> str:
    """Return the delimiter that stands most often in the first line that is not empty."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max(_DELIMITERS, key=unquoted.count)


def _checked_header(header: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the header without blanks around the names.

    Raises:
        LoadError: a name is there twice, or this is a title and no header.
    """
    names = [field.strip(" \t\r\n\ufeff\u200b\u3000\u00a0") for field in header]
    seen: dict[str, int] = {}
    for position, field in enumerate(names, start=1):
        if field and field in seen:
            raise LoadError(
                f"{name}：表头有两列都叫“{field}”（第 {seen[field]} 列和第 {position} 列），"
                "请改名后再导入"
            )
        seen[field] = position
    if all(re.fullmatch(r"[\d\s.:/-]*", field) for field in names):
        raise LoadError(f"{name}：第一行没有列名，缺表头；请在第一行写上列名")
    return tuple(names)
