"""Who is signed in, and the pages around signing in: plain HTML, which needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dash import html
from dash.development.base_component import Component

from components.shell import PRODUCT, PRODUCT_SUFFIX

WORKSTATION_WORDS = "本机使用 · 免登录"


def account_part(
    account: str, label: str, token: str | None, *, workstation: bool = False
) -> Component:
    """Return who is signed in, with the button that signs out.

    Args:
        account: name of the account.
        label: the role.
        token: goes with the form against forgery; None where one cannot sign out here.
        workstation: nobody has to sign in.
    """
    if workstation:
        return html.Span(WORKSTATION_WORDS, className="account-name")
    name = html.Span([html.Strong(account), html.Span(label)], className="account-name")
    if token is None:
        return name
    return html.Div(
        [
            name,
            html.Form(
                [
                    # A submitted form names the button that was pressed.
                    html.Button(
                        "退出", type="submit", name="csrf_token", value=token, className="sign-out"
                    )
                ],
                action="/sign-out",
                method="post",
            ),
        ],
        className="account-signed-in",
    )


def session_ended(href: str) -> Component:
    """Return the banner that takes the place of answers once a session has ended."""
    return html.Div(
        [html.Strong("登录已过期"), html.P(html.A("重新登录", href=href))],
        className="notice session-ended",
        role="alert",
    )


def sign_in_page(
    action: str,
    token: str,
    style_href: str,
    *,
    name: str = "",
    problems: Sequence[str] = (),
    sso_href: str | None = None,
    with_password: bool = True,
) -> str:
    """Return the HTML of the sign-in page.

    Args:
        action: where the form goes.
        token: goes with the form against forgery.
        style_href: the style sheet.
        name: the account that was typed.
        problems: what went wrong, in words.
        sso_href: starts single sign-on; None where there is none.
        with_password: shows the form for a local account.
    """
    told = "".join(f"<li>{escape(each)}</li>" for each in problems)
    form = (
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="csrf_token" value="{escape(token)}">'
        '<label for="name">账号</label>'
        f'<input id="name" name="name" value="{escape(name)}" autocomplete="username" '
        'autocapitalize="none" spellcheck="false" maxlength="60" required autofocus>'
        '<label for="password">密码</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        'maxlength="200" required>'
        '<button type="submit">登录</button></form>'
    )
    sso = f'<p><a class="sso" href="{escape(sso_href)}">单点登录</a></p>' if sso_href else ""
    return _page(
        "登录",
        style_href,
        "<h1>登录</h1>"
        + (f'<ul class="sign-in-problems" role="alert">{told}</ul>' if problems else "")
        + (form if with_password else "")
        + sso,
    )


def message_page(title: str, words: str, style_href: str, href: str, link: str) -> str:
    """Return the HTML of a page that says one thing and leads on."""
    return _page(
        title,
        style_href,
        f"<h1>{escape(title)}</h1><p>{escape(words)}</p>"
        f'<p><a href="{escape(href)}">{escape(link)}</a></p>',
    )


def _page(title: str, style_href: str, body: str) -> str:
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · {PRODUCT}{PRODUCT_SUFFIX}</title>"
        f'<link rel="stylesheet" href="{escape(style_href)}"></head>'
        f'<body class="sign-in-page"><header><strong>{PRODUCT}</strong> {PRODUCT_SUFFIX}</header>'
        f'<main class="sign-in">{body}</main></body></html>'
    )
