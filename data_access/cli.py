"""The command line ``flask data …``: preview, load, status, rollback and demo.

Exit codes: 0 done, or nothing new; 1 the file, the mapping or the installation is at fault;
2 wrong usage; 3 stopped for a person to confirm with ``--accept``; 4 another load is running;
5 not enough room on the disk. Whatever is not 0 has left the published data as it was.
"""

from __future__ import annotations

import datetime as dt
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

# The server imports this module only to register the commands: what they need comes with them.
if TYPE_CHECKING:
    from data_access.loading.load import LoadResult
    from data_access.publishing import PublishedVersion
    from data_access.settings import Settings
    from data_access.versions import VersionKey

Command = TypeVar("Command", bound=Callable[..., Any])

_LOCKED = 4


@click.group("data", help="导入数据、查看版本、回退、生成演示数据。")
def data_cli() -> None:
    """Group the commands about data."""


def _plain_errors(command: Command) -> Command:
    """Return the command, saying expected errors in a line or two on stderr."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        import pydantic

        from data_access.loading.errors import LoadError, database_errors
        from data_access.loading.load import TooMuchDamageError
        from data_access.versions import LockedError, StoreError
        from domain.rules import RuleError

        try:
            with database_errors():
                command(*args, **kwargs)
        except TooMuchDamageError as error:
            _show(error.result)
            _stop(str(error), error.exit_code)
        except LoadError as error:
            _stop(str(error), error.exit_code)
        except LockedError as error:
            _stop(str(error), _LOCKED)
        except StoreError as error:
            full = "no space left" in str(error).lower()
            _stop("磁盘已满，没有发布，原有数据不受影响" if full else str(error), 5 if full else 1)
        except RuleError as error:
            _stop(str(error), 1)
        except pydantic.ValidationError as error:
            wrong = "；".join(
                f"BOARD_{'_'.join(map(str, one['loc'])).upper()}：{one['msg']}"
                for one in error.errors()
            )
            _stop(f"设置有误：{wrong}", 1)
        except KeyboardInterrupt:
            _stop("已中断，没有发布，原有数据不受影响", 1)

    return run  # type: ignore[return-value]


def _stop(message: str, code: int) -> None:
    click.echo(f"错误：{message}", err=True)
    sys.exit(code)


class _Bars:
    """Progress on stderr: bytes while reading, then a share; silent where nobody watches."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._reading = False
        self._share = 0.0

    def start(self, total_bytes: int) -> None:
        from tqdm import tqdm

        self._reading = True
        self._bar = tqdm(
            desc="读取", total=total_bytes, unit="B", unit_scale=True, disable=None, leave=False
        )

    def advance(self, read_bytes: int) -> None:
        self._bar.update(read_bytes)

    def stage(self, what: str, share: float | None = None) -> None:
        from tqdm import tqdm

        if self._bar is None or self._reading:
            self.close()
            self._reading = False
            self._bar = tqdm(
                total=1, disable=None, leave=False, bar_format="{desc} {bar} {elapsed}"
            )
        self._bar.set_description_str(what)
        if share is not None:
            self._bar.update(share - self._share)
            self._share = share

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _CutOff(click.ParamType):
    """A day (up to its end) or a moment."""

    name = "日期"

    def convert(self, value: Any, param: Any, ctx: Any) -> dt.datetime:
        if isinstance(value, dt.datetime):
            return value
        for pattern in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"):
            try:
                return dt.datetime.strptime(value, pattern)
            except ValueError:
                continue
        try:
            day = dt.date.fromisoformat(value)
        except ValueError:
            self.fail(f"“{value}”不是日期（例：2021-04-12 或 2021-04-12 18:00）", param, ctx)
        return dt.datetime.combine(day, dt.time(23, 59, 59))


_cutoff_option = click.option(
    "--cutoff", type=_CutOff(), help="数据截至（默认：数据中最新的时间）。例：2021-04-12"
)


@data_cli.command("load", help="导入文件（CSV、TSV、XLSX、Parquet、gz、zip）或目录，一次发布。")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="文件…")
@click.option("--mapping", type=click.Path(path_type=Path), help="映射文件（TOML）。")
@click.option(
    "--table",
    help="文件是哪张表；默认看文件名（如 districts.csv），再看映射文件，否则为诉求 cases。",
)
@click.option("--learn", is_flag=True, help="把没见过的区、街道、分类、单位加入基础数据。")
@click.option("--dry-run", is_flag=True, help="只算账，不发布。")
@click.option("--accept", is_flag=True, help="拒收或发现超过上限时仍然发布。")
@_cutoff_option
@click.option("--city", help="城市名，显示在页面上；默认看映射文件，否则不变。")
@click.option("--new-line", is_flag=True, help="另起一条数据线，不与现有数据合并。")
@_plain_errors
def load_command(paths: tuple[Path, ...], **options: Any) -> None:
    """Load files as one version."""
    from data_access.loading.load import LoadRequest, load
    from data_access.settings import Settings

    if options["cutoff"] is not None:
        options["cutoff"] = _not_later_than_now(options["cutoff"])
    bars = _Bars()
    try:
        result = load(Settings(), LoadRequest(paths, **options), bars)
    finally:
        bars.close()
    _show(result)
    if result.published is None:
        click.echo("试算完毕，没有发布。")
    elif not result.published.changed:
        click.echo(f"与现有版本 {result.published.key} 完全相同，没有产生新版本。")
    else:
        click.echo(f"已发布：{_described(result.published)}")


def _not_later_than_now(cutoff: dt.datetime) -> dt.datetime:
    from data_access.publishing import SHANGHAI

    now = dt.datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0)
    if cutoff.date() > now.date():
        raise click.BadParameter(f"{cutoff:%Y-%m-%d} 在将来", param_hint="--cutoff")
    return min(cutoff, now)


def _show(result: LoadResult) -> None:
    if result.account.files:
        click.echo(result.account.printed())
    if result.rejects is not None:
        click.echo(f"拒收的行：{result.rejects}")
    for hint in result.hints:
        click.echo(f"提示：{hint}")


@data_cli.command(
    "preview",
    help="查看文件：编码、表头、没有把握的地方；建议的映射写到标准输出，可用 > 存成文件。",
)
@click.argument("path", type=click.Path(path_type=Path), metavar="文件")
@click.option("--encoding", help="文字编码（默认自动识别）。")
@click.option("--sheet", help="工作表（默认第一张不空的）。")
@click.option("--header-row", type=click.IntRange(min=1), help="表头在第几行。")
@_plain_errors
def preview_command(path: Path, **options: Any) -> None:
    """Show what a file is (on stderr) and the mapping it suggests (on stdout)."""
    from data_access.loading.preview import preview
    from data_access.loading.sources import ReadOptions, find_files

    for file in find_files([path])[0]:
        for one in preview(file, ReadOptions(**options)):
            click.echo("\n".join(one.lines), err=True)
            click.echo("\n建议的映射（存为 .toml 文件，用 --mapping 指明）：\n", err=True)
            click.echo(one.mapping)


@data_cli.command("status", help="查看现有版本。")
@_plain_errors
def status_command() -> None:
    """List the kept versions, the newest first."""
    from data_access.publishing import versions
    from data_access.settings import Settings

    kept = versions(Settings())
    if not kept:
        click.echo("还没有数据。运行 flask data demo 生成演示数据，或 flask data load 导入。")
    for version in kept:
        click.echo(f"{'▶' if version.is_current else ' '} {_described(version)}")


@data_cli.command("rollback", help="回退到上一个版本，或指定的版本（如 real-1.4 或 4）。")
@click.argument("version", required=False, metavar="[版本]")
@_plain_errors
def rollback_command(version: str | None) -> None:
    """Make an earlier version the current one."""
    from data_access.publishing import rollback
    from data_access.settings import Settings

    click.echo(f"现在使用：{_described(rollback(Settings(), version))}")


@data_cli.command("demo", help="生成演示数据并发布（不与真实数据合并）。")
@click.option("--cases", type=click.IntRange(min=1), help="诉求件数（默认：真实规模，300 余万）。")
@click.option("--seed", type=click.IntRange(min=0), help="随机种子：同一种子总得到同样的数据。")
@click.option("--cutoff", type=click.DateTime(["%Y-%m-%d"]), help="数据截至日期。例：2021-04-12")
@click.option("--if-empty", is_flag=True, help="已有数据时什么也不做。")
@_plain_errors
def demo_command(
    cases: int | None, seed: int | None, cutoff: dt.datetime | None, if_empty: bool
) -> None:
    """Generate and publish the demo."""
    from data_access.demo import DEFAULT_CUTOFF, DEFAULT_SEED, generate
    from data_access.loading.errors import LoadError
    from data_access.publishing import publish
    from data_access.settings import Settings
    from data_access.versions import loader_lock, staging_dir

    settings = Settings()
    if if_empty and (current := _readable(settings)):
        click.echo(f"已有数据（{current}），没有生成演示数据。")
        return
    bars = _Bars()
    try:
        with loader_lock(settings):
            try:
                staged = generate(
                    staging_dir(settings) / "demo.duckdb",
                    cases=cases,
                    seed=DEFAULT_SEED if seed is None else seed,
                    cutoff=DEFAULT_CUTOFF if cutoff is None else cutoff.date(),
                    progress=bars.stage,
                )
            except ValueError as error:
                raise LoadError(str(error)) from None
            published = publish(settings, staged, bars.stage)
    finally:
        bars.close()
    if published.changed:
        click.echo(f"已发布：{_described(published)}")
    else:
        click.echo(f"与现有演示数据完全相同，没有产生新版本：{_described(published)}")


def _readable(settings: Settings) -> VersionKey | None:
    """Return the current version, if there is one to keep.

    A demo that other code made is none: it is made again. Real data is never replaced by a demo.
    """
    from data_access.versions import DEMO_LINE, LayoutError, check_layout, open_versions

    versions = open_versions(settings)
    current = versions.current()
    if current is not None and current.line == DEMO_LINE:
        try:
            check_layout(versions, current)
        except LayoutError:
            return None
    return current


def _described(version: PublishedVersion) -> str:
    kind = "演示数据" if version.line == "demo" else version.city or "未写城市"
    return (
        f"{version.key}（{kind}）· {version.cases:,} 件 · 数据截至 {version.cutoff:%Y-%m-%d %H:%M}"
        f" · 发布于 {version.published_at:%Y-%m-%d %H:%M}"
    )
