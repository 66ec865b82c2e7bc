"""A browser window on the board."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, TimeoutError

from domain.filters import PAGE_OPTIONS, POSITIONS

# Counts what is under way and the frames since anything changed, so that a test can wait for quiet
# instead of for a time: frames, because a busy page draws none.
_WATCH = """
window.underWay = 0;
window.quietFrames = 0;
const fetched = window.fetch;
window.fetch = (...request) => {
  window.underWay += 1;
  window.quietFrames = 0;
  return fetched(...request).finally(() => {
    window.underWay -= 1;
    window.quietFrames = 0;
  });
};
new MutationObserver(() => { window.quietFrames = 0; })
  .observe(document, {childList: true, characterData: true, subtree: true});
const frame = () => {
  window.quietFrames += 1;
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""
# The title shows the question that the navigation carries on, but for what one page alone has.
_QUIET = """() => {
  const own = $OWN;
  const asked = new URL(document.querySelector("#nav a")?.href || location.href).searchParams;
  const link = document.querySelector("main [data-copy-link]")?.dataset.copyLink;
  const shown = link ? new URL(link, location.href).searchParams : asked;
  return [...asked].every(([name, value]) => shown.get(name) === value)
  && [...shown.keys()].every((name) => asked.has(name) || own.includes(name))
  && window.underWay === 0
  && window.quietFrames > 8
  && document.querySelectorAll("main h1").length === 1
  && !document.querySelector("[data-dash-is-loading=true], .skeleton")
  && [...document.querySelectorAll(".graph")].every((graph) => graph.querySelector(".main-svg"))
  && document.fonts.status === "loaded";
}""".replace("$OWN", json.dumps(["period", "version", *PAGE_OPTIONS, *POSITIONS]))

# Why it is not.
_STATE = """() => ({
  underWay: window.underWay,
  quietFrames: window.quietFrames,
  headings: document.querySelectorAll("main h1").length,
  loading: [...document.querySelectorAll("[data-dash-is-loading=true], .skeleton")].slice(0, 5)
    .map((each) => each.outerHTML.slice(0, 150)),
  notDrawn: document.querySelectorAll(".graph").length
    - document.querySelectorAll(".graph:has(.main-svg)").length,
  fonts: document.fonts.status,
})"""
# A busy machine is no fault of the board.
_PATIENCE = 90_000


class Screen:
    """One page of a browser context, and what went wrong in it."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self.page.add_init_script(_WATCH)
        self.page.on("console", lambda message: self._note("console", message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("request", lambda request: self._check(request.url))
        self.page.on(
            "response",
            lambda response: (
                response.status >= 400 and self._note(str(response.status), response.url)
            ),
        )

    def _note(self, kind: str, text: str) -> None:
        self.faults.append(f"{kind}: {text}")

    def _check(self, url: str) -> None:
        if not url.startswith((self.origin + "/", "data:", "blob:" + self.origin)):
            self._note("elsewhere", url)

    def open(self, path: str) -> None:
        """Open an address and wait for its figures."""
        self.page.goto(self.origin + path)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is under way and everything is drawn."""
        try:
            self.page.wait_for_function(_QUIET)
        except TimeoutError as error:
            state = self.run(_STATE)
            raise AssertionError(f"{self.page.url}: {state}; faults {self.faults}") from error

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window and wait until the page has followed."""
        self.page.set_viewport_size({"width": width, "height": height})
        # Graphs follow a little later.
        self.page.wait_for_function(
            """() => [...document.querySelectorAll(".js-plotly-plot")].every(
              (graph) => Math.abs(graph.clientWidth - graph._fullLayout.width) < 2)"""
        )
        self.settle()

    @property
    def path(self) -> str:
        """The address without the origin."""
        return self.page.url.removeprefix(self.origin)

    def wait_for_path(self, path: str) -> None:
        """Wait for an address, as the board itself writes it, and then for its figures."""
        self.page.wait_for_url(self.origin + path)
        self.page.wait_for_function(
            "() => new URL(document.querySelector('#nav a').href).search === location.search"
        )
        self.settle()

    def text(self, selector: str) -> str:
        """Return the visible text of the first match."""
        return self.page.locator(selector).first.inner_text()

    def texts(self, selector: str) -> list[str]:
        """Return the text of every match."""
        return self.page.locator(selector).all_inner_texts()

    def run(self, script: str, argument: Any = None) -> Any:
        """Return what a function of JavaScript returns."""
        return self.page.evaluate(script, argument)
