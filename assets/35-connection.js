/* What is asked of the server again when it was cut off, and what is said when that is in vain.
   Dash would leave the old figures standing under the new filters, without a word. */
(() => {
  "use strict";
  const CALLBACKS = "/_dash-update-component";
  // Without these two there is no page at all.
  const ASKED_AGAIN = [CALLBACKS, "/_dash-layout", "/_dash-dependencies"];
  // A worker that was replaced is back in a moment; a restarted server within seconds.
  const PAUSES = [300, 1000, 3000];
  const AWAY = new Set([502, 503, 504]);
  // After so long whatever the page needs has been asked for.
  const WHOLE = 30_000;
  // What these write would be written twice.
  const WRITES = /\.\.(commitments-stamp|brief-settled)\.data\.\./;

  const ask = window.fetch;
  const pause = (time) => new Promise((done) => setTimeout(done, time));

  const isWriting = (address, options) => {
    if (!address.endsWith(CALLBACKS)) return false;
    try {
      return WRITES.test(JSON.parse(options.body).output);
    } catch {
      return true;
    }
  };

  const tell = () => {
    document.documentElement.dataset.connection = "lost";
    if (document.getElementById("connection-lost")) return;
    const banner = document.createElement("div");
    banner.id = "connection-lost";
    banner.className = "notice";
    banner.setAttribute("role", "alert");
    const words = document.createElement("strong");
    words.textContent = "与服务器的连接中断：页面上的数字可能不是所选条件的，请勿引用。";
    const again = document.createElement("button");
    again.type = "button";
    again.className = "action";
    again.textContent = "重新载入";
    again.addEventListener("click", () => window.location.reload());
    banner.append(words, again);
    document.body.prepend(banner);
  };

  // A script that was cut off leaves a page without figures: once more, then it is said.
  const AGAIN = "board-loaded-again";
  const onceMore = () => {
    if (window.sessionStorage.getItem(AGAIN)) {
      tell();
    } else {
      window.sessionStorage.setItem(AGAIN, "1");
      window.location.reload();
    }
  };
  let cutOff = false;
  window.addEventListener("load", () => {
    const whole = [
      "React", "ReactDOM", "dash_html_components", "dash_core_components", "DashRenderer",
      "board_html",
    ].every((name) => name in window);
    if (cutOff || !whole) onceMore();
    else window.setTimeout(() => window.sessionStorage.removeItem(AGAIN), WHOLE);
  });
  // Of parts that Dash loads when they are needed first. Such an error does not bubble.
  window.addEventListener("error", ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    cutOff = true;
    if (document.readyState === "complete") onceMore();
  }, true);

  window.fetch = async (resource, options) => {
    const address = typeof resource === "string" ? resource : resource?.url ?? "";
    // Dash adds a query of its own.
    const [path] = address.split("?");
    if (!ASKED_AGAIN.some((each) => path.endsWith(each))) return ask(resource, options);
    const pauses = isWriting(path, options) ? [] : PAUSES;
    for (let tried = 0; ; tried += 1) {
      const last = tried === pauses.length;
      try {
        const answer = await ask(resource, options);
        if (last || !AWAY.has(answer.status)) {
          if (answer.status >= 400) tell();
          return answer;
        }
      } catch (error) {
        // Whoever leaves the page takes back what was asked.
        if (last || error.name === "AbortError") {
          if (error.name !== "AbortError") tell();
          throw error;
        }
      }
      await pause(pauses[tried]);
    }
  };
})();
