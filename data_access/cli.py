"""The command line: ``flask data …``, ``flask user …``, ``flask office …``, ``flask audit …``.

Exit codes: 0 done, or nothing new; 1 the file, the mapping or the installation is at fault;
2 wrong usage; 3 stopped for a person to confirm with ``--accept``; 4 another load is running;
5 not enough room on the disk. Whatever is not 0 has left the published data as it was.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

# The server imports this module only to register the commands: what they need comes with them.
if TYPE_CHECKING:
    from data_access.backup import Backup
    from data_access.loading.load import LoadResult
    from data_access.office.audit import Action
    from data_access.publishing import PublishedVersion
    from data_access.settings import Settings
    from data_access.versions import VersionKey

Options = ParamSpec("Options")

_LOCKED = 4
# Of a load: whoever is at a screen comes first on a machine that does both.
_NICENESS = 10
# Who is told in the audit: whoever may run commands on the server.
_COMMAND_LINE = "命令行"


@click.group("data", help="导入数据、查看版本、回退、生成演示数据。")
def data_cli() -> None:
    """Group the commands about data."""


def _plain_errors(command: Callable[Options, None]) -> Callable[Options, None]:
    """Return the command, saying expected errors in a line or two on stderr."""

    @functools.wraps(command)
    def run(*args: Options.args, **kwargs: Options.kwargs) -> None:
        import pydantic

        from data_access.loading.errors import LoadError, database_errors
        from data_access.loading.load import TooMuchDamageError
        from data_access.office.book import OfficeError
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
        except (RuleError, OfficeError) as error:
            _stop(str(error), 1)
        except pydantic.ValidationError as error:
            wrong = "；".join(
                f"BOARD_{'_'.join(map(str, one['loc'])).upper()}：{one['msg']}"
                for one in error.errors()
            )
            _stop(f"设置有误：{wrong}", 1)
        except KeyboardInterrupt:
            _stop("已中断，没有发布，原有数据不受影响", 1)

    return run


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

    settings = Settings()
    _can_record(settings)
    if options["cutoff"] is not None:
        options["cutoff"] = _not_later_than_now(options["cutoff"])
    # Threads that are started from here on inherit it.
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    bars = _Bars()
    try:
        result = load(settings, LoadRequest(paths, **options), bars)
    finally:
        bars.close()
    _show(result)
    if result.published is None:
        click.echo("试算完毕，没有发布。")
    elif not result.published.changed:
        click.echo(f"与现有版本 {result.published.key} 完全相同，没有产生新版本。")
    else:
        click.echo(f"已发布：{_described(result.published)}")
        files = result.account.files
        told = "、".join(f"{file.name}（{file.table}）" for file in files)
        _record(settings, "load", f"{result.published.key}：{told}")
        if any(file.table == "rules" for file in files):
            _record(settings, "rules", f"{result.published.key}")


def _can_record(settings: Settings) -> None:
    """Fail before anything is published rather than publish what nobody hears of."""
    from data_access.office.accounts import has_accounts
    from data_access.office.book import open_book

    book = open_book(settings)
    has_accounts(book)
    book.close()


def _record(settings: Settings, action: Action, what: str) -> None:
    from data_access.office.audit import record
    from data_access.office.book import open_book

    book = open_book(settings)
    record(book, _COMMAND_LINE, action, what)
    book.close()


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

    settings = Settings()
    _can_record(settings)
    current = rollback(settings, version)
    _record(settings, "rollback", current.key)
    click.echo(f"现在使用：{_described(current)}")


@data_cli.command("backup", help="备份现行版本和办公库到一个文件；服务不必停。")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="文件")
@_plain_errors
def backup_command(file: Path) -> None:
    """Write a backup file."""
    from data_access.backup import back_up
    from data_access.office.book import open_book
    from data_access.settings import Settings

    settings = Settings()
    click.echo(f"已备份：{_held(back_up(settings, file, open_book(settings).file))}")


@data_cli.command("restore", help="从备份文件恢复；--check 只检查备份是否完整。")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="文件")
@click.option("--check", is_flag=True, help="只检查，不恢复。")
@click.option("--force", is_flag=True, help="替换已有的办公库；须先停止服务。")
@_plain_errors
def restore_command(file: Path, check: bool, force: bool) -> None:
    """Put back what a backup file holds."""
    from data_access.backup import look, restore
    from data_access.office.book import open_book
    from data_access.settings import Settings

    if check:
        click.echo(f"备份完整：{_held(look(file))}")
        return
    settings = Settings()
    held = restore(settings, file, open_book(settings).file, force=force)
    _record(settings, "restore", _held(held))
    click.echo(f"已恢复：{_held(held)}")


def _held(held: Backup) -> str:
    parts = [f"{held.made_at:%Y-%m-%d %H:%M}"]
    if held.version is not None:
        parts.append(f"版本 {held.version}")
    if held.office:
        parts.append("办公库")
    return f"{' · '.join(parts)} · {held.bytes / 1e6:,.1f} MB"


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
    _can_record(settings)
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
        _record(settings, "load", f"{published.key}：演示数据")
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


# --- Accounts -----------------------------------------------------------------------------------


@click.group("user", help="账号：添加、停用、启用、改密码、列出。")
def user_cli() -> None:
    """Group the commands about accounts."""


_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="从标准输入读密码（一行），不提问。"
)


@user_cli.command("add", help="添加账号；密码会提问两次。")
@click.argument("name", metavar="账号")
@click.option(
    "--role",
    required=True,
    type=click.Choice(["leader", "supervisor", "district", "unit", "data_officer", "auditor"]),
    help="角色，见 docs/accounts.md。",
)
@click.option("--place", "places", multiple=True, help="区或承办单位的代码；可写多次。")
@click.option("--sso", is_flag=True, help="没有密码：只从单点登录或代理进入。")
@_password_stdin
@_plain_errors
def add_command(
    name: str, role: Any, places: tuple[str, ...], sso: bool, password_stdin: bool
) -> None:
    """Add an account."""
    from data_access.office.accounts import add_account
    from data_access.office.book import open_book
    from data_access.settings import Settings

    settings = Settings()
    password = None if sso else _password(password_stdin)
    account = add_account(open_book(settings), name, role, places, password)
    listed = f"（{'、'.join(sorted(account.places))}）" if account.places else ""
    _record(settings, "account", f"添加 {account.name}：{role}{listed}")
    click.echo(f"已添加账号 {account.name}：{role}{listed}")
    _warn_of_unknown(settings, account.places)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("密码", hide_input=True, confirmation_prompt="再输一次")
    return answer


def _warn_of_unknown(settings: Settings, places: frozenset[str]) -> None:
    from data_access.store import open_store

    store = open_store(settings)
    current = store.current() if places else None
    if current is not None:
        reference = current.reference
        known = {*reference.districts["code"], *reference.units["code"]}
        for code in sorted(places - known):
            click.echo(
                f"提示：现有数据没有代码“{code}”的区或单位，该账号看不到任何数据。", err=True
            )
    store.close()


@user_cli.command("disable", help="停用账号；其登录随下一次操作结束。")
@click.argument("name", metavar="账号")
@_plain_errors
def disable_command(name: str) -> None:
    """Disable an account."""
    _set_disabled(name, True)


@user_cli.command("enable", help="重新启用账号。")
@click.argument("name", metavar="账号")
@_plain_errors
def enable_command(name: str) -> None:
    """Enable an account."""
    _set_disabled(name, False)


def _set_disabled(name: str, disabled: bool) -> None:
    from data_access.office.accounts import set_disabled
    from data_access.office.book import open_book
    from data_access.settings import Settings

    settings = Settings()
    set_disabled(open_book(settings), name, disabled)
    done = "停用" if disabled else "启用"
    _record(settings, "account", f"{done} {name}")
    click.echo(f"已{done}账号 {name}")


@user_cli.command("passwd", help="改密码；该账号现有的登录全部结束。")
@click.argument("name", metavar="账号")
@_password_stdin
@_plain_errors
def passwd_command(name: str, password_stdin: bool) -> None:
    """Give an account another password."""
    from data_access.office.accounts import set_password
    from data_access.office.book import open_book
    from data_access.settings import Settings

    settings = Settings()
    set_password(open_book(settings), name, _password(password_stdin))
    _record(settings, "account", f"改密码 {name}")
    click.echo(f"已更改 {name} 的密码")


@user_cli.command("list", help="列出账号。")
@_plain_errors
def list_command() -> None:
    """List the accounts."""
    from data_access.office.accounts import list_accounts
    from data_access.office.book import open_book
    from data_access.settings import Settings
    from domain.accounts import ROLES

    listed = list_accounts(open_book(Settings()))
    if not listed:
        click.echo("还没有账号：只能在本机免登录使用。")
    for account in listed:
        facts = [
            account.name,
            f"{account.role}（{ROLES[account.role].label}）",
            "、".join(sorted(account.places)),
            "停用" if account.disabled else "",
            "" if account.has_password else "无密码",
            f"最近登录 {account.signed_in_at:%Y-%m-%d %H:%M}"
            if account.signed_in_at
            else "未登录过",
        ]
        click.echo(" · ".join(filter(None, facts)))


# --- Office book --------------------------------------------------------------------------------


@click.group("office", help="办公库（账号、审计等）。")
def office_cli() -> None:
    """Group the commands about the office book."""


@office_cli.command("upgrade", help="建立或更新办公库的表；SQLite 会自动更新。")
@_plain_errors
def upgrade_command() -> None:
    """Bring the tables of the office book to this version of the code."""
    from data_access.office.book import open_book
    from data_access.settings import Settings

    open_book(Settings()).upgrade()
    click.echo("办公库已是最新。")


@click.group("audit", help="审计。")
def audit_cli() -> None:
    """Group the commands about the audit."""


@audit_cli.command("verify", help="逐条核对审计记录的校验链。")
@_plain_errors
def verify_command() -> None:
    """Check every line of the audit against the one before it; 1 when one is wrong."""
    from data_access.office.audit import verify
    from data_access.office.book import open_book
    from data_access.settings import Settings

    lines, last, wrong = verify(open_book(Settings()))
    if wrong is not None:
        _stop(f"审计第 {wrong} 条与校验链不符：此条或其前的记录被改动或删除", 1)
    click.echo(f"共 {lines:,} 条，校验链完整。最后一条的校验值：{last}")
    click.echo("请与服务日志中最后一条 audit 的 number 和 hash 对照，末尾有无缺失只有它知道。")
