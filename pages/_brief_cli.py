"""The command line ``flask brief make``: packets of a period, for one place or for each of many.

Exit codes: 0 every packet was written; 1 none was, or the installation is at fault; 2 wrong usage;
3 some packets were refused or failed, the others are there. A refused packet leaves no file.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import click
from flask import Flask, current_app, g
from flask.cli import with_appcontext
from tqdm import tqdm

from components.exports.browser import (
    MISSING,
    Browser,
    BrowserError,
    found_browser,
    one_at_a_time,
)
from components.exports.office_suite import ConversionError, converter
from data_access.office.book import OfficeError
from data_access.office.packets import keep_packet
from data_access.question import NothingPublishedError, Question, ask, names
from domain.accounts import WORKSTATION
from domain.brief import SECTIONS, STYLES, Packet, PacketError, SectionKey, sections_of
from domain.filters import Filters, to_search
from domain.periods import PeriodError, parse_period, present
from pages._answers import book, reader, store
from pages._brief import packet_of
from pages._brief_files import (
    MIME,
    blueprint,
    file_name,
    file_of,
    pdf_file,
    pictures_of,
    settings,
)

_SOME = 3
_PNG = "png"
# Somebody at the screen is told to come back; a nightly run waits, for seconds.
_PATIENCE = 600.0
_NO_PDF = f"{MISSING}，也没有 LibreOffice：不生成 PDF"
_NO_PNG = f"{MISSING}（环境变量 CHROMIUM 或 BOARD_CHROMIUM 可指定）：不生成 PNG"


def register(server: Flask) -> None:
    """Add the files of packets and the commands about packets to a server."""
    server.register_blueprint(blueprint)
    server.cli.add_command(brief_cli)


class _Made(NamedTuple):
    """What became of one packet: its files, or why there are none."""

    place: str
    files: tuple[str, ...]
    bytes: int
    words: str


@click.group("brief", help="生成简报（Word、PPT、Excel、PDF），可供定时任务调用。")
def brief_cli() -> None:
    """Group the commands about packets."""


@brief_cli.command("make", help="生成一个时段的简报：全市，或连同各区、各题。")
@click.option("--week", help="周，如 2021-W15")
@click.option("--assess", help="考核期，如 2021-04")
@click.option("--period", help="其他时段，与页面链接中的 period 相同，如 month-2021-03")
@click.option("--district", multiple=True, help="区代码，可重复；不给为全市")
@click.option("--topic", multiple=True, help="每月一题代码，可重复")
@click.option(
    "--each", type=click.Choice(["district", "topic"]), help="全市一份，另为每个区（或每题）一份"
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="写到此目录")  # fmt: skip
@click.option("--format", "formats", default="docx,pptx,xlsx", show_default=True,
              help="docx、pptx、xlsx、pdf，以逗号分隔")  # fmt: skip
@click.option("--png", is_flag=True, help="另生成各部分的图片，三种尺寸，放在同名目录里")
@click.option("--sections", default="all", show_default=True,
              help="all、brief（简报）、meeting（会议材料），或以逗号分隔的部分："
              + "、".join(SECTIONS))  # fmt: skip
@click.option("--issuer", default="", help="红头：发文单位")
@click.option("--keep/--no-keep", default=True, show_default=True, help="是否存档")
@with_appcontext
def make(
    week: str | None, assess: str | None, period: str | None, district: tuple[str, ...],
    topic: tuple[str, ...], each: str | None, out: Path, formats: str, png: bool, sections: str,
    issuer: str, keep: bool,
) -> None:  # fmt: skip
    """Write packets to a directory, and say what became of each."""
    wanted = _formats(formats) + [_PNG] * png
    keys = _sections(sections)
    filters = Filters(period=_period(week, assess, period), district=district, topic=topic)
    # Who may see what hangs on a request; who can run commands on the server may see the city.
    with current_app.test_request_context("/brief"):
        g.reader = WORKSTATION
        made = _all(filters, each, keys, wanted, out, issuer, keep)
    _summary(made, out)


def _all(
    filters: Filters, each: str | None, keys: Sequence[SectionKey], wanted: list[str], out: Path,
    issuer: str, keep: bool,
) -> list[_Made]:  # fmt: skip
    try:
        questions = _questions(filters, each)
    except NothingPublishedError:
        _stop("还没有发布数据：请先运行 flask data load 或 flask data demo", 1)
    except PeriodError as error:
        _stop(str(error), 2)
    # Whoever runs commands here decides what runs here: one that is found will do.
    browser = found_browser(settings().chromium)
    for suffix, can, words in (
        ("pdf", browser or converter(), _NO_PDF), (_PNG, browser, _NO_PNG),
    ):  # fmt: skip
        if suffix in wanted and not can:
            if wanted == [suffix]:
                _stop(words, 1)
            click.echo(f"{words}；其他格式照常生成。", err=True)
            wanted.remove(suffix)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _stop(f"不能写到 {out}：{error.strerror}", 1)
    made = []
    with tqdm(
        total=len(questions) * (len(keys) + len(wanted)), disable=None, leave=False, desc="简报"
    ) as bar:
        for question in questions:
            bar.set_description_str(question.place)
            made.append(_make(question, keys, wanted, out, issuer, keep, browser, bar))
    return made


def _formats(text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [each for each in found if each not in MIME]
    if unknown or not found:
        raise click.UsageError(f"没有格式“{'、'.join(unknown) or text}”：{'、'.join(MIME)}")
    return found


def _sections(text: str) -> tuple[SectionKey, ...]:
    for style, keys in STYLES.items():
        if text == style:
            return keys
    found = sections_of(text)
    unknown = [part for part in text.split(",") if part not in found]
    if unknown or not found:
        raise click.UsageError(f"没有部分“{'、'.join(unknown) or text}”：{'、'.join(SECTIONS)}")
    return found


def _period(week: str | None, assess: str | None, period: str | None) -> str:
    given = [
        f"{kind}{value}"
        for kind, value in (("week-", week), ("assess-", assess), ("", period))
        if value
    ]
    if len(given) != 1:
        raise click.UsageError("--week、--assess、--period 须给且只给一个")
    return given[0]


def _questions(filters: Filters, each: str | None) -> list[Question]:
    """Return what is asked, the whole first."""
    whole = ask(store(), reader(), to_search(filters.narrowed(period="")))
    cutoff, first_day = whole.snapshot.cutoff.date(), whole.rules.period_first_day
    # A page falls back to another period; a file that somebody waits for must not.
    key = parse_period(filters.period, cutoff, first_day).key
    asked = [filters.narrowed(period=key)]
    if each is not None:
        chosen: tuple[str, ...] = getattr(filters, each)
        codes: Sequence[str] = chosen or _codes(whole, each)
        whole_filters = asked[0].narrowed(**{each: ()})
        asked = [whole_filters, *(asked[0].narrowed(**{each: (code,)}) for code in codes)]
    return [ask(store(), reader(), to_search(each_filters)) for each_filters in asked]


def _codes(question: Question, dimension: str) -> list[str]:
    if dimension == "district":
        return [str(code) for code in question.snapshot.reference.districts["code"]]
    topics = question.snapshot.reference.topics
    year = question.period.window.end.year
    return [str(code) for code in topics.loc[topics["year"] == year, "code"]]


def _make(
    question: Question, keys: Sequence[SectionKey], formats: Sequence[str], out: Path, issuer: str,
    keep: bool, browser: str | None, bar: tqdm,
) -> _Made:  # fmt: skip
    topics = [names(question.snapshot)["topic"][code] for code in question.filters.topic]
    called = question.place + (f" {'、'.join(topics)}" if topics else "")
    steps = bar.n + len(keys) + len(formats)
    try:
        packet = packet_of(question, keys, issuer, lambda heading: bar.update())
        moment = present().replace(microsecond=0)
        contents: dict[str, bytes] = {}
        for suffix in formats:
            if suffix == _PNG:
                contents |= _pictures(packet, moment, browser or "")
            elif suffix == "pdf":
                contents[file_name(packet, suffix)] = pdf_file(packet, moment, browser)
            else:
                contents[file_name(packet, suffix)] = file_of(packet, moment, suffix)
            bar.update()
        if keep:
            keep_packet(book(), reader(), packet, question.period.window.start, moment)
        # Everything is there before the first file is.
        for name, content in contents.items():
            path = out / name
            path.parent.mkdir(exist_ok=True)
            half = path.with_name(f".{path.name}.half")
            half.write_bytes(content)
            half.replace(path)
    except (PacketError, BrowserError, ConversionError, OfficeError) as error:
        return _Made(called, (), 0, f"拒绝：{error}")
    except OSError as error:
        return _Made(called, (), 0, f"没有写成：{error.strerror}")
    finally:
        bar.update(steps - bar.n)
    return _Made(called, tuple(contents), sum(map(len, contents.values())), "")


def _pictures(packet: Packet, moment: dt.datetime, browser: str) -> dict[str, bytes]:
    """Return the canvases of a packet, in a directory named like its files."""
    folder = file_name(packet, _PNG).removesuffix(f".{_PNG}")
    with one_at_a_time(_PATIENCE), Browser(browser) as drawing:
        return {
            f"{folder}/{name}": picture for name, picture in pictures_of(packet, moment, drawing)
        }


def _summary(made: Sequence[_Made], out: Path) -> None:
    for each in made:
        told = each.words or f"{len(each.files)}个文件，{each.bytes / 1024:,.0f} kB"
        click.echo(f"{'×' if each.words else '✓'} {each.place}：{told}")
    failed = sum(1 for each in made if each.words)
    click.echo(f"共{len(made)}份，写成{len(made) - failed}份，未成{failed}份；目录 {out}")
    if failed:
        sys.exit(1 if failed == len(made) else _SOME)


def _stop(words: str, code: int) -> NoReturn:
    click.echo(f"错误：{words}", err=True)
    sys.exit(code)
