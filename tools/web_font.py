"""Noto Sans SC as a web font that stays small.

Nearly every client has a Chinese system font, and our style sheet names those first: such a client
downloads nothing. For the others the package's hundred slices would cost 1.4 MB on a page of 400
different characters (they follow general frequency, not our words) and 16 kB of style sheet on
every client. So three fonts are made of the slices: the characters that our own files use, and the
two levels of the national standard GB 2312 for what people write into cases.
"""

import hashlib
import re
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from fontTools import subset
from fontTools.ttLib import TTFont

FAMILY = "Noto Sans SC Variable"

ASCII = frozenset(range(0x20, 0x7F))

# Only what Chinese system fonts have too: a symbol that they lack (emoji, some arrows) would make
# every client fetch a font for one glyph.
_BLOCKS = (
    ASCII,
    range(0xB0, 0xB8),  # ° ± ·
    range(0x2010, 0x2027),  # dashes, curly quotes, ellipsis
    range(0x25A0, 0x2600),  # geometric shapes
    range(0x3000, 0x3030),  # Chinese punctuation
    range(0x3400, 0x4DC0),  # Han, extension A
    range(0x4E00, 0xA000),  # Han
    range(0xFF01, 0xFF5F),  # full-width forms
)
_WANTED = frozenset(code for block in _BLOCKS for code in block)

# Layout features and hints of a whole slice: drawing Chinese text needs none of them, and each
# would have to be merged. Advance widths vary through gvar as well.
_DROPPED = ["BASE", "GDEF", "GPOS", "GSUB", "HVAR", "VVAR", "gasp", "prep", "vhea", "vmtx"]

_FACE = re.compile(r"url\(\./(files/[^)]+)\).*?unicode-range:\s*([^;]+);", re.DOTALL)


class Slice(NamedTuple):
    """One file of the package and the code points it is to be used for."""

    path: Path
    codes: frozenset[int]


def gb2312(first_row: int, last_row: int) -> frozenset[int]:
    """The Han code points of these rows: 16–55 is level 1 (common), 56–87 level 2."""
    rows = range(0xA0 + first_row, 0xA0 + last_row + 1)
    pairs = (bytes([row, cell]) for row in rows for cell in range(0xA1, 0xFF))
    # The last row of level 1 is not full.
    return frozenset(ord(text) for pair in pairs if (text := pair.decode("gb2312", "ignore")))


def drawable(package: Path, codes: Collection[int]) -> frozenset[int]:
    """Those of the code points that we would take from the package's font."""
    return frozenset(code for part in _slices(package) for code in part.codes & frozenset(codes))


def cut(package: Path, codes: Collection[int]) -> bytes:
    """One variable font (woff2) that draws those of the code points that the package has.

    Raises: ValueError where it has none.
    """
    parts = [
        Slice(part.path, part.codes & frozenset(codes))
        for part in _slices(package)
        if part.codes & frozenset(codes)
    ]
    if not parts:
        raise ValueError("the font draws none of the characters")
    # The slices were all cut from one font: axes, scale and names agree, so that glyphs can be
    # carried over together with their variations.
    whole = _subset(parts[0], "0")
    order = whole.getGlyphOrder()
    characters = dict(whole.getBestCmap())
    for number, part in enumerate(parts[1:], start=1):
        font = _subset(part, str(number))
        characters.update(font.getBestCmap())
        for glyph in font.getGlyphOrder():
            whole["glyf"].glyphs[glyph] = font["glyf"][glyph]
            whole["hmtx"].metrics[glyph] = font["hmtx"].metrics[glyph]
            whole["gvar"].variations[glyph] = font["gvar"].variations.get(glyph, [])
            order.append(glyph)
    whole.setGlyphOrder(order)
    whole["glyf"].glyphOrder = order
    for table in whole["cmap"].tables:
        table.cmap = characters
    whole["post"].formatType = 3.0  # no glyph names
    whole.flavor = "woff2"
    buffer = BytesIO()
    whole.save(buffer)
    return buffer.getvalue()


def file_name(stem: str, font: bytes) -> str:
    """A name that changes with the content, so that browsers may keep the file for ever."""
    return f"{stem}-{hashlib.sha256(font).hexdigest()[:10]}.woff2"


def face(url: str, unicode_range: str) -> str:
    """The CSS rule that offers the font at `url` for the range."""
    return (
        f'@font-face{{font-family:"{FAMILY}";font-style:normal;font-weight:100 900;'
        f'font-display:swap;src:url({url}) format("woff2");unicode-range:{unicode_range}}}\n'
    )


def css_range(codes: Collection[int]) -> str:
    """The CSS unicode-range of the code points."""
    spans: list[tuple[int, int]] = []
    for code in sorted(codes):
        if spans and code == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], code)
        else:
            spans.append((code, code))
    return ",".join(f"U+{a:x}" if a == b else f"U+{a:x}-{b:x}" for a, b in spans)


def _slices(package: Path) -> list[Slice]:
    """The package's files with the wanted code points of each; none occurs twice."""
    parts: list[Slice] = []
    taken: set[int] = set()
    for name, ranges in _FACE.findall((package / "wght.css").read_text(encoding="utf-8")):
        codes = (_codes(ranges) & _WANTED) - taken
        if codes:
            taken |= codes
            parts.append(Slice(package / name, frozenset(codes)))
    return parts


def _codes(ranges: str) -> set[int]:
    """The code points of a CSS unicode-range."""
    codes: set[int] = set()
    for span in ranges.split(","):
        first, _, last = span.strip().removeprefix("U+").partition("-")
        codes.update(range(int(first, 16), int(last or first, 16) + 1))
    return codes


def _subset(part: Slice, prefix: str) -> TTFont:
    """The slice's font with only the glyphs asked for, their names made unique by `prefix`."""
    font = TTFont(part.path, recalcTimestamp=False)
    font.setGlyphOrder([f"{prefix}.{name}" for name in font.getGlyphOrder()])
    options = subset.Options()
    options.drop_tables += _DROPPED
    options.layout_features = []
    options.hinting = False
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=part.codes)
    subsetter.subset(font)
    return font
