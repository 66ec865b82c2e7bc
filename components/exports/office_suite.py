"""PDF through LibreOffice, where a server has it; nothing else of the product needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_SECONDS = 180
# The fonts of an official paper that a server may lack, and what stands in; without this the
# system takes Japanese shapes for Chinese characters.
_ALIASES = {
    "仿宋_GB2312": ("FangSong", "STFangsong", "FandolFang", "Noto Serif CJK SC"),
    "楷体_GB2312": ("KaiTi", "STKaiti", "FandolKai", "Noto Serif CJK SC"),
    "方正小标宋简体": ("STZhongsong", "Source Han Serif SC", "Noto Serif CJK SC"),
    "黑体": ("SimHei", "STHeiti", "Noto Sans CJK SC"),
    "微软雅黑": ("Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC"),
}
MISSING = "没有找到 LibreOffice"


class ConversionError(Exception):
    """A file that could not be converted; the message says why, in Chinese."""


def converter() -> str | None:
    """Return the program that converts; None where there is none."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def pdf_of(content: bytes, suffix: str) -> bytes:
    """Return an office file as PDF, texts and charts as vectors.

    Args:
        content: the file.
        suffix: docx or pptx.

    Raises:
        ConversionError: there is no converter, or it failed.
    """
    program = converter()
    if program is None:
        raise ConversionError(MISSING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / f"brief.{suffix}"
        source.write_bytes(content)
        fonts = folder / "fonts.conf"
        fonts.write_text(_fonts_conf(), encoding="utf-8")
        command = [
            program, "--headless", "--norestore", f"-env:UserInstallation=file://{name}/profile",
            "--convert-to", "pdf", "--outdir", name, str(source),
        ]  # fmt: skip
        environment = os.environ | {"FONTCONFIG_FILE": str(fonts), "HOME": name}
        try:
            subprocess.run(
                command, env=environment, timeout=_SECONDS, check=True, capture_output=True
            )
            return source.with_suffix(".pdf").read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise ConversionError(f"LibreOffice 没有生成 PDF：{type(error).__name__}") from error


def _fonts_conf() -> str:
    aliases = "".join(
        f'<alias binding="same"><family>{name}</family><prefer>'
        + "".join(f"<family>{each}</family>" for each in others)
        + "</prefer></alias>"
        for name, others in _ALIASES.items()
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f'<include ignore_missing="yes">/etc/fonts/fonts.conf</include>{aliases}</fontconfig>'
    )
