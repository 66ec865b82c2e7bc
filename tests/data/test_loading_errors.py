"""Bad input for real: each is said in a line or two, and the old version keeps serving."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import shutil
import zipfile
from collections import namedtuple

import pytest
from click.testing import CliRunner

from data_access.cli import data_cli
from data_access.settings import Settings
from data_access.store import open_store

HEADER = "工单编号,受理时间,区,诉求内容\n"
GOOD = HEADER + "1,2021-03-01 09:00:00,朝阳区,暖气不热\n"


@pytest.fixture
def board(tmp_path, monkeypatch):
    """Return a function that runs ``flask data …`` on a store that serves one case."""
    monkeypatch.setenv("BOARD_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.delenv("BOARD_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(data_cli, [str(argument) for argument in arguments])

    good = tmp_path / "good.csv"
    good.write_text(GOOD, encoding="utf-8")
    result = run("load", good, "--learn")
    assert result.exit_code == 0, result.output
    assert "已发布：real-1.1" in result.stdout
    return run


def refused(board, *arguments, code=1):
    """Return what a refused load says on stderr."""
    result = board("load", *arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("错误：")
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") <= 3
    store = open_store(Settings())
    current = store.current()
    assert current is not None
    assert current.key == "real-1.1"
    store.close()
    assert not list((Settings().data_dir / "staging").iterdir())
    return result.stderr


def write(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


NOISE = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "a.csv：文件是空的"),
        ("a.csv", b"\xef\xbb\xbf", "a.csv：文件是空的"),
        ("a.csv", b"\n \n", "a.csv：文件是空的"),
        ("a.csv", HEADER, "a.csv：只有表头，没有数据行"),
        ("a.csv", NOISE, "a.csv：不是文本文件"),
        ("a.csv", b"%PDF-1.7 x" + b"y" * 100, "a.csv：不是文本文件"),
        (
            "a.csv",
            "工单编号,受理时间\n气".encode("shift-jis", "replace") + b"\x80\xfd\xff" * 40,
            "编码",
        ),
        ("a.csv", "工单编号,受理时间,区,区\n1,2021-03-01,a,b\n", "都叫“区”（第 3 列和第 4 列）"),
        ("a.csv", "1,2021-03-01\n2,2021-03-02\n", "缺表头"),
        ("a.csv", "张,来,的\n1,2,3\n", "表头里认不出工单编号、受理时间"),
        ("a.csv", "工单编号,受理时间,创建时间\n1,2021-1-1,2021-1-1\n", "都像“受理时间”"),
        ("a.csv", "<html><table><tr><td>1</td></tr></table>", "是网页"),
        ("a.csv", '[{"工单编号": 1}]', "JSON"),
        ("a.csv", '工单编号,"受理时间\n1,2\n', "表头"),
        ("a.csv.gz", gzip.compress(GOOD.encode() * 500)[:-40], "压缩文件不完整或已损坏"),
        ("a.csv.gz", b"\x1f\x8b\x08" + b"x" * 50, "压缩文件不完整或已损坏"),
        ("a.zip", b"PK\x03\x04" + b"x" * 50, "压缩文件不完整或已损坏"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0" + b"x" * 600, "工作簿打不开"),
        ("a.parquet", b"PAR1" + b"x" * 50, "Parquet 文件不完整或已损坏"),
    ],
)
def test_files_that_cannot_be_read(board, tmp_path, name, content, said):
    assert said in refused(board, write(tmp_path, content, name))


def test_archives_and_workbooks_that_lack_something(board, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.pdf", "x")
    assert "压缩包里没有 CSV" in refused(board, tmp_path / "a.zip")
    (tmp_path / "empty").mkdir()
    assert "目录里没有可以导入的文件" in refused(board, tmp_path / "empty")
    assert "没有这个文件" in refused(board, tmp_path / "none.csv")
    sheet = shutil.copy(write(tmp_path, b"x"), tmp_path / "b.csv")
    assert refused(board, sheet)


def test_wrong_mappings_and_tables(board, tmp_path):
    good = tmp_path / "good.csv"
    mapping = write(tmp_path, '[columns]\ncase_id = "工单编号"\ncreated_at = "时间"\n', "m.toml")
    assert "“时间”（是不是“受理时间”？）" in refused(board, good, "--mapping", mapping)
    assert "没有这个映射文件" in refused(board, good, "--mapping", tmp_path / "none.toml")
    assert "没有名为“x”的表" in refused(board, good, "--table", "x")
    mapping = write(
        tmp_path,
        '[columns]\ncase_id = "工单编号"\ncreated_at = "受理时间"\nchannel = "诉求内容"\n',
        "m.toml",
    )
    many = HEADER + "".join(f"{n},2021-03-01,朝阳区,第{n}件\n" for n in range(600))
    said = refused(board, write(tmp_path, many), "--mapping", mapping)
    assert "诉求渠道有 500 种以上不同的值" in said


def test_too_much_damage_asks_for_confirmation(board, tmp_path):
    path = write(tmp_path, GOOD + "2,昨天,朝阳区,x\n")
    result = board("load", path)
    assert result.exit_code == 3
    assert "拒收 1 行，占 50.0%" in result.stderr
    assert "--accept" in result.stderr
    assert "拒收：受理时间空缺或读不出，1 行" in result.stdout
    assert board("load", path, "--accept").exit_code == 0
    nothing = write(tmp_path, HEADER + "2,昨天,朝阳区,x\n")
    assert "所有行都被拒收" in board("load", nothing, "--accept").stderr


def test_a_second_loader_is_told_at_once(board, tmp_path):
    with (Settings().data_dir / "load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "另一个导入正在进行" in refused(board, tmp_path / "good.csv", code=4)


def test_a_file_too_big_for_the_disk_is_refused_before(board, tmp_path, monkeypatch):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(10 << 30)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 2 << 30))
    said = refused(board, path, code=5)
    assert "约需 16.1 GB，可用 2.1 GB" in said


def test_a_disk_that_fills_up_in_the_middle(board, tmp_path, monkeypatch):
    from data_access.loading import case_staging

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(case_staging, "_merge_duplicates", full)
    path = write(tmp_path, GOOD.replace("1,", "2,"))
    assert "磁盘已满" in refused(board, path, code=5)


def test_wrong_settings_are_named(board, tmp_path, monkeypatch):
    monkeypatch.setenv("BOARD_LOADER_THREADS", "many")
    result = board("load", tmp_path / "good.csv")
    assert result.exit_code == 1
    assert "BOARD_LOADER_THREADS" in result.stderr


def test_wrong_usage(board, tmp_path):
    assert board("load").exit_code == 2
    assert board("load", tmp_path / "good.csv", "--cutoff", "昨天").exit_code == 2
    assert board("load", tmp_path / "good.csv", "--cutoff", "2199-01-01").exit_code == 2


def test_the_way_of_a_new_file(board, tmp_path):
    path = write(tmp_path, "单号,来电时间,联系电话,是否联系,x\n7,2021-03-01,13800001111,未知,1\n")
    result = board("preview", path)
    assert result.exit_code == 0, result.output
    assert "必需的字段没有对应的列：工单编号" in result.stderr
    assert "是否联系：不认识的值 未知" in result.stderr
    assert "个人信息列，不会导入：联系电话" in result.stderr
    assert "1380000" not in result.output
    mapping = result.stdout.replace('# case_id = "?"', 'case_id = "单号"')
    mapping = mapping.replace('# "未知" = "?"', '"未知" = ""')
    result = board("load", path, "--mapping", write(tmp_path, mapping, "m.toml"), "--dry-run")
    assert "试算完毕，没有发布" in result.stdout
    result = board("load", path, "--mapping", tmp_path / "m.toml", "--cutoff", "2021-03-31")
    assert "已发布：real-1.2" in result.stdout
    assert "数据截至 2021-03-31 23:59" in result.stdout
    result = board("load", path, "--mapping", tmp_path / "m.toml")
    assert result.exit_code == 0
    status = board("status").stdout
    assert status.splitlines()[0].startswith("▶ real-1.")
    assert "现在使用：real-1.1" in board("rollback", "real-1.1").stdout
    assert board("rollback", "real-9.9").exit_code == 1


def test_demo_only_where_there_is_nothing(board):
    result = board("demo", "--if-empty")
    assert result.exit_code == 0
    assert "已有数据（real-1.1）" in result.stdout
    assert board("demo", "--cutoff", "1999-01-01").exit_code == 1
