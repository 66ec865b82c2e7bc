"""What a person waits for, in headless Chromium against Gunicorn: bytes, last figure, clicks.

Bytes are those on the wire. A page is finished when no callback is under way and nothing in it
has changed for a while; the time is that of the paint after the last change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright
from playwright.sync_api import Page as Tab

from benchmarks.conversation import Page
from benchmarks.data_set import DataSet
from benchmarks.processes import served
from benchmarks.report import Figure, median, p95

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_QUIET_MS = 400
_LONGEST_SECONDS = 30
_LONGEST_WALK_SECONDS = 240

# Counts callbacks under way and keeps the time of the paint after the last change of the page.
_WATCH = """(() => {
  const seen = window.__seen = {open: 0, asked: 0, failed: 0, from: 0, changed: 0, painted: 0};
  const send = window.fetch;
  window.fetch = function (...rest) {
    const ours = String(rest[0]?.url ?? rest[0]).includes('_dash-update-component');
    if (!ours) return send.apply(this, rest);
    seen.open += 1; seen.asked += 1;
    return send.apply(this, rest)
      .then((answer) => { seen.failed += !answer.ok; return answer; })
      .finally(() => { seen.open -= 1; });
  };
  new MutationObserver(() => {
    seen.changed = performance.now();
    requestAnimationFrame(() => setTimeout(() => { seen.painted = performance.now(); }));
  }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  for (const kind of ['click', 'change'])
    addEventListener(kind, () => { seen.from ||= performance.now(); }, {capture: true});
})()"""
_NOW = """({...window.__seen, now: performance.now(),
  failed: window.__seen.failed + document.querySelectorAll('.state-error').length})"""
_AGAIN = "Object.assign(window.__seen, {asked: 0, from: 0, painted: 0})"


def measure(made: DataSet, pages: list[Page], repeat: int) -> list[Figure]:
    """Return bytes and time of first and next visit of every page, and the times of clicks."""
    executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with served(made.directory, made.database_url) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        try:
            figures = []
            for page in pages:
                visits: dict[str, list[tuple[float, float]]] = {"first": [], "next": []}
                for _ in range(max(repeat, 3)):
                    context = browser.new_context(viewport={"width": 1366, "height": 768})
                    for visit in visits.values():
                        visit.append(_visit(context, server.url + page.path))
                    context.close()
                for name, measured in visits.items():
                    sizes, times = zip(*measured, strict=True)
                    title = f"{page.name}: {name} visit"
                    figures += [
                        Figure(f"{title}, bytes", median(sizes) / 1e3, "kB", f"{name}_bytes"),
                        Figure(f"{title}, last figure", median(times), "s", f"{name}_time"),
                    ]
            context = browser.new_context(viewport={"width": 1366, "height": 768})
            clicks = _walk(context, server.url)
        finally:
            browser.close()
    waits = [click.milliseconds for click in clicks]
    scripts = [click.script_milliseconds for click in clicks]
    slowest = max(clicks, key=lambda click: click.milliseconds)
    note = f"slowest: {slowest.name}, {slowest.milliseconds:,.0f} ms"
    return [
        *figures,
        Figure("click → last paint, median", median(waits), "ms", "click_median",
               f"{len(clicks)} changes"),
        Figure("click → last paint, p95", p95(waits), "ms", "click_p95", note),
        Figure("of these: scripts in the browser, median", median(scripts), "ms"),
    ]  # fmt: skip


def _visit(context: BrowserContext, url: str) -> tuple[float, float]:
    """Return the bytes that came over the wire and the seconds to the last paint."""
    tab = context.new_page()
    tab.add_init_script(_WATCH)
    received: list[float] = []
    network = context.new_cdp_session(tab)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    tab.goto(url)
    painted = _settled(tab)["painted"]
    tab.close()
    return sum(received), painted / 1000


def _settled(tab: Tab) -> dict[str, Any]:
    """Return what was seen once a callback was asked for and everything has come to rest."""
    until = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < until:
        seen: dict[str, Any] = tab.evaluate(_NOW)
        at_rest = seen["now"] - seen["changed"] > _QUIET_MS
        if seen["asked"] and not seen["open"] and at_rest:
            if seen["failed"]:
                raise RuntimeError(f"{tab.url}: {seen['failed']} panels failed")
            return seen
        tab.wait_for_timeout(50)
    raise TimeoutError(f"{tab.url} does not come to rest")


@dataclass(frozen=True)
class Click:
    """One filter change made by hand: until its last paint, and what of it scripts took."""

    name: str
    milliseconds: float
    script_milliseconds: float


def _walk(context: BrowserContext, url: str) -> list[Click]:
    """Return filter changes on the first page, nearly all asked for the first time."""
    tab = context.new_page()
    tab.add_init_script(_WATCH)
    tab.goto(url)
    _settled(tab)
    network = context.new_cdp_session(tab)
    network.send("Performance.enable")
    clicks: list[Click] = []
    until = time.monotonic() + _LONGEST_WALK_SECONDS
    gave_up = False

    def script_seconds() -> float:
        metrics = network.send("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "ScriptDuration")

    def timed(name: str, act: Callable[[], Any]) -> None:
        nonlocal gave_up
        if gave_up or time.monotonic() > until:
            return
        tab.evaluate(_AGAIN)
        before = script_seconds()
        act()
        try:
            seen = _settled(tab)
        except TimeoutError:
            gave_up = True
            clicks.append(Click(f"{name} (given up)", 1000 * _LONGEST_SECONDS, 0))
            return
        script = 1000 * (script_seconds() - before)
        clicks.append(Click(name, seen["painted"] - seen["from"], script))

    def choose(control: str, value: str) -> None:
        timed(f"{control} {value}", lambda: tab.select_option(f"#filter-{control}", value))

    for kind in ("month", "quarter", "week", "assess"):
        choose("period-kind", kind)
        options = tab.locator("#filter-period option").all()
        values = [option.get_attribute("value") or "" for option in options]
        shown = tab.input_value("#filter-period")
        for value in [value for value in values if value not in ("", shown)][2:6]:
            choose("period", value)
    for control, value in (
        ("indicator", "composite"),
        ("compare", "year"),
        ("basis", "all"),
        ("compare", "none"),
        ("indicator", "satisfaction"),
    ):
        choose(control, value)
    tiles, clear = tab.locator("a.tile-link"), tab.locator("#filter-chips .chip-clear a")
    for place in range(4):
        timed("a district on the map", tiles.nth(place).click)
        timed("清除全部", clear.click)
    return clicks
