"""What tools/vendor_assets.py put into assets/ is complete and in the order that pages need."""

import gzip
import re
from pathlib import Path

import brotli
import pytest
from fontTools.ttLib import TTFont

from tools import vendor_assets, web_font

ASSETS = vendor_assets.ASSETS
FONT_CSS = ASSETS / "00-vendor-2-fonts.css"


@pytest.fixture(scope="module", autouse=True)
def _put_in_place() -> None:
    assert vendor_assets.main() == 0


@pytest.fixture(scope="module")
def our_font() -> TTFont:
    """The font that draws the characters of our own files."""
    (path,) = vendor_assets.FETCHED.glob("noto-sans-sc-ours-*.woff2")
    return TTFont(path)


def test_dash_loads_bootstrap_then_fonts_then_plotly_then_its_locale_then_ours() -> None:
    names = [path.name for path in ASSETS.iterdir() if path.suffix in {".css", ".js"}]
    vendored = [name for name in names if name.startswith("00-vendor")]
    assert sorted(vendored) == [
        "00-vendor-1-bootstrap.min.css",
        "00-vendor-2-fonts.css",
        "00-vendor-3-plotly-basic.min.js",
        "00-vendor-4-plotly-zh-cn.js",
    ]
    assert sorted(names)[: len(vendored)] == sorted(vendored)


def test_the_compressed_files_hold_the_same_content() -> None:
    for path in ASSETS.glob("00-vendor-*"):
        if path.suffix in {".css", ".js"}:
            content = path.read_bytes()
            assert gzip.decompress(Path(f"{path}.gz").read_bytes()) == content
            assert brotli.decompress(Path(f"{path}.br").read_bytes()) == content


def test_no_vendored_style_sheet_or_script_names_a_file_that_is_not_there() -> None:
    for path in ASSETS.glob("00-vendor-*.css"):
        for url in re.findall(r"url\(([^)]+)\)", path.read_text(encoding="utf-8")):
            if not url.strip("\"'").startswith(("data:", "#")):
                assert (ASSETS / url).is_file(), url


def test_licences_lie_beside_the_files() -> None:
    for name in vendor_assets.LICENCES:
        text = (vendor_assets.FETCHED / f"LICENCE-{name}.txt").read_text(encoding="utf-8")
        assert "license" in text.lower()


def test_the_plotly_locale_knows_the_messages_of_the_plotly_that_is_served() -> None:
    plotly = (ASSETS / "00-vendor-3-plotly-basic.min.js").read_text(encoding="utf-8")
    locale = (ASSETS / "00-vendor-4-plotly-zh-cn.js").read_text(encoding="utf-8")
    for message in vendor_assets.NEWER_MESSAGES:
        assert message in plotly
        assert message in locale


def test_our_font_draws_every_chinese_character_of_our_files(our_font: TTFont) -> None:
    ours = {ord(text) for text in vendor_assets.our_characters() if "\u4e00" <= text <= "\u9fff"}
    drawn = our_font.getBestCmap()
    assert {chr(code) for code in ours if code not in drawn} == set()
    assert {*b"0123456789 %.,"} <= drawn.keys()


def test_our_font_keeps_its_weights(our_font: TTFont) -> None:
    (axis,) = our_font["fvar"].axes
    assert (axis.axisTag, axis.minValue, axis.maxValue) == ("wght", 100, 900)
    glyph = our_font.getBestCmap()[ord("办")]
    assert our_font["gvar"].variations[glyph]


def test_digits_are_equally_wide(our_font: TTFont) -> None:
    glyphs = [our_font.getBestCmap()[code] for code in b"0123456789"]
    assert len({our_font["hmtx"][glyph][0] for glyph in glyphs}) == 1


def test_the_style_sheet_prefers_our_font_to_the_large_ones() -> None:
    names = re.findall(r"noto-sans-sc-(ours|level-\d)", FONT_CSS.read_text(encoding="utf-8"))
    assert names == ["level-2", "level-1", "ours"]


def test_gb2312_has_its_standard_sizes() -> None:
    assert (len(web_font.gb2312(16, 55)), len(web_font.gb2312(56, 87))) == (3755, 3008)


def test_css_range_joins_neighbours() -> None:
    assert web_font.css_range({0x4E02, 0x4E00, 0x4E01, 0x4E05}) == "U+4e00-4e02,U+4e05"


def test_a_font_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the characters"):
        web_font.cut(vendor_assets.FONT, {0x10FFFF})
