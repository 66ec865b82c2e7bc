"""Office files that are the same bytes whenever they are made from the same content."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile

# The first day that a ZIP file can tell.
_DAY = (1980, 1, 1, 0, 0, 0)
_STAMPS = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:(?:created|modified)>)")


def sealed(content: bytes, moment: dt.datetime) -> bytes:
    """Return an office file whose own times are all one moment, files inside it too.

    Args:
        content: of a docx, pptx or xlsx file.
        moment: when what it shows was settled, Asia/Shanghai.
    """
    stamp = utc_stamp(moment).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith((".xlsx", ".docx", ".pptx")):
                data = sealed(data, moment)
            elif name == "docProps/core.xml":
                data = _STAMPS.sub(rb"\g<1>" + stamp + rb"\g<3>", data)
            member = zipfile.ZipInfo(name, _DAY)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            new.writestr(member, data)
    return file.getvalue()


def utc_stamp(moment: dt.datetime) -> str:
    """Return a moment of Asia/Shanghai as office files write it: 2021-04-12T01:30:00Z."""
    return (moment - dt.timedelta(hours=8)).isoformat(timespec="seconds") + "Z"
