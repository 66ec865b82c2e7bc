/* Copy link, print, wall theme, filters on a phone. One listener each on the document: Dash
   replaces elements at will. */
(() => {
  "use strict";

  const THEME = "board-theme";

  const announce = (words) => {
    let region = document.getElementById("announcements");
    if (!region) {
      region = document.createElement("div");
      region.id = "announcements";
      region.className = "visually-hidden";
      region.setAttribute("role", "status");
      document.body.append(region);
    }
    region.textContent = words;
  };

  // Without a secure origin there is no clipboard: an office network is often plain http.
  const copyByHand = (text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.setAttribute("readonly", "");
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };

  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch {
        return copyByHand(text);
      }
    }
    return copyByHand(text);
  };

  // assets/32-figure-menu.js copies too.
  window.boardCopy = copy;

  const copyLink = async (button) => {
    const link = new URL(button.dataset.copyLink || window.location.href, window.location.href);
    const done = await copy(link.href);
    button.dataset.state = done ? "done" : "failed";
    announce(done ? button.dataset.done : `${button.dataset.failed}: ${link.href}`);
    button.focus();
    window.setTimeout(() => delete button.dataset.state, 2000);
  };

  const showTheme = (theme) => {
    const wall = theme === "wall";
    document.documentElement.toggleAttribute("data-theme", wall);
    if (wall) {
      document.documentElement.dataset.theme = "wall";
    }
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.setAttribute("aria-pressed", String(wall));
    }
    // Graphs measure themselves only then.
    window.dispatchEvent(new Event("resize"));
  };

  const storedTheme = () => {
    try {
      return window.localStorage.getItem(THEME);
    } catch {
      return null;
    }
  };

  const switchTheme = () => {
    const theme = document.documentElement.dataset.theme === "wall" ? "light" : "wall";
    try {
      window.localStorage.setItem(THEME, theme);
    } catch {
      // Storage may be forbidden; the theme then lasts until the page is left.
    }
    showTheme(theme);
  };

  const toggle = (button) => {
    const target = document.getElementById(button.dataset.toggle);
    const open = target.toggleAttribute("data-open");
    button.setAttribute("aria-expanded", String(open));
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(
      "[data-copy-link], [data-print], [data-theme-switch], [data-toggle]",
    );
    if (!button) {
      return;
    }
    if ("copyLink" in button.dataset) {
      copyLink(button);
    } else if ("print" in button.dataset) {
      window.print();
    } else if ("themeSwitch" in button.dataset) {
      switchTheme();
    } else {
      toggle(button);
    }
  });

  // A graph has the width of the screen; a viewBox lets the paper scale it, still as vectors.
  window.addEventListener("beforeprint", () => {
    for (const svg of document.querySelectorAll(".js-plotly-plot .main-svg")) {
      const [width, height] = ["width", "height"].map((name) => svg.getAttribute(name));
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.parentElement.style.setProperty("--shape", `${width} / ${height}`);
    }
  });
  window.addEventListener("afterprint", () => {
    for (const svg of document.querySelectorAll(".js-plotly-plot .main-svg")) {
      svg.removeAttribute("viewBox");
    }
  });

  // The header is drawn by Dash after this file has run.
  showTheme(storedTheme());
  const drawn = new MutationObserver(() => {
    if (document.querySelector("[data-theme-switch]")) {
      drawn.disconnect();
      showTheme(storedTheme());
    }
  });
  drawn.observe(document.documentElement, { childList: true, subtree: true });
})();
