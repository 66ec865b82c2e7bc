/* The menu of a figure (components/panel.py): copy it as a picture, as text or as a link, take its
   picture or its table as a file. A picture says what it covers, as the head of the page does. */
(() => {
  "use strict";

  // Fetched at the first picture only.
  const PICTURES = new URL("00-vendor/modern-screenshot.mjs", document.currentScript.src);
  const SOURCE = "接诉即办 · 每月一题 督办看板";
  // Of a picture, in device pixels per pixel of the page.
  const SCALE = 2;
  const UNWANTED = ".panel-menu, .panel-actions, .table-twin, .visually-hidden, .info-mark";
  // What spreadsheets take for a formula; plain numbers are none.
  const FORMULA = /^[=+\-@\t\r＝＋－＠]/;
  const NUMBER = /^[+\-−]?[\d,.]+ ?%?$/;

  let open = null;

  // --- What a figure says of itself ------------------------------------------------------------

  const words = (element) => {
    const parts = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const hidden = walker.currentNode.parentElement.closest(".visually-hidden, [aria-hidden=true]");
      const text = walker.currentNode.data.trim();
      if (text && !hidden) parts.push(text);
    }
    // A picture in a cell says what it shows.
    return parts.join(" ") || element.querySelector("[aria-label]")?.ariaLabel || "";
  };
  const titleOf = (section) => section.querySelector("h2").textContent;
  const facts = () => [...document.querySelectorAll(".strip-facts > *")].map(words).join(" · ");
  const note = (section) => {
    const element = section.querySelector(".panel-note");
    return element ? words(element) : "";
  };
  const sentence = (section) =>
    [...section.querySelectorAll(".panel-sentence, article")].map(words).join("\n");
  const fileName = (section, suffix) => {
    const about = document.querySelector(".strip-facts > *")?.textContent ?? "";
    return `${titleOf(section)} ${about}`.replace(/[\\/:*?"<>|\s]+/g, "_").slice(0, 80) + suffix;
  };
  const tables = (section) => {
    const twins = [...section.querySelectorAll(".table-twin table")];
    return twins.length ? twins : [...section.querySelectorAll("table")];
  };

  // --- Files -----------------------------------------------------------------------------------

  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  const field = (text) => {
    const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const lines = (table) =>
    [...table.rows].map((row) =>
      [...row.cells].flatMap((cell) => [words(cell), ...Array(cell.colSpan - 1).fill("")]));

  const tableFile = (section) => {
    const head = [[titleOf(section)], [facts()], [note(section)], []].filter(
      (line) => line[0] !== "");
    const body = tables(section).flatMap((table) => [...lines(table), []]);
    const text = [...head, ...body].map((line) => line.map(field).join(",")).join("\r\n");
    // The mark tells Excel the encoding.
    return new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" });
  };

  // --- Picture ---------------------------------------------------------------------------------

  const sheetOf = (section) => {
    const copy = section.cloneNode(true);
    for (const each of copy.querySelectorAll(UNWANTED)) each.remove();
    const foot = document.createElement("p");
    foot.className = "figure-foot";
    foot.append(...document.querySelector(".strip-facts").cloneNode(true).childNodes);
    foot.append(`来源：${SOURCE}`);
    const sheet = document.createElement("div");
    sheet.className = "figure-sheet";
    const wide = Math.max(0, ...[...section.querySelectorAll(".table-scroll")].map(
      (each) => each.scrollWidth - each.clientWidth));
    sheet.style.width = `${section.offsetWidth + wide}px`;
    sheet.append(copy, foot);
    return sheet;
  };

  const picture = async (section) => {
    const { domToBlob } = await import(PICTURES.href);
    const holder = document.createElement("div");
    holder.className = "figure-holder";
    holder.setAttribute("aria-hidden", "true");
    const sheet = sheetOf(section);
    holder.append(sheet);
    // Below main: its styles hold there.
    (section.closest(".page") ?? document.body).append(holder);
    try {
      return await domToBlob(sheet, { scale: SCALE, backgroundColor: "#ffffff", type: "image/png" });
    } finally {
      holder.remove();
    }
  };

  // --- What the menu does ----------------------------------------------------------------------

  const copyText = async (text, done) =>
    (await window.boardCopy(text)) ? done : "浏览器不允许复制";

  const ACTIONS = {
    复制为图片: async (section) => {
      const drawn = picture(section);
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": drawn })]);
        return "图片已复制";
      } catch {
        // Without a secure origin there is no clipboard for pictures.
        save(await drawn, fileName(section, ".png"));
        return "浏览器不允许复制图片，已改为下载";
      }
    },
    下载图片: async (section) => {
      save(await picture(section), fileName(section, ".png"));
      return "图片已下载";
    },
    下载表格: async (section) => {
      save(tableFile(section), fileName(section, ".csv"));
      return "表格已下载";
    },
    复制文字: (section) => {
      const text = [`${titleOf(section)}：${sentence(section)}`, note(section), facts()];
      return copyText(text.filter(Boolean).join("\n"), "文字已复制");
    },
    复制链接: (section) => {
      const complete = document.querySelector("[data-copy-link]")?.dataset.copyLink;
      const link = new URL(complete || window.location.href, window.location.href);
      link.hash = section.closest("[id]")?.id ?? "";
      return copyText(link.href, "链接已复制");
    },
  };

  // --- The menu --------------------------------------------------------------------------------

  const say = (near, text) => {
    let line = document.getElementById("figure-said");
    if (!line) {
      line = document.createElement("div");
      line.id = "figure-said";
      line.setAttribute("role", "status");
      document.body.append(line);
    }
    const box = near.getBoundingClientRect();
    line.style.top = `${window.scrollY + box.bottom + 4}px`;
    line.style.right = `${document.documentElement.clientWidth - box.right}px`;
    line.textContent = text;
    window.clearTimeout(line.timer);
    line.timer = window.setTimeout(() => line.replaceChildren(), 4000);
  };

  const close = (focus = false) => {
    if (!open) return;
    open.menu.remove();
    open.button.setAttribute("aria-expanded", "false");
    if (focus) open.button.focus();
    open = null;
  };

  const run = async (action, { button, section }) => {
    close(true);
    say(button, "正在准备…");
    try {
      say(button, await ACTIONS[action](section));
    } catch {
      say(button, "没有成功，请重试");
    }
  };

  const show = (button) => {
    const section = button.closest("section");
    const menu = document.createElement("div");
    menu.className = "figure-menu";
    menu.setAttribute("role", "menu");
    menu.setAttribute("aria-label", button.getAttribute("aria-label"));
    for (const name of Object.keys(ACTIONS)) {
      if (name === "下载表格" && !tables(section).length) continue;
      const item = document.createElement("button");
      item.type = "button";
      item.tabIndex = -1;
      item.setAttribute("role", "menuitem");
      item.textContent = name;
      menu.append(item);
    }
    const box = button.getBoundingClientRect();
    menu.style.top = `${window.scrollY + box.bottom + 4}px`;
    menu.style.right = `${document.documentElement.clientWidth - box.right}px`;
    document.body.append(menu);
    button.setAttribute("aria-expanded", "true");
    open = { menu, button, section };
    menu.firstChild.focus();
  };

  document.addEventListener("click", (event) => {
    const item = event.target.closest?.(".figure-menu [role=menuitem]");
    if (item) {
      run(item.textContent, open);
      return;
    }
    const button = event.target.closest?.("[data-figure-menu]");
    const again = open && button === open.button;
    close();
    if (button && !again) show(button);
  });

  document.addEventListener("keydown", (event) => {
    if (!open) return;
    const items = [...open.menu.children];
    const at = items.indexOf(document.activeElement);
    const to = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[to].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      close(true);
    }
  });
  // A page that changes below the menu would leave it over something else.
  window.addEventListener("popstate", () => close());
  window.addEventListener("resize", () => close());

  // --- A link to one figure --------------------------------------------------------------------

  // The figures are drawn after the page has loaded: the browser finds nothing to go to.
  const target = () => document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  if (window.location.hash) {
    const settled = new MutationObserver(() => {
      if (target() && !document.querySelector("main .skeleton")) target().scrollIntoView();
    });
    const stop = () => settled.disconnect();
    settled.observe(document.documentElement, { childList: true, subtree: true });
    for (const kind of ["wheel", "touchstart", "keydown", "pointerdown"]) {
      window.addEventListener(kind, stop, { once: true, passive: true });
    }
    window.setTimeout(stop, 15_000);
  }
})();
