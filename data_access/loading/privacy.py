"""What must not be stored: columns about persons, numbers of telephones and ID cards in text."""

from __future__ import annotations

import re
import unicodedata

_PERSONAL = re.compile(
    r"姓名|名字$|联系电话|电话号码|手机|联系方式|联系人|住址|地址|身份证|证件|邮箱|电子邮件|微信|qq"
    r"|来电人|来电号码|来电电话|主叫|诉求人|反映人|投诉人|举报人|求助人|当事人|市民$|用户$|用户名"
    r"|昵称|车牌|银行卡|出生|性别|年龄|经办人|承办人|处理人|受理人|回访人|坐席|话务员"
    r"|phone|mobile|^tel$|address|email|e-mail|id_?card|^name$|_name$|caller"
)
_PERSONAL_EXACT = frozenset({"电话", "座机", "固话"})
# "是否联系诉求人" or "来电人次数" say something about the case.
_NOT_PERSONAL = re.compile(
    r"^是否|(时间|日期|结果|次数|数量|人数|情况|渠道)$|^(district|unit|topic|metric|indicator)_"
)


def normal_header(header: str) -> str:
    """Return a header for comparison: half width, lower case, without blanks and marks."""
    folded = unicodedata.normalize("NFKC", header).lower()
    return re.sub(r"[\s\u200b\ufeff*:]", "", folded)


def is_personal(header: str) -> bool:
    """Return whether a column with this header is about a person and must not be stored."""
    name = normal_header(header)
    if name in _PERSONAL_EXACT:
        return True
    return bool(_PERSONAL.search(name)) and not _NOT_PERSONAL.search(name)


MASK = "***"

# In the syntax that Python's re and DuckDB's RE2 share: \b stands between a letter or digit and
# anything else, Chinese included, so that the digits of a case number such as JS2021… stay.
_MONTH_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
MASKED_NUMBERS: tuple[tuple[str, str], ...] = (
    # ID card, 18 digits; the old one of 15.
    (rf"\b[1-9][0-9]{{5}}(?:18|19|20)[0-9]{{2}}{_MONTH_DAY}[0-9]{{3}}[0-9Xx]\b", MASK),
    (rf"\b[1-9][0-9]{{7}}{_MONTH_DAY}[0-9]{{3}}\b", MASK),
    # Mobile telephone, also written in groups, with +86 or with a label stuck to it.
    (
        r"(?i:\b(?:tel|phone|mobile|mob|wechat|wx|vx|qq|v|t)|\b)(?:\+?0?86[- ]?)?"
        r"1[3-9][0-9](?:[- ]?[0-9]{4}){2}\b",
        MASK,
    ),
    (r"\b1[3-9][0-9]{2}[- ]?[0-9]{3}[- ]?[0-9]{4}\b", MASK),
    # Landline with an area code.
    (r"\b0(?:10|2[0-9]|[3-9][0-9]{2})[-— )）]{0,2}[2-9][0-9]{6,7}\b", MASK),
    # Local number: only behind a word that says so, because dates and amounts look the same.
    (
        r"(电话|座机|致电|拨打|来电号码|联系方式)((?:号码)?[ 是为:：]*)"
        r"[2-9][0-9]{2,3}[- ]?[0-9]{4}\b",
        rf"\1\2{MASK}",
    ),
)
# Any text that one of the patterns can match has this; most texts have not.
MAYBE_NUMBER = r"[0-9０-９](?:[-— )）]{0,2}[0-9０-９]){6}"
FULL_WIDTH_DIGITS = "０１２３４５６７８９"
_TO_ASCII_DIGITS = str.maketrans(FULL_WIDTH_DIGITS, "0123456789")

_maybe_number = re.compile(MAYBE_NUMBER)
# RE2's \b knows ASCII letters only; so must Python's.
_masked_numbers = [(re.compile(pattern, re.ASCII), by) for pattern, by in MASKED_NUMBERS]


def mask(text: str) -> str:
    """Return a text with everything that looks like a telephone or ID number as ``***``.

    Full-width digits become plain ones wherever a long run of digits was found.
    """
    if not _maybe_number.search(text):
        return text
    masked = text.translate(_TO_ASCII_DIGITS)
    for pattern, by in _masked_numbers:
        masked = pattern.sub(by, masked)
    return masked


def masked_sql(expression: str) -> str:
    """Return the SQL expression that does to a text what ``mask`` does."""
    masked = f"translate({expression}, '{FULL_WIDTH_DIGITS}', '0123456789')"
    for pattern, by in MASKED_NUMBERS:
        masked = f"regexp_replace({masked}, '{pattern}', '{by}', 'g')"
    return (
        f"CASE WHEN regexp_matches({expression}, '{MAYBE_NUMBER}')"
        f" THEN {masked} ELSE {expression} END"
    )
