/* Pictures of a packet's canvases: each is fetched as the page it is, drawn out of sight at twice its
   size, and saved; all of one size together as a zip. */
(() => {
  "use strict";

  const PICTURES = new URL("00-vendor/modern-screenshot.mjs", document.currentScript.src);
  const SCALE = 2;

  const draw = async (address) => {
    const { domToBlob } = await import(PICTURES.href);
    const answer = await fetch(address, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || page.body.dataset.ready !== "true") throw new Error(address);
    const holder = document.createElement("div");
    holder.className = "figure-holder";
    holder.setAttribute("aria-hidden", "true");
    // In a tree of its own, where no style of this page reaches it.
    const apart = holder.attachShadow({ mode: "open" });
    apart.append(page.querySelector("style"), page.querySelector(".canvas"));
    document.body.append(holder);
    try {
      return await domToBlob(apart.querySelector(".canvas"), {
        scale: SCALE, backgroundColor: "#ffffff", type: "image/png",
      });
    } finally {
      holder.remove();
    }
  };

  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  // --- Zip: files as they are, since PNG is packed already -------------------------------------

  const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
    let value = number;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  const checksum = (bytes) => {
    let value = 0xffffffff;
    for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
    return (value ^ 0xffffffff) >>> 0;
  };

  // Numbers of two and four bytes, the lowest first.
  const record = (fields) => {
    const bytes = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
    let at = 0;
    for (const [size, value] of fields) {
      if (size === 2) bytes.setUint16(at, value, true);
      else bytes.setUint32(at, value, true);
      at += size;
    }
    return new Uint8Array(bytes.buffer);
  };

  const NAMES_ARE_UTF8 = 0x0800;
  const FIRST_DAY = 0x21; // 1980-01-01: a picture's own time says nothing
  const zip = (files) => {
    const parts = [];
    const entries = [];
    let at = 0;
    for (const { name, bytes } of files) {
      const called = new TextEncoder().encode(name);
      const common = [
        [2, 20], [2, NAMES_ARE_UTF8], [2, 0], [2, 0], [2, FIRST_DAY], [4, checksum(bytes)],
        [4, bytes.length], [4, bytes.length], [2, called.length], [2, 0],
      ];
      const head = record([[4, 0x04034b50], ...common]);
      entries.push(
        record([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]), called,
      );
      parts.push(head, called, bytes);
      at += head.length + called.length + bytes.length;
    }
    const size = entries.reduce((sum, each) => sum + each.length, 0);
    const end = record([
      [4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0],
    ]);
    return new Blob([...parts, ...entries, end], { type: "application/zip" });
  };

  // --- Buttons ---------------------------------------------------------------------------------

  const run = async (button) => {
    const list = button.closest(".brief-canvases");
    const said = list.querySelector("[role=status]");
    const { canvas, canvases, file } = button.dataset;
    const wanted = canvas
      ? [button]
      : [...list.querySelectorAll(`[data-canvas*="/canvas/${canvases}/"]`)];
    button.disabled = true;
    try {
      const files = [];
      for (const each of wanted) {
        said.textContent = `正在生成 ${files.length + 1}/${wanted.length}…`;
        const blob = await draw(each.dataset.canvas);
        if (canvas) save(blob, file);
        files.push({
          name: `${String(files.length).padStart(2, "0")}_${each.dataset.file}`,
          bytes: canvas ? null : new Uint8Array(await blob.arrayBuffer()),
        });
      }
      if (!canvas) save(zip(files), file);
      said.textContent = `已下载${wanted.length}张`;
    } catch {
      said.textContent = "没有成功，请重试";
    } finally {
      button.disabled = false;
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-canvas], [data-canvases]");
    if (button && !button.disabled) run(button);
  });
})();
