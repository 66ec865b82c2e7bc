"""The page for a failed request: plain HTML, since the app itself may be what failed."""

from __future__ import annotations

from html import escape

_WORDS = {
    400: ("请求无法识别", "请返回总览重新打开。"),
    401: ("需要登录", "请回到总览，登录后再试。"),
    403: ("无权查看", "本账号不能打开这一页。需要时请联系管理员。"),
    404: ("没有这个页面", "地址可能已更改。"),
    405: ("请求无法识别", "请返回总览重新打开。"),
    413: ("请求过大", "请减少筛选条件。"),
}
_FAILED = ("页面暂时打不开", "请稍后重试；仍不行时，把下面的编号告诉管理员。")


def error_page(status: int, reference: str) -> str:
    """Return the HTML of an error page.

    Args:
        status: HTTP status.
        reference: stands in the request log beside what happened.
    """
    title, advice = _WORDS.get(status, _FAILED)
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
        '<body style="font-family:sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem">'
        f"<h1>{title}</h1><p>{advice}</p><p>编号 <code>{escape(reference)}</code></p>"
        '<p><a href="/">回到总览</a></p></body></html>'
    )
