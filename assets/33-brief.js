/* What is written into a draft is kept in this browser tab, by question: another period or place may
   be looked at and the edits are there when one comes back. An edit of a paragraph that has changed
   since (later data) is offered, never put in by itself. */
(() => {
  "use strict";

  const STORED = "board-brief-edits";
  const read = () => {
    try {
      return JSON.parse(window.sessionStorage.getItem(STORED)) ?? {};
    } catch {
      return {};
    }
  };
  const write = (edits) => {
    try {
      window.sessionStorage.setItem(STORED, JSON.stringify(edits));
    } catch {
      // Without storage the text is in its field, as long as the question stays.
    }
  };

  const changed = (text, draft) => text.trim() !== draft.trim();
  const fieldOf = (paragraph) => paragraph.querySelector("textarea");
  const mark = (paragraph) => paragraph.classList.toggle(
    "is-edited", changed(fieldOf(paragraph).value, paragraph.dataset.draft));

  const keep = (asked, key, edit) => {
    const edits = read();
    const own = edits[asked] ?? {};
    if (edit) own[key] = edit;
    else delete own[key];
    edits[asked] = own;
    write(edits);
  };

  const put = (paragraph, text) => {
    const field = fieldOf(paragraph);
    window.dash_clientside.set_props(JSON.parse(field.id), { value: text });
    // The mark follows the field, which is drawn anew in a moment.
    window.setTimeout(bringBack, 50);
  };

  // --- Writing -------------------------------------------------------------------------------

  document.addEventListener("input", (event) => {
    if (!event.target.matches?.(".brief-edit textarea")) return;
    const paragraph = event.target.closest("[data-draft]");
    if (!paragraph) return;
    const { draft, key, asked } = paragraph.dataset;
    const text = event.target.value;
    mark(paragraph);
    keep(asked, key, changed(text, draft) ? { draft, text } : null);
  });

  // --- Coming back ---------------------------------------------------------------------------

  // A section may be drawn more than once, and its fields with it.
  const ATTEMPTS = 20;
  const attempts = new WeakMap();

  const offer = (paragraph, key, { text }) => {
    const line = document.createElement("p");
    line.className = "brief-offer";
    line.dataset.offer = key;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "action";
    button.textContent = "用这段改动";
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "action";
    drop.textContent = "丢弃";
    line.append(`数据更新前写的改动：${text}`, button, drop);
    const { asked, draft } = paragraph.dataset;
    button.addEventListener("click", () => {
      const field = fieldOf(paragraph);
      const both = paragraph.dataset.key === key || !field.value
        ? text : `${field.value}${text}`;
      keep(asked, key, null);
      keep(asked, paragraph.dataset.key, { draft, text: both });
      put(paragraph, both);
      line.remove();
    });
    drop.addEventListener("click", () => {
      keep(asked, key, null);
      line.remove();
    });
    paragraph.append(line);
  };

  const bringBack = () => {
    const paragraphs = [...document.querySelectorAll(".brief-paragraph[data-asked]")];
    if (!paragraphs.length) return;
    const edits = read();
    for (const line of document.querySelectorAll(".brief-offer")) {
      const { asked } = line.parentElement.dataset;
      if (!edits[asked]?.[line.dataset.offer]) line.remove();
    }
    const found = new Map(paragraphs.map((each) => [`${each.dataset.asked} ${each.dataset.key}`, each]));
    for (const asked of new Set(paragraphs.map((each) => each.dataset.asked))) {
      for (const [key, edit] of Object.entries(edits[asked] ?? {})) {
        const own = found.get(`${asked} ${key}`);
        if (own && own.dataset.draft === edit.draft) {
          const count = attempts.get(own) ?? 0;
          if (fieldOf(own).value === edit.text) {
            attempts.delete(own);
          } else if (count < ATTEMPTS) {
            attempts.set(own, count + 1);
            put(own, edit.text);
          }
          continue;
        }
        // A paragraph that is no more: its text goes to the room for additions.
        const place = own ?? found.get(`${asked} ${key.split(".")[0]}.more`);
        if (place && !place.querySelector(`[data-offer="${key}"]`)) offer(place, key, edit);
      }
    }
    paragraphs.forEach(mark);
  };

  let waiting = false;
  new MutationObserver(() => {
    if (waiting || !document.querySelector(".brief-paragraph")) return;
    waiting = true;
    window.requestAnimationFrame(() => {
      waiting = false;
      bringBack();
    });
  }).observe(document.documentElement, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["data-draft", "data-asked", "data-dash-is-loading"],
  });

  // --- Paper ---------------------------------------------------------------------------------

  // What stands in the margins of a settled packet, for this printing only.
  window.addEventListener("beforeprint", () => {
    const packet = document.querySelector("[data-margins]");
    if (!packet) return;
    const sheet = document.createElement("style");
    sheet.id = "brief-margins";
    sheet.textContent = packet.dataset.margins;
    document.head.append(sheet);
  });
  window.addEventListener("afterprint", () => document.getElementById("brief-margins")?.remove());
})();
