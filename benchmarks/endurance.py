"""Twenty browsers for minutes, while versions are published, a worker is killed, code reloaded.

Unlike ``crowd`` it asks what a person would see: an error on the screen, figures of two versions
side by side, a server that grows.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, Error, Page, async_playwright

from benchmarks.conversation import Page as Screen
from benchmarks.crowd import as_real_line
from benchmarks.load_speed import write_csv
from benchmarks.processes import CHECKOUT, CommandError, Server, environment, flask, served
from benchmarks.report import Figure, median, p95
from data_access.store import Snapshot

_BROWSERS = 20
_PAUSE_SECONDS = 20.0
_LONGEST_WAIT_MS = 60_000
_NEW_CASES = 2_000
_PUBLISH_EVERY_SECONDS = 100.0
_LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WATCH = """
window.underWay = 0;
window.askedFor = 0;
const fetched = window.fetch;
window.fetch = (...request) => {
  window.underWay += 1;
  window.askedFor += 1;
  return fetched(...request).finally(() => { window.underWay -= 1; });
};
"""
# As a link of the board does; then something is asked, and then all is quiet.
_FOLLOW = """address => {
  window.askedFor = 0;
  history.pushState({}, "", address);
  window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
}"""
_QUIET = """() => window.askedFor > 0
  && window.underWay === 0
  && document.querySelectorAll("main h1").length === 1
  && !document.querySelector("[data-dash-is-loading=true], .skeleton")"""
# What a person would see of a fault, and the data versions that the page names.
_SEEN = """() => ({
  lost: Boolean(document.querySelector("#connection-lost")),
  failed: document.querySelectorAll("[class*=state-error]").length,
  versions: [...new Set([...document.querySelectorAll("main")].flatMap(
    (each) => each.innerText.match(/(?<=数据版本\\s*)(?:real|demo)[-0-9.]+/g) || []))],
  headline: document.querySelector(".figure-card .figure-value")?.innerText || "",
  whole: [...document.querySelectorAll("#overview-places .table-total td")]
    .map((each) => each.innerText),
})"""


def measure(
    snapshot: Snapshot, root: Path, pages: list[Screen], changes: dict[str, str], minutes: float
) -> list[Figure]:
    """Return what people saw, how long they waited, and how the workers' memory went."""
    directory = Path(tempfile.mkdtemp(prefix="endurance-", dir=root))
    try:
        as_real_line(snapshot, directory)
        with served(directory) as server:
            return asyncio.run(
                _Watch(snapshot, directory, server, pages, changes, 60 * minutes).figures()
            )
    finally:
        shutil.rmtree(directory)


class _Watch:
    def __init__(
        self, snapshot: Snapshot, directory: Path, server: Server, pages: list[Screen],
        changes: dict[str, str], seconds: float,
    ) -> None:  # fmt: skip
        self._snapshot, self._directory, self._server = snapshot, directory, server
        self._pages, self._searches = pages, list(changes.values())
        self._seconds, self._started = seconds, time.monotonic()
        self._waits: list[float] = []
        self._seen: Counter[str] = Counter()
        self._versions: set[str] = set()
        # Seconds since the start → memory of the largest worker.
        self._memory: list[tuple[float, int]] = []
        self._published = self._killed = self._reloaded = 0

    @property
    def _left(self) -> float:
        return self._seconds - (time.monotonic() - self._started)

    async def figures(self) -> list[Figure]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=[*_LAUNCH]
            )
            self._started = time.monotonic()
            await asyncio.gather(
                self._publish(), self._disturb(), self._weigh(),
                *(self._person(browser, number) for number in range(_BROWSERS)),
            )  # fmt: skip
            await browser.close()
        first, last = self._memory_of(0.1, 0.4), self._memory_of(0.7, 1.0)
        what = f"{self._published} published, {self._killed} killed, {self._reloaded} reloads"
        told = ", ".join(f"{name} {number}" for name, number in self._seen.most_common(5))
        return [
            Figure("filter changes in browsers", len(self._waits), "", "",
                   f"{_BROWSERS} browsers, {self._seconds / 60:.0f} min, {what}, "
                   f"{len(self._versions)} versions seen"),
            Figure("change → quiet page, p50", 1000 * median(self._waits), "ms"),
            Figure("change → quiet page, p95", 1000 * p95(self._waits), "ms"),
            Figure("faults that a person would see", sum(self._seen.values()), "", "errors", told),
            Figure("largest worker, first third", first / 1e6, "MB"),
            Figure("largest worker, last third", last / 1e6, "MB", "", f"× {last / first:.2f}"),
        ]  # fmt: skip

    def _memory_of(self, begin: float, end: float) -> float:
        shares = [(at / self._seconds, size) for at, size in self._memory]
        return median([float(size) for share, size in shares if begin <= share <= end])

    async def _person(self, browser: Browser, number: int) -> None:
        order = random.Random(number)
        context = await browser.new_context(viewport={"width": 1366, "height": 768})
        await context.add_init_script(_WATCH)
        page = await context.new_page()
        page.set_default_timeout(_LONGEST_WAIT_MS)
        page.on("pageerror", lambda error: self._note(f"error {str(error)[:80]}"))
        await asyncio.sleep(order.uniform(0, _PAUSE_SECONDS))
        at = ""
        while self._left > 0:
            screen, search = order.choice(self._pages), order.choice(self._searches)
            if at == screen.path + search:
                continue  # nothing is asked where one already is
            at = screen.path + search
            began = time.monotonic()
            try:
                if page.url == "about:blank":
                    await page.goto(self._server.url + screen.path + search)
                else:
                    await page.evaluate(_FOLLOW, screen.path + search)
                await page.wait_for_function(_QUIET)
                self._waits.append(time.monotonic() - began)
                await self._look(page)
            except Error as error:
                self._note(f"{screen.path}: {str(error).splitlines()[0][:80]}")
            await asyncio.sleep(order.uniform(0.5, 1.5) * _PAUSE_SECONDS)
        await context.close()

    async def _look(self, page: Page) -> None:
        seen: dict[str, Any] = await page.evaluate(_SEEN)
        if seen["lost"]:
            self._note("connection lost")
        if seen["failed"]:
            self._note("a panel failed")
        self._versions.update(seen["versions"])
        if len(seen["versions"]) > 1:
            self._note(f"versions {seen['versions']}")
        # 总览 tells the volume twice, in two panels that are asked apart.
        volume = seen["headline"].split()[:1]
        if (
            seen["whole"]
            and volume
            and not any(each.split()[:1] == volume for each in seen["whole"])
        ):
            self._note(f"{volume} is not in the table: {seen['whole'][:4]}")

    def _note(self, what: str) -> None:
        self._seen[what] += 1

    async def _publish(self) -> None:
        """Publish new cases again and again; each load has numbers of its own."""
        for round_ in itertools.count():
            await asyncio.sleep(min(_PUBLISH_EVERY_SECONDS, max(self._left, 0)))
            if self._left < _PUBLISH_EVERY_SECONDS / 2:
                return
            new_cases = self._directory / f"new-{round_}.csv"
            write_csv(self._snapshot, new_cases, _NEW_CASES, suffix=f"N{round_}")
            load = await asyncio.create_subprocess_exec(
                *flask("data", "load", str(new_cases), "--accept"), cwd=CHECKOUT,
                env=environment(self._directory),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, told = await load.communicate()
            if load.returncode:
                raise CommandError(told.decode("utf-8", "replace")[-500:])
            self._published += 1

    async def _disturb(self) -> None:
        """Kill a worker twice, and reload the code once in between."""
        for share in (0.35, 0.5, 0.65):
            await asyncio.sleep(max(0.0, share * self._seconds - (self._seconds - self._left)))
            if share == 0.5:
                self._server.process.send_signal(signal.SIGHUP)
                self._reloaded += 1
            else:
                workers = psutil.Process(self._server.process.pid).children()
                random.Random(share).choice(workers).kill()
                self._killed += 1

    async def _weigh(self) -> None:
        while self._left > 0:
            try:
                largest = max(self._server.worker_rss(), default=0)
            except psutil.Error:
                largest = 0  # it was just killed
            if largest:
                self._memory.append((self._seconds - self._left, largest))
            await asyncio.sleep(2)
